"""Classification metrics from a confusion matrix.

Conventions are scikit-learn's with ``zero_division=0``: a class that is never predicted has precision 0, a class
without support has recall 0. Averages over classes run over all K classes of the task, so that a model that never
predicts a class pays for it. ``tests/metrics`` holds every function against scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """int64[K, K]: rows are true classes, columns predicted ones.

    Raises:
        ValueError: the two differ in length, or an id lies outside 0..K-1.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"{len(truth)} true labels but {len(predicted)} predictions")
    for name, ids in (("true", truth), ("predicted", predicted)):
        if ids.size and not (ids.min() >= 0 and ids.max() < classes):
            raise ValueError(f"{name} class ids must lie in 0..{classes - 1}")
    flat = np.bincount(truth.astype(np.int64) * classes + predicted.astype(np.int64), minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


@dataclass(frozen=True, slots=True)
class ClassificationScores:
    """Scores of one set of predictions over K classes.

    Attributes:
        confusion: int64[K, K], rows true, columns predicted.
        precision: float64[K].
        recall: float64[K].
        f1: float64[K].
        support: int64[K], samples per true class.
    """

    confusion: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]

    @property
    def n(self) -> int:
        return int(self.support.sum())

    def summary(self, over: Sequence[int] | None = None) -> dict[str, float]:
        """Scalar metrics by name; balanced accuracy averages recall over the classes that have support.

        Args:
            over: class ids that macro averages and the worst F1 are taken over; None: all K. Of a class that the test
                set does not know, the samples taken for it still count as errors of their true classes.
        """
        n = self.n
        chosen = slice(None) if over is None else list(over)
        present = self.support > 0
        return {
            "accuracy": float(np.trace(self.confusion) / n) if n else 0.0,
            "macro_f1": float(self.f1[chosen].mean()),
            "weighted_f1": float(self.f1 @ self.support / n) if n else 0.0,
            "balanced_accuracy": float(self.recall[present].mean()) if present.any() else 0.0,
            "macro_precision": float(self.precision[chosen].mean()),
            "macro_recall": float(self.recall[chosen].mean()),
            "weighted_precision": float(self.precision @ self.support / n) if n else 0.0,
            "worst_class_f1": float(self.f1[chosen].min()),
        }

    def per_class(self, class_names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """Precision, recall, F1 and support by class name."""
        return {
            name: {
                "precision": float(self.precision[k]),
                "recall": float(self.recall[k]),
                "f1": float(self.f1[k]),
                "support": int(self.support[k]),
            }
            for k, name in enumerate(class_names)
        }


def score(confusion: NDArray[np.int64]) -> ClassificationScores:
    """Per-class precision, recall, F1 and support of a confusion matrix int64[K, K]."""
    hits = np.diag(confusion).astype(np.float64)
    predicted = confusion.sum(axis=0)
    support = confusion.sum(axis=1)
    precision = np.divide(hits, predicted, out=np.zeros_like(hits), where=predicted > 0)
    recall = np.divide(hits, support, out=np.zeros_like(hits), where=support > 0)
    both = predicted + support
    f1 = np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)
    return ClassificationScores(confusion, precision, recall, f1, support.astype(np.int64))
