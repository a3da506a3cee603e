"""Which epoch's weights are kept, and when to stop before all epochs are done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ferbench.metrics.measures import measure
from ferbench.training.scores import Scores


def better(metric: str, value: float, than: float, by: float = 0.0) -> bool:
    """Whether a metric's value is better than another by more than ``by``; any number is better than NaN."""
    if math.isnan(value) or math.isnan(than):
        return math.isnan(than) and not math.isnan(value)
    return value > than + by if measure(metric).higher_is_better else value < than - by


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


class Pruned(Exception):
    """A search has no hope for this run and ends it after an epoch; its checkpoint stays, and it can be resumed."""


@dataclass
class EarlyStopping:
    """Stops when a validation metric has not gained for ``patience`` epochs.

    An epoch gains when it is better than the last epoch that gained by more than ``min_gain``. Which epoch's weights
    are kept is another matter: that is the best one, however small its lead.

    Attributes:
        metric: as ``training.select`` has it.
        patience: epochs without a gain to wait for.
        min_gain: in units of the metric, zero or above.
        value: of the last epoch that gained.
        waited: epochs since then.
    """

    metric: str
    patience: int
    min_gain: float = 0.0
    value: float = field(default=math.nan)
    waited: int = 0

    def stops(self, scores: Scores) -> bool:
        """Take note of an epoch; True when it should be the last."""
        value = scores.read(self.metric)
        if better(self.metric, value, self.value, self.min_gain):
            self.value, self.waited = value, 0
        else:
            self.waited += 1
        return self.waited >= self.patience
