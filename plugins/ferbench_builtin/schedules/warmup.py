"""What all schedules share: rates as factors of the optimiser's, and a linear warm-up in front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from ferbench import Scores, Tunable, UserError

#: Epochs that a run may have.
LONGEST = 10**6

Warmup = Annotated[float, Interval(ge=0, le=1e8), Tunable(0.0, 5.0)]  # epochs or steps
WarmupUnit = Literal["epochs", "steps"]
Rates = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """How the steps of a run are shared out.

    Attributes:
        warmup: steps of the warm-up.
        steps: steps after it, at least one.
        per_epoch: steps in an epoch.
    """

    warmup: int
    steps: int
    per_epoch: int

    @classmethod
    def of(cls, epochs: int, steps_per_epoch: int, warmup: float, unit: WarmupUnit) -> Span:
        """Cut the warm-up off.

        Raises:
            UserError: it takes all the steps that there are.
        """
        ramp = round(warmup * steps_per_epoch) if unit == "epochs" else round(warmup)
        total = epochs * steps_per_epoch
        if ramp >= total:
            raise UserError(
                f"schedule.warmup = {warmup:g} {unit} takes all {total} steps of the run",
                "make it shorter, or set schedule.warmup_unit=steps",
            )
        return cls(ramp, total - ramp, steps_per_epoch)

    def ramp(self, step: int) -> float:
        """Factor of a step of the warm-up: (step + 1) / (warmup + 1)."""
        return (step + 1) / (self.warmup + 1)


class Scheduled:
    """A schedule without a memory: rates are the optimiser's times a factor of the step.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built.
        span: of the run.
        factor: of the steps after the warm-up, counted from 0.
    """

    def __init__(self, base_rates: Rates, span: Span, factor: Callable[[int], float]) -> None:
        self._base_rates = base_rates
        self._span = span
        self._factor = factor

    def __call__(self, step: int, scores: Scores | None) -> Rates:
        span = self._span
        factor = span.ramp(step) if step < span.warmup else self._factor(step - span.warmup)
        return tuple(rate * factor for rate in self._base_rates)
