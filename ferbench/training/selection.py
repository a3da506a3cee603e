"""Which epoch's weights are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ferbench.metrics.measures import HIGHER_IS_BETTER
from ferbench.training.scores import Scores


def better(metric: str, value: float, than: float, by: float = 0.0) -> bool:
    """Whether a metric's value is better than another by more than ``by``; any number is better than NaN."""
    if math.isnan(value) or math.isnan(than):
        return math.isnan(than) and not math.isnan(value)
    return value > than + by if HIGHER_IS_BETTER.get(metric, True) else value < than - by


@dataclass
class BestEpoch:
    """Follows a validation metric; of equal epochs the first is kept.

    Attributes:
        metric: as ``training.select`` has it.
        epoch: the best so far, 0 before the first.
        value: its value of the metric, NaN before the first.
    """

    metric: str
    epoch: int = 0
    value: float = field(default=math.nan)

    def improves(self, scores: Scores) -> bool:
        """Take note of an epoch; True when it is the best so far."""
        value = scores.read(self.metric)
        improved = self.epoch == 0 or better(self.metric, value, self.value)
        if improved:
            self.epoch, self.value = scores.epoch, value
        return improved
