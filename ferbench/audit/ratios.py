"""What follows from scores alone, whatever the supports: F1 of a class from its precision and recall, and averages."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from functools import lru_cache

from ferbench.audit.printed import ANY, BALANCED, MACRO, MEASURES, WEIGHTED, Cell, Interval, PublishedTable
from ferbench.audit.problem import Conventions, harmonic_mean


def contradict(table: PublishedTable, cells: Collection[Cell], conventions: Conventions) -> bool:
    """Whether these cells cannot hold together, for any supports."""
    known = {cell: table.scores[cell].interval(conventions.rounding).meet(ANY) for cell in cells}
    if any(interval.empty for interval in known.values()):
        return True
    columns = _columns(table, known)
    if columns is None:
        return True
    for row, measure in known:
        kind = MACRO if row == BALANCED else row
        harmonic = (kind, measure, conventions.macro_f1) == (MACRO, "f1", "harmonic")
        if harmonic or kind not in (MACRO, WEIGHTED) or _left_out(table, measure, conventions):
            continue
        column = columns[measure]
        bounds = _mean(column) if kind == MACRO else _weighted(table, column)
        if bounds.meet(known[Cell(row, measure)]).empty:
            return True
    macro = [known.get(Cell(MACRO, measure)) for measure in MEASURES]
    if conventions.macro_f1 == "harmonic" and macro[2] is not None:
        bounds = _harmonic(macro[0] or ANY, macro[1] or known.get(Cell(BALANCED, "recall")) or ANY)
        return bounds.meet(macro[2]).empty
    return False


def implied(table: PublishedTable, cell: Cell, others: Collection[Cell], conventions: Conventions) -> Interval | None:
    """What an average can be by the classes' scores among ``others``; None where this page has no rule for it."""
    known = {other: table.scores[other].interval(conventions.rounding).meet(ANY) for other in others}
    columns = _columns(table, known)
    kind = MACRO if cell.row == BALANCED else cell.row
    if columns is None or kind not in (MACRO, WEIGHTED) or _left_out(table, cell.measure, conventions):
        return None
    if (kind, cell.measure, conventions.macro_f1) == (MACRO, "f1", "harmonic"):
        return None
    if kind == MACRO:
        return _mean(columns[cell.measure])
    return _weighted(table, columns[cell.measure])


def _weighted(table: PublishedTable, column: list[Interval]) -> Interval:
    """The mean by supports, where they are known."""
    if None in table.supports or not any(table.supports):
        return _between(column)
    weights = [Fraction(support or 0) for support in table.supports]
    total = sum(weights)
    low = sum((weight * interval.low for weight, interval in zip(weights, column, strict=True)), Fraction())
    high = sum((weight * interval.high for weight, interval in zip(weights, column, strict=True)), Fraction())
    return Interval(low / total, high / total)


def _left_out(table: PublishedTable, measure: str, conventions: Conventions) -> bool:
    return conventions.zero_division == "left out" and any(cell.measure == measure for cell in table.undefined)


def _columns(table: PublishedTable, known: dict[Cell, Interval]) -> dict[str, list[Interval]] | None:
    """What each class's scores may be by each other; None: nothing."""
    columns: dict[str, list[Interval]] = {measure: [] for measure in MEASURES}
    for name in table.classes:
        row = _row(*(known.get(Cell(name, measure), ANY) for measure in MEASURES))
        if row is None:
            return None
        for measure, interval in zip(MEASURES, row, strict=True):
            columns[measure].append(interval)
    return columns


@lru_cache(maxsize=4096)
def _row(precision: Interval, recall: Interval, f1: Interval) -> tuple[Interval, Interval, Interval] | None:
    """The same of one class; many sets of a table's numbers have the same rows."""
    for _ in range(2):
        f1 = f1.meet(_harmonic(precision, recall))
        if f1.empty:
            return None
        precision = precision.meet(_partner(f1, recall))
        recall = recall.meet(_partner(f1, precision))
        if precision.empty or recall.empty:
            return None
    return precision, recall, f1


def _harmonic(precision: Interval, recall: Interval) -> Interval:
    return Interval(harmonic_mean(precision.low, recall.low), harmonic_mean(precision.high, recall.high))


def _partner(f1: Interval, other: Interval) -> Interval:
    """Precision by F1 and recall, or recall by F1 and precision; anything where both may be 0."""
    if f1.low == 0 or other.low == 0:
        return ANY
    low = f1.low * other.high / (2 * other.high - f1.low) if 2 * other.high > f1.low else Fraction(1)
    high = f1.high * other.low / (2 * other.low - f1.high) if 2 * other.low > f1.high else Fraction(1)
    return Interval(min(low, Fraction(1)), min(high, Fraction(1)))


def _mean(column: list[Interval]) -> Interval:
    return Interval(
        sum((interval.low for interval in column), Fraction()) / len(column),
        sum((interval.high for interval in column), Fraction()) / len(column),
    )


def _between(column: list[Interval]) -> Interval:
    return Interval(min(interval.low for interval in column), max(interval.high for interval in column))
