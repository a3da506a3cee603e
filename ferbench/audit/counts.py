"""The whole numbers behind a table's scores: images of a class that were right, and images taken for it.

A class with support s of which t are right, and which p images are taken for, has precision t/p, recall t/s and
F1 2t/(p+s). Each printed score bounds t for a given p, so that the possible pairs are one range of t for each p.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from ferbench.audit.printed import ANY, Interval

#: What a score is whose denominator is 0; "left out": of averages too.
ZeroDivision = Literal["0", "1", "left out"]


@dataclass(frozen=True, slots=True)
class Choices:
    """Pairs (t, p) that a class may have.

    Attributes:
        predicted: int64[n], increasing: p.
        low: int64[n]: the smallest t for that p.
        high: int64[n]: the largest.
    """

    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __len__(self) -> int:
        return len(self.predicted)

    @property
    def count(self) -> int:
        return int((self.high - self.low + 1).sum())

    def within(self, predicted: tuple[int, int], right: tuple[int, int]) -> Choices:
        """Those with p and t in these ranges, both ends included."""
        low, high = np.maximum(self.low, right[0]), np.minimum(self.high, right[1])
        keep = (self.predicted >= predicted[0]) & (self.predicted <= predicted[1]) & (low <= high)
        return Choices(self.predicted[keep], low[keep], high[keep])

    def pairs(self) -> np.ndarray:
        """int64[count, 2] of (t, p)."""
        sizes = self.high - self.low + 1
        first = np.repeat(np.cumsum(sizes) - sizes, sizes)
        right = np.repeat(self.low, sizes) + np.arange(int(sizes.sum())) - first
        return np.stack([right, np.repeat(self.predicted, sizes)], axis=1)

    def ends(self) -> np.ndarray:
        """int64[m, 2] of the pairs (t, p) with the lowest and highest t for each p."""
        return np.concatenate(
            [np.stack([self.low, self.predicted], axis=1), np.stack([self.high, self.predicted], axis=1)]
        )


def choices(
    support: int,
    total: int,
    printed: Mapping[str, Interval],
    zero_division: ZeroDivision = "0",
    undefined: frozenset[str] = frozenset(),
) -> Choices:
    """All pairs that give a class its printed scores.

    Args:
        support: s, images of the class.
        total: images in all.
        printed: what is known of precision, recall and F1.
        zero_division: what precision is where p is 0, recall where s is 0, F1 where both are.
        undefined: scores printed as "not a number"; only with ``left out`` they say that the denominator is 0.
    """
    precision, recall, f1 = (printed.get(measure, ANY) for measure in ("precision", "recall", "f1"))
    none = Choices(*(np.zeros(0, np.int64),) * 3)
    strict = undefined if zero_division == "left out" else frozenset()
    if support == 0:
        if "recall" in printed and (zero_division == "left out" or int(zero_division) not in recall):
            return none
        right = (0, 0)
    else:
        if "recall" in strict:
            return none
        right = (max(0, _ceil(recall.low * support)), min(support, _floor(recall.high * support)))
    span = _predicted_range(support, total, right, precision, f1)
    if "precision" in strict:
        span = (0, min(0, span[1]))
    if right[0] > right[1] or span[0] > span[1]:
        return none
    predicted = np.arange(span[0], span[1] + 1, dtype=np.int64)
    low = np.maximum(right[0], predicted - (total - support))
    high = np.minimum(right[1], predicted)
    if "f1" in strict:
        high = np.minimum(high, 0)
    for interval, twice in ((precision, 2 * predicted), (f1, predicted + support)):
        low = np.maximum(low, -((-interval.low.numerator * twice) // (2 * interval.low.denominator)))
        high = np.minimum(high, (interval.high.numerator * twice) // (2 * interval.high.denominator))
    if span[0] == 0 and not _nothing_predicted(support, printed, zero_division):
        high[0] = -1  # p = 0 comes first
    keep = low <= high
    return Choices(predicted[keep], low[keep], high[keep])


def score(measure: str, right: int, predicted: int, support: int, zero_division: ZeroDivision) -> Fraction | None:
    """The exact score of a class; None where the denominator is 0 and such scores are left out."""
    above, below = {
        "precision": (right, predicted),
        "recall": (right, support),
        "f1": (2 * right, predicted + support),
    }[measure]
    if below:
        return Fraction(above, below)
    return None if zero_division == "left out" else Fraction(int(zero_division))


def scores(measure: str, pairs: np.ndarray, support: int, zero_division: ZeroDivision) -> np.ndarray:
    """Like `score` for int64[n, 2] of (t, p), as float64[n]; what is left out counts 0."""
    right, predicted = pairs[:, 0], pairs[:, 1]
    above, below = {
        "precision": (right, predicted),
        "recall": (right, np.full_like(right, support)),
        "f1": (2 * right, predicted + support),
    }[measure]
    empty = 1.0 if zero_division == "1" else 0.0
    return np.where(below > 0, above / np.maximum(below, 1), empty)


def _nothing_predicted(support: int, printed: Mapping[str, Interval], zero_division: ZeroDivision) -> bool:
    """Whether p = 0 (and so t = 0) agrees with what is printed of precision and F1."""
    for measure in ("precision", "f1"):
        if measure in printed:
            value = score(measure, 0, 0, support, zero_division)
            if value is None or value not in printed[measure]:
                return False
    return True


def _predicted_range(
    support: int, total: int, right: tuple[int, int], precision: Interval, f1: Interval
) -> tuple[int, int]:
    """Bounds of p that keep the arrays short; p = 0 is left in where t may be 0."""
    low, high = right[0], total - support + right[1]
    if right[0] > 0 and precision.high > 0:
        low = max(low, _ceil(right[0] / precision.high))
    if precision.low > 0:
        high = min(high, _floor(right[1] / precision.low))
    if right[0] > 0 and f1.high > 0:
        low = max(low, _ceil(2 * right[0] / f1.high) - support)
    if f1.low > 0:
        high = min(high, _floor(2 * right[1] / f1.low) - support)
    if right[0] == 0:
        low, high = 0, max(high, 0)
    return max(low, 0), min(high, total)


def _ceil(value: Fraction) -> int:
    return -((-value.numerator) // value.denominator)


def _floor(value: Fraction) -> int:
    return value.numerator // value.denominator
