"""Metrics as functions of a confusion matrix, with their derivatives.

Accuracy, macro-F1, balanced accuracy and the F1 of each class depend on the predictions through the confusion matrix
alone. With the derivative at each cell, a sample's share in a metric's uncertainty is a number (its influence), which
makes variances, covariances of paired models and clustered samples one and the same sum (the delta method: Hampel,
Journal of the American Statistical Association 1974). Conventions are those of `ferbench.metrics.classification`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Metrics of all classes; ``present_f1`` is the mean F1 of the classes that have samples. Beside them there is ``f1:K``
#: for the class id K.
OVERALL = ("accuracy", "macro_f1", "balanced_accuracy", "present_f1")


def values(metric: str, confusion: NDArray[np.number], scored: int | None = None) -> NDArray[np.float64]:
    """A metric of confusion matrices.

    Args:
        metric: one of `OVERALL`, or ``f1:K``.
        confusion: counts [..., K, K], rows true.
        scored: macro-F1 is over the first so many classes; None: all K.

    Returns:
        float[...]; NaN of an empty matrix's accuracy.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    hits, support = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1)
    if metric == "accuracy":
        return _ratio(hits.sum(axis=-1), support.sum(axis=-1))
    if metric == "balanced_accuracy":
        return _ratio(_ratio(hits, support).sum(axis=-1), (support > 0).sum(axis=-1))
    f1 = _ratio(2 * hits, support + counts.sum(axis=-2))
    return (f1 * _weights(metric, support, scored)).sum(axis=-1)


def gradient(metric: str, confusion: NDArray[np.number], scored: int | None = None) -> NDArray[np.float64]:
    """Derivatives of a metric by the counts, [K, K]; a metric does not change when all counts grow alike.

    Args:
        metric: one of `OVERALL`, or ``f1:K``.
        confusion: counts [K, K].
        scored: as of `values`.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    k = len(counts)
    support, diagonal = counts.sum(axis=1), np.eye(k)
    if metric == "accuracy":
        return _ratio(diagonal - values(metric, counts), np.full((k, k), counts.sum()))
    if metric == "balanced_accuracy":
        recall = _ratio(np.diag(counts), support)
        return _ratio(diagonal - recall[:, None], np.repeat(support[:, None], k, axis=1)) / max(1, (support > 0).sum())
    both = support + counts.sum(axis=0)
    f1 = _ratio(2 * np.diag(counts), both)
    # dF1_k / dN[t, p] = (2 [t = p = k] − F1_k ([t = k] + [p = k])) / (support_k + predicted_k)
    weights = _weights(metric, support, scored)
    slope = weights * _ratio(f1, both)
    return np.diag(weights * _ratio(np.full(k, 2.0), both)) - slope[:, None] - slope[None, :]


def _weights(metric: str, support: NDArray[np.float64], scored: int | None) -> NDArray[np.float64]:
    """How much each class counts [..., K] in a metric made of the classes' F1."""
    if metric == "macro_f1":
        count = support.shape[-1] if scored is None else scored
        return np.broadcast_to((np.arange(support.shape[-1]) < count) / count, support.shape)
    if metric == "present_f1":
        there = (support > 0).astype(np.float64)
        return there / np.maximum(1, there.sum(axis=-1, keepdims=True))
    weights = np.zeros(support.shape)
    weights[..., class_of(metric)] = 1
    return weights


def class_of(metric: str) -> int:
    """The class id of ``f1:K``.

    Raises:
        ValueError: it is no such metric.
    """
    which, _, number = metric.partition(":")
    if which != "f1" or not number.isdigit():
        raise ValueError(f"no interval is known for the metric '{metric}'")
    return int(number)


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.number]) -> NDArray[np.float64]:
    return np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=np.asarray(bottom) > 0)
