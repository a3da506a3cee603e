"""Schedules along a cosine."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Interval

from ferbench import Tunable
from ferbench_builtin.schedules.warmup import LONGEST, Rates, Scheduled, Span, Warmup, WarmupUnit


def between(start: float, end: float, way: float) -> float:
    """From ``start`` (way 0) to ``end`` (way 1) along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * min(way, 1.0))) / 2


def cosine(
    base_rates: Rates,
    epochs: int,
    steps_per_epoch: int,
    *,
    end: Annotated[float, Interval(ge=0, le=1)] = 0.0,
    warmup: Warmup = 0.0,
    warmup_unit: WarmupUnit = "epochs",
) -> Scheduled:
    """Cosine annealing step by step over the whole run: Loshchilov and Hutter 2017 (https://arxiv.org/abs/1608.03983)
    without restarts, torch's ``CosineAnnealingLR``.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built.
        epochs: epochs of the run.
        steps_per_epoch: optimiser steps in an epoch.
        end: share of the rates that would be reached after the last step.
        warmup: length of a linear warm-up in front; 0: none.
        warmup_unit: ``epochs`` or ``steps``.
    """
    span = Span.of(epochs, steps_per_epoch, warmup, warmup_unit)
    return Scheduled(base_rates, span, lambda step: between(1.0, end, step / span.steps))


def cosine_restarts(
    base_rates: Rates,
    epochs: int,
    steps_per_epoch: int,
    *,
    period: Annotated[float, Interval(gt=0, le=LONGEST), Tunable(1.0, 20.0)] = 10.0,
    growth: Annotated[float, Interval(ge=1, le=1000), Tunable(1.0, 3.0)] = 1.0,
    end: Annotated[float, Interval(ge=0, le=1)] = 0.0,
    warmup: Warmup = 0.0,
    warmup_unit: WarmupUnit = "epochs",
) -> Scheduled:
    """Cosine annealing that starts again and again (SGDR, Loshchilov and Hutter 2017), torch's
    ``CosineAnnealingWarmRestarts``.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built.
        epochs: epochs of the run.
        steps_per_epoch: optimiser steps in an epoch.
        period: epochs until the first restart.
        growth: how many times longer each period is than the one before.
        end: share of the rates that a period ends with.
        warmup: length of a linear warm-up in front of the first period; 0: none.
        warmup_unit: ``epochs`` or ``steps``.
    """
    span = Span.of(epochs, steps_per_epoch, warmup, warmup_unit)
    first = max(period * steps_per_epoch, 1.0)

    def factor(step: int) -> float:
        place, length = float(step), first
        if growth == 1:
            place %= length
        while place >= length:
            place -= length
            length *= growth
        return between(1.0, end, place / length)

    return Scheduled(base_rates, span, factor)


def one_cycle(
    base_rates: Rates,
    epochs: int,
    steps_per_epoch: int,
    *,
    rise: Annotated[float, Interval(gt=0, lt=1), Tunable(0.1, 0.5)] = 0.3,
    start: Annotated[float, Interval(gt=0, le=1)] = 0.04,
    end: Annotated[float, Interval(ge=0, le=1)] = 4e-6,
    warmup: Warmup = 0.0,
    warmup_unit: WarmupUnit = "epochs",
) -> Scheduled:
    """One rise to the optimiser's rates and one long fall, both along a cosine: Smith and Topin 2019
    (https://arxiv.org/abs/1708.07120), torch's ``OneCycleLR``. Momentum stays as it is.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built: the peak.
        epochs: epochs of the run.
        steps_per_epoch: optimiser steps in an epoch.
        rise: share of the steps until the peak.
        start: share of the peak to start from.
        end: share of the peak that the last step has.
        warmup: length of a linear warm-up in front; 0: none, since this schedule starts low.
        warmup_unit: ``epochs`` or ``steps``.
    """
    span = Span.of(epochs, steps_per_epoch, warmup, warmup_unit)
    peak = rise * span.steps - 1

    def factor(step: int) -> float:
        if step <= peak:
            return between(start, 1.0, step / peak if peak else 1.0)
        return between(1.0, end, (step - peak) / max(span.steps - 1 - peak, 1e-9))

    return Scheduled(base_rates, span, factor)
