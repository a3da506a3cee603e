"""Schedules that let rates fall: exponentially, in steps, along a line."""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated

from annotated_types import Interval

from ferbench import Inert, Tunable, UserError
from ferbench_builtin.schedules.warmup import LONGEST, Rates, Scheduled, Span, Warmup, WarmupUnit


def exponential(
    base_rates: Rates,
    epochs: int,
    steps_per_epoch: int,
    *,
    decay: Annotated[float, Interval(gt=0, le=1), Tunable(0.8, 0.99)] = 0.95,
    every: Annotated[float, Interval(gt=0, le=LONGEST)] = 1.0,
    staircase: Annotated[bool, Inert()] = False,
    warmup: Warmup = 0.0,
    warmup_unit: WarmupUnit = "epochs",
) -> Scheduled:
    """Exponential decay: base · decay^(e / every) after e epochs, changing with every step or, with ``staircase``,
    after whole periods. The formula of Keras's ``ExponentialDecay``; with ``staircase`` that of torch's
    ``ExponentialLR``.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built.
        epochs: epochs of the run.
        steps_per_epoch: optimiser steps in an epoch.
        decay: factor of a period.
        every: length of a period, in epochs.
        staircase: change only after whole periods.
        warmup: length of a linear warm-up in front; 0: none.
        warmup_unit: ``epochs`` or ``steps``.
    """
    span = Span.of(epochs, steps_per_epoch, warmup, warmup_unit)
    period = every * steps_per_epoch
    return Scheduled(base_rates, span, lambda step: decay ** (step // period if staircase else step / period))


def step_decay(
    base_rates: Rates,
    epochs: int,
    steps_per_epoch: int,
    *,
    factor: Annotated[float, Interval(gt=0, le=1), Tunable(0.1, 0.5)] = 0.1,
    every: Annotated[int, Interval(ge=1, le=LONGEST)] = 10,
    milestones: tuple[Annotated[int, Interval(ge=1, le=LONGEST)], ...] = (),
    warmup: Warmup = 0.0,
    warmup_unit: WarmupUnit = "epochs",
) -> Scheduled:
    """Steps down: rates are multiplied by ``factor`` every so many epochs, or at ``milestones``. torch's ``StepLR``
    and ``MultiStepLR``.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built.
        epochs: epochs of the run.
        steps_per_epoch: optimiser steps in an epoch.
        factor: of a step down.
        every: epochs between steps down.
        milestones: rising numbers of epochs after which to step down, instead of ``every``.
        warmup: length of a linear warm-up in front, after which epochs are counted; 0: none.
        warmup_unit: ``epochs`` or ``steps``.

    Raises:
        UserError: ``milestones`` do not rise.
    """
    if list(milestones) != sorted(set(milestones)):
        raise UserError(f"schedule.milestones = {list(milestones)} do not rise", "list them from first to last, once")
    span = Span.of(epochs, steps_per_epoch, warmup, warmup_unit)

    def after(step: int) -> float:
        epoch = step // steps_per_epoch
        return factor ** (bisect_right(milestones, epoch) if milestones else epoch // every)

    return Scheduled(base_rates, span, after)


def linear(
    base_rates: Rates,
    epochs: int,
    steps_per_epoch: int,
    *,
    end: Annotated[float, Interval(ge=0, le=1)] = 0.0,
    warmup: Warmup = 0.0,
    warmup_unit: WarmupUnit = "epochs",
) -> Scheduled:
    """A line from the optimiser's rates down to a share of them, step by step. torch's ``LinearLR``.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built.
        epochs: epochs of the run.
        steps_per_epoch: optimiser steps in an epoch.
        end: share of the rates that would be reached after the last step.
        warmup: length of a linear warm-up in front; 0: none.
        warmup_unit: ``epochs`` or ``steps``.
    """
    span = Span.of(epochs, steps_per_epoch, warmup, warmup_unit)
    return Scheduled(base_rates, span, lambda step: 1 - (1 - end) * min(step / span.steps, 1.0))
