"""The schedule that waits for progress to end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Interval

from ferbench import HIGHER_IS_BETTER, Inert, Scores, Tunable, UserError, better, is_selectable
from ferbench_builtin.schedules.warmup import LONGEST, Rates, Span, Warmup, WarmupUnit


class Plateau:
    """Lowers the rates when a validation metric has stopped to improve; torch's ``ReduceLROnPlateau`` with
    ``threshold_mode="abs"``.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built.
        epochs: epochs of the run.
        steps_per_epoch: optimiser steps in an epoch.
        metric: a validation metric, named as in ``training.select``; whether higher is better follows from it.
        factor: of each lowering.
        patience: epochs without improvement that are waited for; the one after them lowers the rates.
        threshold: by how much, in units of the metric, an epoch must beat the best for an improvement.
        end: share of the optimiser's rates that they never fall below.
        warmup: length of a linear warm-up in front, whose epochs do not count; 0: none.
        warmup_unit: ``epochs`` or ``steps``.

    Raises:
        UserError: there is no such metric; for a class of ``f1:CLASS`` when it first hears scores.
    """

    def __init__(
        self,
        base_rates: Rates,
        epochs: int,
        steps_per_epoch: int,
        *,
        metric: Annotated[str, Inert()] = "loss",
        factor: Annotated[float, Interval(gt=0, lt=1), Tunable(0.1, 0.7)] = 0.1,
        patience: Annotated[int, Interval(ge=0, le=LONGEST), Tunable(1, 10)] = 5,
        threshold: Annotated[float, Interval(ge=0, le=1e6)] = 1e-4,
        end: Annotated[float, Interval(ge=0, le=1)] = 0.0,
        warmup: Warmup = 0.0,
        warmup_unit: WarmupUnit = "epochs",
    ) -> None:
        if not is_selectable(metric):
            raise UserError(
                f"schedule.metric = '{metric}' is no metric",
                f"choose {', '.join(HIGHER_IS_BETTER)}, f1:CLASS, recall:CLASS, or a metric of a plugin",
            )
        self._base_rates = base_rates
        self._span = Span.of(epochs, steps_per_epoch, warmup, warmup_unit)
        self._metric = metric
        self._factor = factor
        self._patience = patience
        self._threshold = threshold
        self._end = end
        self._scale = 1.0
        self._best = math.nan
        self._waited = 0
        self._heard = 0

    def __call__(self, step: int, scores: Scores | None) -> Rates:
        if step < self._span.warmup:
            scale = self._span.ramp(step)
            self._heard = 0 if scores is None else scores.epoch
        else:
            if scores is not None and scores.epoch > self._heard:
                self._hear(scores)
            scale = self._scale
        return tuple(rate * scale for rate in self._base_rates)

    def _hear(self, scores: Scores) -> None:
        self._heard = scores.epoch
        try:
            value = scores.read(self._metric)
        except KeyError:
            raise UserError(
                f"schedule.metric = '{self._metric}' is not among the validation scores",
                f"choose {', '.join(scores.metrics)}, or f1:CLASS of {', '.join(scores.f1)}",
            ) from None
        if better(self._metric, value, self._best, self._threshold):
            self._best, self._waited = value, 0
        else:
            self._waited += 1
        if self._waited > self._patience:
            self._scale, self._waited = max(self._scale * self._factor, self._end), 0

    def state_dict(self) -> dict[str, Any]:
        """What it has heard so far, as plain values."""
        best = None if math.isnan(self._best) else self._best
        return {"scale": self._scale, "best": best, "waited": self._waited, "heard": self._heard}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        scale, waited, heard = float(state["scale"]), int(state["waited"]), int(state["heard"])
        if not (self._end <= scale <= 1 and 0 <= waited <= self._patience and heard >= 0):
            raise ValueError("a state that this schedule never has")
        self._scale, self._waited, self._heard = scale, waited, heard
        self._best = math.nan if state["best"] is None else float(state["best"])
