"""Metrics of class probabilities float[n, K] against class ids int64[n].

``tests/metrics`` holds them against scikit-learn. They are numpy's own work because importing scikit-learn's metrics
takes longer than many a run's evaluation.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Probabilities are kept this far from 0 and 1 in the log loss: the resolution of float32, scikit-learn's choice too.
#: Nearest to 0 and 1 that a probability counts in a logarithm.
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


def roc_auc(positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Area under the ROC curve: the chance that a positive sample scores above a negative one, ties counting half.

    Hanley and McNeil (Radiology, 1982). NaN without positives or without negatives.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        return math.nan
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(sizes) - (sizes - 1) / 2
    rank_sum = float(mean_rank[group][positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_precision(positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Area under the precision–recall curve as average precision: Σ (R_i − R_(i−1)) P_i over the distinct thresholds.

    No interpolation between points, which would be too kind (Davis and Goadrich, ICML 2006). NaN without positives.
    """
    positives = int(positive.sum())
    if positives == 0:
        return math.nan
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_ties = np.append(ranked[1:] != ranked[:-1], True)
    hits = np.cumsum(positive[order])[last_of_ties]
    taken = np.flatnonzero(last_of_ties) + 1
    return float((np.diff(hits, prepend=0) * (hits / taken)).sum() / positives)


def one_vs_rest(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ROC-AUC float64[K] and average precision float64[K] of each class against all others."""
    classes = range(probabilities.shape[1])
    pairs = [(truth == k, probabilities[:, k]) for k in classes]
    roc = np.array([roc_auc(positive, scores) for positive, scores in pairs])
    return roc, np.array([average_precision(positive, scores) for positive, scores in pairs])


def mean_of_defined(values: NDArray[np.float64]) -> float:
    """Mean over the classes for which a value is defined; NaN where it is for none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else math.nan
