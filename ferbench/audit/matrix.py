"""Confusion matrices with given margins and diagonal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def has_matrix(right: Sequence[int], predicted: Sequence[int], supports: Sequence[int]) -> bool:
    """Whether a confusion matrix has these diagonal entries, column sums and row sums.

    What is left after the diagonal is a transport from rows to columns that may not use the diagonal. It exists when
    rows and columns have as much left, and no class has more left in its row and column together than all rows: what
    one row has left must find place in the other columns. (By max-flow min-cut nothing else can stand in the way, since
    two rows together reach every column.)
    """
    misses = [s - t for s, t in zip(supports, right, strict=True)]
    alarms = [p - t for p, t in zip(predicted, right, strict=True)]
    if min(*misses, *alarms, *right) < 0 or sum(misses) != sum(alarms):
        return False
    return all(miss + alarm <= sum(misses) for miss, alarm in zip(misses, alarms, strict=True))


def make_matrix(right: Sequence[int], predicted: Sequence[int], supports: Sequence[int]) -> np.ndarray:
    """One of the confusion matrices, int64[K, K], rows true and columns predicted.

    Raises:
        ValueError: there is none.
    """
    if not has_matrix(right, predicted, supports):
        raise ValueError("no confusion matrix has these margins and this diagonal")
    matrix = np.diag(np.asarray(right, dtype=np.int64))
    misses = np.asarray(supports, dtype=np.int64) - matrix.diagonal()
    alarms = np.asarray(predicted, dtype=np.int64) - matrix.diagonal()
    while (left := int(misses.sum())) > 0:
        # The class with most left is served first, and no transport is so large that another class could no longer be.
        load = misses + alarms
        order = np.argsort(-load, kind="stable")
        row, column = _transport(order, misses, alarms)
        others = np.delete(load, [row, column])
        amount = min(int(misses[row]), int(alarms[column]), left - int(others.max(initial=0)))
        matrix[row, column] += amount
        misses[row] -= amount
        alarms[column] -= amount
    return matrix


def _transport(order: np.ndarray, misses: np.ndarray, alarms: np.ndarray) -> tuple[int, int]:
    """The pair of row and column with the heaviest classes."""
    heaviest = int(order[0])
    for other in map(int, order[1:]):
        if misses[heaviest] and alarms[other]:
            return heaviest, other
        if alarms[heaviest] and misses[other]:
            return other, heaviest
    raise AssertionError("the heaviest class has something left, and some other class the other side of it")
