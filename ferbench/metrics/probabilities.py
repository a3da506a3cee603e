"""Metrics of class probabilities float[n, K] against class ids int64[n].

``tests/metrics`` holds them against scikit-learn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Nearest to 0 and 1 that a probability counts in the log loss: the resolution of float32, scikit-learn's choice too.
SMALLEST = float(np.finfo(np.float32).eps)


def predicted_classes(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """What probabilities float[n, K] predict, int64[n]: the most probable class, of equal ones the lowest id."""
    return probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, dtype=np.int64)


def with_predicted(probabilities: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Probabilities float32[n, K] by which `predicted_classes` are these, int64[n].

    Whoever made the predictions may have chosen among equally probable classes in another way. Theirs is raised to the
    float32 behind the highest probability, which changes no score by more than 1e-7.
    """
    rows = np.flatnonzero(predicted_classes(probabilities) != classes)
    raised = probabilities.copy()
    raised[rows, classes[rows]] = np.nextafter(raised[rows].max(axis=1), np.float32(np.inf))
    return raised


def top_k_accuracy(truth: NDArray[np.int64], probabilities: NDArray[np.floating], k: int = 2) -> float:
    """Share of samples whose class is among the k most probable; NaN for no samples.

    Of equal probabilities the lower class id counts as more probable, as in ``argmax``: so top-1 is the accuracy.
    """
    if len(truth) == 0:
        return math.nan
    own = probabilities[np.arange(len(truth)), truth][:, None]
    before = np.arange(probabilities.shape[1]) < truth[:, None]
    rank = ((probabilities > own) | ((probabilities == own) & before)).sum(axis=1)
    return float((rank < k).mean())


def log_loss(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Mean of −ln p(true class), in nats, with p between 1.19e-7 and 1 − 1.19e-7; NaN for no samples."""
    if len(truth) == 0:
        return math.nan
    own = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.log(np.clip(own, SMALLEST, 1 - SMALLEST)).mean())
