"""The audit of a published table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import numpy as np

from ferbench.audit import counts, ratios
from ferbench.audit.contradiction import Contradiction, Diagnosis, diagnose
from ferbench.audit.counts import ZeroDivision
from ferbench.audit.matrix import make_matrix
from ferbench.audit.printed import (
    ACCURACY,
    BALANCED,
    MACRO,
    MEASURES,
    MICRO,
    Cell,
    Interval,
    PublishedTable,
    Rounding,
)
from ferbench.audit.problem import Conventions, MacroF1, Solution, harmonic_mean, pose
from ferbench.audit.solve import Solved, solve

Verdict = Literal["consistent", "inconsistent", "underdetermined"]

ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)
MACRO_F1S: tuple[MacroF1, ...] = get_args(MacroF1)
ZERO_DIVISIONS: tuple[ZeroDivision, ...] = get_args(ZeroDivision)

_MANY = 8  # scores
_FEW = 2  # contradictions; with more of them it may be the convention that is another one


@dataclass(frozen=True)
class Audit:
    """What the arithmetic says about a table.

    Attributes:
        table: as it was read.
        verdict: ``consistent`` comes with a solution, ``inconsistent`` is proven, ``underdetermined`` is neither.
        conventions: under which the verdict was found; of an inconsistent table those that leave least to explain.
        solved: the whole table, or what remains of it without the numbers that do not fit.
        diagnosis: what is wrong with an inconsistent table.
        totals: printed numbers of images that are not what the supports add up to.
        reason: why an underdetermined table is.
    """

    table: PublishedTable
    verdict: Verdict
    conventions: Conventions
    solved: Solved
    diagnosis: Diagnosis | None = None
    totals: tuple[Cell, ...] = ()
    reason: str = ""

    @property
    def matrix(self) -> np.ndarray | None:
        """A confusion matrix, int64[K, K], that gives every score that fits; None where none was found."""
        if self.table.matrix is not None:
            return np.asarray(self.table.matrix)
        if self.solved.solution is None:
            return None
        supports = [support or 0 for support in self.table.supports]
        return make_matrix(self.solved.solution.right, self.solved.solution.predicted, supports)


def audit(
    table: PublishedTable,
    *,
    rounding: Rounding | None = None,
    macro_f1: MacroF1 | None = None,
    zero_division: ZeroDivision | None = None,
) -> Audit:
    """Find out whether a table's numbers are possible together.

    Args:
        table: as published; where it may be meant in several ways, one that is possible is enough.
        rounding: of its numbers; None: all to the nearest, or all truncated, where not just one of many shows it.
        macro_f1: what its macro average of F1 is; None: either.
        zero_division: what a score with a denominator of 0 is; None: any, as long as it is the same everywhere.
    """
    if table.matrix is not None:
        readings = [one for one in (table, *table.otherwise) if one.matrix is not None]
        return min(
            (_by_matrix(one, list(_conventions(one, rounding, macro_f1, zero_division))) for one in readings),
            key=_left_out,
        )
    for reading in (table, *table.otherwise):
        tried = list(_conventions(reading, rounding, macro_f1, zero_division))
        totals = _wrong_totals(reading)
        conventions, answer = judge(reading, tried)
        if answer.answer != "no" and not totals:
            table = reading
            break
    else:
        tried = list(_conventions(table, rounding, macro_f1, zero_division))
        totals = _wrong_totals(table)
        conventions, answer = judge(table, tried)
    if answer.answer != "no":
        if totals:
            return Audit(table, "inconsistent", conventions, answer, Diagnosis((), answer, ()), totals)
        if answer.answer == "yes":
            return Audit(table, "consistent", conventions, answer)
        reason = "supports are missing, so that only scores could be held against each other"
        if table.several:
            reason = "images may have several classes, so that no single confusion matrix gives the scores"
        elif table.total is not None:
            reason = "the numbers leave so much open that the search ended without a result"
        return Audit(table, "underdetermined", conventions, answer, reason=reason)
    conventions, diagnosis = tried[0], diagnose(table, tried[0])
    for other in tried[1:]:
        if len(diagnosis.contradictions) > _FEW and other.macro_f1 == conventions.macro_f1:
            under_other = diagnose(table, other)
            if len(under_other.contradictions) < len(diagnosis.contradictions):
                conventions, diagnosis = other, under_other
    return Audit(table, "inconsistent", conventions, diagnosis.rest, diagnosis, totals)


def _left_out(done: Audit) -> int:
    return 0 if done.diagnosis is None else len(done.diagnosis.contradictions) + len(done.totals)


def _by_matrix(table: PublishedTable, tried: Sequence[Conventions]) -> Audit:
    """A table beside its confusion matrix: every score is known."""
    assert table.matrix is not None
    counts = np.asarray(table.matrix)
    right, predicted = tuple(map(int, counts.diagonal())), tuple(map(int, counts.sum(axis=0)))
    solution = Solution(right, predicted)
    solved = Solved(
        "yes", solution, tuple(zip(right, right, strict=True)), tuple(zip(predicted, predicted, strict=True))
    )
    totals = _wrong_totals(table)
    found = []
    for conventions in tried:
        wrong = []
        for cell, printed in table.scores.items():
            value = value_of(cell, table, conventions, solution)
            if value is not None and value not in printed.interval(conventions.rounding):
                wrong.append(Contradiction((cell,), table.classes, cell, Interval(value, value), cell))
        found.append((conventions, tuple(wrong)))
    conventions, contradictions = min(found, key=lambda one: len(one[1]))
    if not contradictions and not totals:
        return Audit(table, "consistent", conventions, solved)
    return Audit(table, "inconsistent", conventions, solved, Diagnosis(contradictions, solved, ()), totals)


def judge(table: PublishedTable, tried: Sequence[Conventions] | None = None) -> tuple[Conventions, Solved]:
    """The first conventions under which one reading of a table is not refuted, and what was found; no diagnosis.

    Args:
        table: as it was read.
        tried: conventions in the order in which they are tried; None: all that may be meant.
    """
    tried = list(_conventions(table, None, None, None)) if tried is None else tried
    for conventions in tried:
        if table.total is None:
            answer = Solved("no" if ratios.contradict(table, list(table.scores), conventions) else "unknown")
        else:
            answer = solve(pose(table, list(table.scores), conventions))
        either = len({conventions.rounding for conventions in tried}) > 1
        if answer.answer != "no" and not (either and _one_cut(table, conventions, answer)):
            return conventions, answer
    return tried[0], Solved("no")


def _one_cut(table: PublishedTable, conventions: Conventions, answer: Solved) -> bool:
    """Whether of many scores a single one would have to be cut off: then it is that number that is wrong.

    Of scores that were cut off, half would be another number when rounded to the nearest.
    """
    if conventions.rounding != "truncate" or len(table.scores) < _MANY or answer.solution is None:
        return False
    values = ((printed, value_of(cell, table, conventions, answer.solution)) for cell, printed in table.scores.items())
    cut = [printed for printed, value in values if value is not None and value not in printed.interval("nearest")]
    return len(cut) < 2


def _wrong_totals(table: PublishedTable) -> tuple[Cell, ...]:
    if None not in table.supports:
        return tuple(
            cell for cell, total in table.totals.items() if total != sum(known or 0 for known in table.supports)
        )
    known = sum(support or 0 for support in table.supports)
    return tuple(cell for cell, total in table.totals.items() if total < known or len(set(table.totals.values())) > 1)


def _conventions(
    table: PublishedTable, rounding: Rounding | None, macro_f1: MacroF1 | None, zero_division: ZeroDivision | None
) -> Iterator[Conventions]:
    """Those that may be meant, the commonest first; without those that change nothing."""
    harmonics = MACRO_F1S if Cell(MACRO, "f1") in table.scores else MACRO_F1S[:1]
    zeros = ZERO_DIVISIONS if zero_division is None else (zero_division,)
    for one_rounding in ROUNDINGS if rounding is None else (rounding,):
        for zero in zeros:
            if zero_division is None and not _matters(table, zero, one_rounding):
                continue
            for harmonic in harmonics if macro_f1 is None else (macro_f1,):
                yield Conventions(one_rounding, harmonic, zero)


def _matters(table: PublishedTable, zero: ZeroDivision, rounding: Rounding) -> bool:
    if zero == "0":
        return True
    if zero == "left out":
        return bool(table.undefined)
    for name in table.classes:
        row = {measure: table.scores.get(Cell(name, measure)) for measure in MEASURES}
        known = {measure: printed.interval(rounding) for measure, printed in row.items() if printed is not None}
        missed = any(0 in known[measure] for measure in ("recall", "f1") if measure in known)
        if "precision" in known and 1 in known["precision"] and missed:
            return True
    return 0 in table.supports


def value_of(cell: Cell, table: PublishedTable, conventions: Conventions, solution: Solution) -> Fraction | None:
    """What a cell would show by a solution; None where the score is undefined and left out."""
    zero_division = conventions.zero_division
    supports = [support or 0 for support in table.supports]
    triples = list(zip(solution.right, solution.predicted, supports, strict=True))
    if cell.of_class:
        return counts.score(cell.measure, *triples[table.classes.index(cell.row)], zero_division)
    if cell.row in (ACCURACY, MICRO):
        return Fraction(sum(solution.right), sum(supports))
    weights = [1] * len(supports) if cell.row in (MACRO, BALANCED) else supports

    def mean(measure: str) -> Fraction:
        values = [counts.score(measure, *triple, zero_division) for triple in triples]
        return _weighted(weights, values)

    if cell == Cell(MACRO, "f1") and conventions.macro_f1 == "harmonic":
        return harmonic_mean(mean("precision"), mean("recall"))
    return mean(cell.measure)


def _weighted(weights: Sequence[int], values: Sequence[Fraction | None]) -> Fraction:
    known = [(weight, value) for weight, value in zip(weights, values, strict=True) if value is not None]
    whole = sum(weight for weight, _ in known)
    return sum((weight * value for weight, value in known), Fraction()) / whole if whole else Fraction()
