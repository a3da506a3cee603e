"""A published table of scores per class: what it prints, and what a printed number says about the true one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

MEASURES = ("precision", "recall", "f1")
MACRO, WEIGHTED, ACCURACY, MICRO, BALANCED = "macro avg", "weighted avg", "accuracy", "micro avg", "balanced accuracy"
AVERAGES = (MACRO, WEIGHTED, ACCURACY, MICRO, BALANCED)
#: Of scores of each image, where images may have several classes: never looked at.
SAMPLES = "samples avg"
#: The name of what has no row in a table, where predictions may have gone.
UNLISTED = "(no row)"

Rounding = Literal["nearest", "truncate"]

#: Scores are computed in floating point, some in float32: digits beyond these are not believed.
_FINEST = Fraction(1, 10**6)

#: Ends of intervals are multiples of 1 / this, which halves of 1e-6 are, so that their arithmetic fits 64 bits.
_GRID = 10**7


class Cell(NamedTuple):
    """The place of a number in a table.

    Attributes:
        row: a class, or one of `AVERAGES`.
        measure: one of `MEASURES`, or ``support``.
    """

    row: str
    measure: str

    @property
    def of_class(self) -> bool:
        return self.row not in AVERAGES

    def __str__(self) -> str:
        measure = "F1" if self.measure == "f1" else self.measure
        if self.row in (ACCURACY, BALANCED):
            return self.row if self.measure != "support" else f"{measure} of the {self.row}"
        if self.row in AVERAGES:
            return f"{self.row.removesuffix(' avg')} {measure}"
        return f"{measure} of {self.row}"


class Interval(NamedTuple):
    """All values from ``low`` to ``high``, both ends included."""

    low: Fraction
    high: Fraction

    def __contains__(self, value: object) -> bool:
        return isinstance(value, Fraction | int) and self.low <= value <= self.high

    def meet(self, other: Interval) -> Interval:
        return Interval(max(self.low, other.low), min(self.high, other.high))

    @property
    def empty(self) -> bool:
        return self.low > self.high


ANY = Interval(Fraction(0), Fraction(1))


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as it stands in a table.

    Attributes:
        value: as a fraction of 1.
        step: one unit of its last decimal, as a fraction of 1.
    """

    value: Fraction
    step: Fraction

    def interval(self, rounding: Rounding) -> Interval:
        """What the number may have been before it was printed.

        ``nearest`` has both ends of half a unit, so that halves may have gone up, down or to even.
        """
        return _interval(self.value, self.step, rounding)


@lru_cache(maxsize=4096)
def _interval(value: Fraction, step: Fraction, rounding: Rounding) -> Interval:
    half = max(step, _FINEST) / 2
    low, high = value - half, value + half
    if rounding == "truncate":
        low, high = value if step >= _FINEST else low, value + 2 * half
    return Interval(Fraction(math.floor(low * _GRID), _GRID), Fraction(math.ceil(high * _GRID), _GRID))


@dataclass(frozen=True)
class PublishedTable:
    """Scores per class with their averages.

    Attributes:
        classes: in the order of the rows.
        supports: images of each class; None where the table does not say.
        totals: images in all, wherever they are printed (rows of averages).
        scores: every printed score.
        undefined: cells of classes that say "not a number".
        unit: what the table is printed in.
        notes: what was not read, and how what may mean several things was read.
        several: whether images may have several classes, so that there is no confusion matrix.
        matrix: the confusion matrix that stands beside the scores, rows true; None: there is none.
        otherwise: other ways in which the same table may be meant, the likeliest first.
    """

    classes: tuple[str, ...]
    supports: tuple[int | None, ...]
    totals: Mapping[Cell, int]
    scores: Mapping[Cell, Printed]
    undefined: frozenset[Cell] = frozenset()
    unit: Literal["percent", "fraction"] = "percent"
    notes: tuple[str, ...] = field(default=())
    several: bool = False
    matrix: tuple[tuple[int, ...], ...] | None = None
    otherwise: tuple[PublishedTable, ...] = field(default=(), repr=False, compare=False)

    @property
    def total(self) -> int | None:
        """The images in all that the supports add up to; None when one is missing, or there is no such sum."""
        if self.several:
            return None
        known = [support for support in self.supports if support is not None]
        return sum(known) if len(known) == len(self.supports) else None

    def show(self, value: Fraction | float, *, bound: Literal["low", "high"] | None = None, extra: int = 0) -> str:
        """A score as the table would print it; a ``low`` bound is rounded down, a ``high`` one up."""
        decimals = max((_decimals(printed.step, self.unit) for printed in self.scores.values()), default=4)
        decimals = min(decimals, 6) + extra
        scaled = Fraction(value) * (100 if self.unit == "percent" else 1) * 10**decimals
        if bound == "low":
            whole = scaled.numerator // scaled.denominator
        elif bound == "high":
            whole = -(-scaled.numerator // scaled.denominator)
        else:
            whole = round(scaled)
        sign, whole = ("-" if whole < 0 else ""), abs(whole)
        digits = f"{whole:0{decimals + 1}d}"
        text = sign + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)
        return f"{text} %" if self.unit == "percent" else text


def _decimals(step: Fraction, unit: str) -> int:
    step = step * (100 if unit == "percent" else 1)
    decimals = 0
    while step < 1 and decimals < 12:
        step, decimals = step * 10, decimals + 1
    return decimals
