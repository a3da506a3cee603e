"""What samplers and schedules are given after each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one epoch, as plain numbers.

    Attributes:
        epoch: the epoch that ended, from 1.
        metrics: validation metrics by name ("loss", "accuracy", "macro_f1", …).
        f1: validation F1 per class, by class name.
        recall: validation recall per class, by class name.
        train_f1: F1 per class on the training batches as they went by, by class name.
        support: validation samples per class, by class name: where there are none, the other scores of that class say
            nothing. Empty where that is not known.
        losses: float32[n], of each training sample the loss that it had in the epoch, the mean where it was drawn more
            than once, NaN where it was not drawn. Read-only, as ``correct`` is. For samplers whose spec says
            ``per_sample`` alone; None for others, and for schedules.
        correct: float32[n], how often it was predicted right, of the times that it was drawn; NaN likewise.
    """

    epoch: int
    metrics: Mapping[str, float]
    f1: Mapping[str, float]
    recall: Mapping[str, float] = field(default_factory=dict)
    train_f1: Mapping[str, float] = field(default_factory=dict)
    support: Mapping[str, int] = field(default_factory=dict)
    losses: NDArray[np.float32] | None = field(default=None, compare=False)
    correct: NDArray[np.float32] | None = field(default=None, compare=False)

    def read(self, metric: str) -> float:
        """A validation metric as ``training.select`` names it: ``macro_f1``, ``f1:CLASS``, ``recall:CLASS``."""
        name, _, class_name = metric.partition(":")
        if class_name:
            return (self.f1 if name == "f1" else self.recall)[class_name]
        return self.metrics[metric]
