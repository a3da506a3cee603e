"""Are the outputs of a classifier in the order that its labels say?

A classifier that knows the classes and whose outputs are named in the wrong order errs in a pattern: another order of
the same outputs fits the labels better. The best order is an assignment of outputs to classes (Kuhn, Naval Research
Logistics Quarterly 1955), found from the confusion matrix alone. Some order always fits a little better by chance; how
often it fits as much better where predictions and labels have nothing to do with each other is the p of a permutation
test: labels are dealt anew among the samples, and the best order is chosen each time as it was for the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class LabelOrder:
    """The order of outputs that fits the labels best.

    Attributes:
        classes: for each output the class that it fits; the outputs' own places where no order is better.
        accuracy: of the outputs as they are named.
        best: accuracy in that order.
        p: how often labels that were dealt at random gain as much by an order of their own.
    """

    classes: tuple[int, ...]
    accuracy: float
    best: float
    p: float


def label_order(confusion: ArrayLike, *, least_gain: float = 0.0, draws: int = 999, seed: int = 0) -> LabelOrder | None:
    """The order that fits best, and whether chance explains it.

    Args:
        confusion: counts[K, K], samples by true class (rows) and predicted class (columns).
        least_gain: of accuracy; where no order gains as much there is nothing to test.
        draws: of labels at random; the smallest p is 1 / (draws + 1).
        seed: of the draws.

    Returns:
        None where there is no sample, or no order gains ``least_gain`` and more than nothing.

    Raises:
        ValueError: it is no square matrix of counts.
    """
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"a confusion matrix is square, this one is {counts.shape}")
    if not np.array_equal(counts, counts.astype(np.int64)) or (counts < 0).any():
        raise ValueError("a confusion matrix has counts")
    counts = counts.astype(np.int64)
    total, right = int(counts.sum()), int(np.trace(counts))
    # No order gains more than each output's commonest class does.
    if not total or not _enough(int(counts.max(axis=0).sum()) - right, total, least_gain):
        return None
    classes = _assigned(counts)
    gain = _gain(counts, classes)
    if not _enough(gain, total, least_gain):
        return None
    from scipy.stats import random_table

    tables = random_table(counts.sum(axis=1), counts.sum(axis=0)).rvs(
        size=draws, random_state=np.random.default_rng(seed)
    )
    as_much = sum(_gain(table, _assigned(table)) >= gain for table in tables.astype(np.int64))
    p = (1 + as_much) / (1 + draws)
    return LabelOrder(tuple(int(place) for place in classes), right / total, (right + gain) / total, p)


def _enough(gain: int, total: int, least: float) -> bool:
    return gain > 0 and gain >= least * total


def _assigned(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each output the class, so that most samples are right; its own where that is as good."""
    from scipy.optimize import linear_sum_assignment

    size = len(counts)
    # Scaled so that of equally good orders the one with most outputs left as they are is taken.
    worth = counts.T * (size + 1) + np.eye(size, dtype=np.int64)
    _, classes = linear_sum_assignment(worth, maximize=True)
    return np.asarray(classes, dtype=np.int64)


def _gain(counts: NDArray[np.int64], classes: NDArray[np.int64]) -> int:
    return int(counts[classes, np.arange(len(counts))].sum() - np.trace(counts))
