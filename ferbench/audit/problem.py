"""What a table asks of whole numbers: scores of each class, and sums over the classes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np

from ferbench.audit import counts
from ferbench.audit.counts import Choices, ZeroDivision
from ferbench.audit.matrix import has_matrix
from ferbench.audit.printed import (
    ACCURACY,
    ANY,
    BALANCED,
    MACRO,
    MEASURES,
    MICRO,
    UNLISTED,
    WEIGHTED,
    Cell,
    Interval,
    PublishedTable,
    Rounding,
)

_MOST_CHOICES = 20_000_000

#: mean: of the classes' F1, as scikit-learn has it; harmonic: F1 of macro precision and macro recall.
MacroF1 = Literal["mean", "harmonic"]


class TooLargeError(Exception):
    """A search would take too much memory or time."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """How a table's numbers were computed and printed.

    Attributes:
        rounding: of printed numbers.
        macro_f1: what the macro average of F1 is.
        zero_division: what a score with a denominator of 0 is.
    """

    rounding: Rounding = "nearest"
    macro_f1: MacroF1 = "mean"
    zero_division: ZeroDivision = "0"


@dataclass(frozen=True, slots=True)
class Sum:
    """A weighted sum over classes of one measure.

    Attributes:
        row: ``macro avg`` or ``weighted avg``.
        measure: ``precision``, ``recall`` or ``f1``.
        weights: of the classes.
        bounds: what the sum may be.
    """

    row: str
    measure: str
    weights: tuple[Fraction, ...]
    bounds: Interval


@dataclass(frozen=True)
class Solution:
    """Whole numbers that give a table's scores.

    Attributes:
        right: t of each class.
        predicted: p of each class.
    """

    right: tuple[int, ...]
    predicted: tuple[int, ...]


@dataclass(frozen=True)
class Problem:
    """Find t and p of every class.

    Attributes:
        supports: images of each class; all known.
        printed: what is known of each class's scores.
        right: what the sum of t may be.
        sums: what else must add up.
        harmonic: what F1 of macro precision and macro recall may be, where that is the convention.
        undefined: of each class, the scores that are "not a number".
        zero_division: what they count.
    """

    supports: tuple[int, ...]
    printed: tuple[Mapping[str, Interval], ...]
    right: tuple[int, int]
    sums: tuple[Sum, ...]
    harmonic: Interval | None
    undefined: tuple[frozenset[str], ...]
    zero_division: ZeroDivision

    @property
    def total(self) -> int:
        return sum(self.supports)

    @cached_property
    def choices(self) -> list[Choices]:
        """The pairs that give each class its own scores.

        Raises:
            TooLargeError: there are too many to hold.
        """
        listed: list[Choices] = []
        for support, printed, undefined in zip(self.supports, self.printed, self.undefined, strict=True):
            cells = tuple(sorted(printed.items()))
            listed.append(_choices(support, self.total, cells, self.zero_division, undefined))
            if sum(map(len, listed)) > _MOST_CHOICES:
                raise TooLargeError
        return listed

    def contributions(self, place: int, pairs: np.ndarray) -> np.ndarray:
        """What pairs (t, p) of one class add to each sum: float64[n, 2 + sums] of p, t and `sums`.

        Each sum lies in one piece of memory, since most of what is done with them is their least and most.
        """
        columns = [pairs[:, 1].astype(float), pairs[:, 0].astype(float)]
        known: dict[str, np.ndarray] = {}
        for wanted in self.sums:
            if wanted.measure not in known:
                known[wanted.measure] = counts.scores(wanted.measure, pairs, self.supports[place], self.zero_division)
            columns.append(known[wanted.measure] * float(wanted.weights[place]))
        return np.stack(columns).T

    def holds(self, right: Sequence[int], predicted: Sequence[int]) -> bool:
        """Whether these t and p are a solution, in exact arithmetic."""
        if sum(predicted) != self.total or not self.right[0] <= sum(right) <= self.right[1]:
            return False
        if not has_matrix(right, predicted, self.supports):
            return False
        values = {
            measure: [
                counts.score(measure, t, p, s, self.zero_division)
                for t, p, s in zip(right, predicted, self.supports, strict=True)
            ]
            for measure in MEASURES
        }
        for place, printed in enumerate(self.printed):
            for measure, interval in printed.items():
                value = values[measure][place]
                if value is None or value not in interval:
                    return False
        for wanted in self.sums:
            if (
                sum(w * (v or 0) for w, v in zip(wanted.weights, values[wanted.measure], strict=True))
                not in wanted.bounds
            ):
                return False
        if self.harmonic is None:
            return True
        means = [_mean(values[measure]) for measure in ("precision", "recall")]
        return harmonic_mean(*means) in self.harmonic


def pose(table: PublishedTable, cells: Collection[Cell], conventions: Conventions) -> Problem | None:
    """The problem that some cells of a table pose; None when one of them can have no solution by itself.

    Args:
        table: all its supports must be known.
        cells: of its scores.
        conventions: how they are read.
    """
    supports = tuple(support for support in table.supports if support is not None)
    total = sum(supports)
    undefined = tuple(
        frozenset(measure for measure in MEASURES if Cell(name, measure) in table.undefined) for name in table.classes
    )
    intervals = {}
    for cell in cells:
        intervals[cell] = table.scores[cell].interval(conventions.rounding).meet(ANY)
        if intervals[cell].empty:
            return None
    right = Interval(Fraction(0), Fraction(1))
    bounds: dict[tuple[str, str], Interval] = {}
    harmonic = None
    for cell, interval in intervals.items():
        kind = (MACRO if cell.row == BALANCED else cell.row, cell.measure)
        if kind == (MACRO, "f1") and conventions.macro_f1 == "harmonic":
            harmonic = interval
        elif cell.row in (ACCURACY, MICRO) or kind == (WEIGHTED, "recall"):
            right = right.meet(interval)
        elif not cell.of_class:
            bounds[kind] = bounds.get(kind, ANY).meet(interval)
    if harmonic is not None:
        for measure in ("precision", "recall"):
            bounds.setdefault((MACRO, measure), ANY)
    whole = (math.ceil(right.low * total), math.floor(right.high * total))
    if whole[0] > whole[1] or any(interval.empty for interval in bounds.values()):
        return None
    sums = []
    for (row, measure), interval in sorted(bounds.items()):
        listed = [Fraction(name != UNLISTED) for name in table.classes]
        weights = listed if row == MACRO else [Fraction(support) for support in supports]
        if conventions.zero_division == "left out":
            weights = [
                Fraction(0) if measure in absent else weight for weight, absent in zip(weights, undefined, strict=True)
            ]
        whole_weight = sum(weights)
        if whole_weight:
            sums.append(Sum(row, measure, tuple(weight / whole_weight for weight in weights), interval))
    printed = tuple(
        {measure: intervals[Cell(name, measure)] for measure in MEASURES if Cell(name, measure) in intervals}
        for name in table.classes
    )
    return Problem(supports, printed, whole, tuple(sums), harmonic, undefined, conventions.zero_division)


def harmonic_mean(precision: Fraction, recall: Fraction) -> Fraction:
    """F1 of a precision and a recall; 0 when both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else Fraction(0)


def _mean(values: Sequence[Fraction | None]) -> Fraction:
    known = [value for value in values if value is not None]
    return sum(known, Fraction(0)) / len(known) if known else Fraction(0)


@lru_cache(maxsize=256)
def _choices(
    support: int,
    total: int,
    printed: tuple[tuple[str, Interval], ...],
    zero_division: ZeroDivision,
    undefined: frozenset[str],
) -> Choices:
    return counts.choices(support, total, dict(printed), zero_division, undefined)
