"""Which epoch's weights are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ferbench.metrics.classification import HIGHER_IS_BETTER
from ferbench.training.scores import Scores


@dataclass
class BestEpoch:
    """Follows a validation metric; of equal epochs the first is kept.

    Attributes:
        metric: as ``training.select`` has it.
        epoch: the best so far, 0 before the first.
        value: its value of the metric.
    """

    metric: str
    epoch: int = 0
    value: float = field(default=math.nan)

    def improves(self, scores: Scores) -> bool:
        """Take note of an epoch; True when it is the best so far."""
        value = self._read(scores)
        higher = HIGHER_IS_BETTER.get(self.metric, True)
        better = self.epoch == 0 or (value > self.value if higher else value < self.value)
        if better:
            self.epoch, self.value = scores.epoch, value
        return better

    def _read(self, scores: Scores) -> float:
        name, _, class_name = self.metric.partition(":")
        if class_name:
            return (scores.f1 if name == "f1" else scores.recall)[class_name]
        return scores.metrics[self.metric]
