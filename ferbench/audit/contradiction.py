"""Which numbers of a table cannot hold together: smallest sets, and what to do without for the rest to hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ferbench.audit import ratios, relaxation
from ferbench.audit.printed import (
    ACCURACY,
    AVERAGES,
    BALANCED,
    MACRO,
    MEASURES,
    MICRO,
    WEIGHTED,
    Cell,
    Interval,
    PublishedTable,
)
from ferbench.audit.problem import Conventions, Solution, TooLargeError, pose
from ferbench.audit.solve import Solved, solve

_MOST = 8  # contradictions of one table


@dataclass(frozen=True)
class Contradiction:
    """Numbers that cannot hold together, while any of them could be dropped to mend it.

    Attributes:
        cells: the scores.
        supports: classes whose supports take part: all, one, or none where the scores alone contradict each other.
        cell: an average among them that the others bound, where there is one.
        bounds: what the others would let it be.
        without: the number that was left out to look for further contradictions; ``cell`` where there is one.
    """

    cells: tuple[Cell, ...]
    supports: tuple[str, ...]
    cell: Cell | None
    bounds: Interval | None
    without: Cell


@dataclass(frozen=True)
class Diagnosis:
    """All that is wrong with a table.

    Attributes:
        contradictions: one after the other, each found without the numbers left out for the ones before.
        rest: what remains, solved.
        menders: numbers each of which alone is enough to leave out, with a solution of the rest.
    """

    contradictions: tuple[Contradiction, ...]
    rest: Solved
    menders: tuple[tuple[Cell, Solution], ...]


def refuted(table: PublishedTable, cells: Collection[Cell], conventions: Conventions) -> bool:
    """Whether it is proven that these cells cannot hold together, at the table's supports where they are known."""
    if ratios.contradict(table, cells, conventions):
        return True
    if table.total is None:
        return False
    problem = pose(table, cells, conventions)
    rows = {cell.row for cell in cells}
    if problem is not None and len(rows) == 1 and next(iter(cells)).of_class:
        return not all(map(len, problem.choices))  # one class alone is not bound by sums
    return solve(problem, prove_only=True).answer == "no"


def diagnose(table: PublishedTable, conventions: Conventions) -> Diagnosis:
    """Find what is wrong with a table that `refuted` refutes."""
    cells = list(table.scores)
    contradictions: list[Contradiction] = []
    menders: tuple[tuple[Cell, Solution], ...] = ()
    rest = Solved("unknown")
    while cells and len(contradictions) < _MOST:
        contradiction = _smallest(table, cells, conventions)
        if contradiction is None:
            break
        solved = _menders(table, cells, contradiction.cells, conventions)
        if not contradictions:
            menders = tuple(solved.items())
        if solved and contradiction.without not in solved:
            contradiction = replace(contradiction, without=next(iter(solved)))
        contradictions.append(contradiction)
        cells.remove(contradiction.without)
        if table.total is not None:
            rest = solve(pose(table, cells, conventions))
            if rest.answer != "no":
                break
    return Diagnosis(tuple(contradictions), rest, menders)


def _menders(
    table: PublishedTable, cells: Sequence[Cell], suspects: Sequence[Cell], conventions: Conventions
) -> dict[Cell, Solution]:
    if table.total is None:
        return {}
    solved = {}
    for cell in suspects:
        answer = solve(pose(table, [kept for kept in cells if kept != cell], conventions))
        if answer.solution is not None:
            solved[cell] = answer.solution
    return solved


def _smallest(table: PublishedTable, cells: Sequence[Cell], conventions: Conventions) -> Contradiction | None:
    """A set that cannot hold together and of which nothing can be spared, from the first family that has one.

    What is wrong within a row comes first, then scores that contradict each other at any supports, then those that do
    so at the table's supports.
    """

    def by_ratios(some: Sequence[Cell]) -> bool:
        return ratios.contradict(table, some, conventions)

    def by_counts(some: Sequence[Cell]) -> bool:
        return refuted(table, some, conventions)

    for family in _rows(table, cells):
        # Sums are looked at later, where an average is at fault only together with all images.
        bad = by_counts(family) if family[0].of_class else _impossible(table, family[0], conventions)
        if bad:
            kept = _shrink(family, by_counts)
            own = (kept[0].row,) if kept[0].of_class else table.classes
            supports = () if by_ratios(kept) else own
            return _described(table, kept, supports, conventions)
    families = [family for family in _families(cells) if family]
    for family in families:
        if by_ratios(family):
            return _described(table, _shrink(family, by_ratios), (), conventions)
    if table.total is None:
        return None
    # What holds together does so in every part, and large sets are the quick ones: more is known of each class.
    of_class = [cell for cell in cells if cell.of_class]
    large = [of_class, *([average, *of_class] for average in cells if not average.of_class)]
    whole = [set(some) for some in large if some and solve(pose(table, some, conventions), prove_only=True).solution]
    for family in families:
        if not any(set(family) <= some for some in whole) and by_counts(family):
            return _described(table, _shrink(family, by_counts), table.classes, conventions)
    return None


def _impossible(table: PublishedTable, average: Cell, conventions: Conventions) -> bool:
    """Whether an average can have no solution by itself: above 1, or an accuracy that no number of images gives."""
    if table.total is None:
        return ratios.contradict(table, [average], conventions)
    return pose(table, [average], conventions) is None


def _described(
    table: PublishedTable, kept: Sequence[Cell], supports: tuple[str, ...], conventions: Conventions
) -> Contradiction:
    averages = [cell for cell in kept if not cell.of_class]
    cell = min(averages, key=_rank) if averages else None
    bounds = None if cell is None else _bounds(table, cell, [other for other in kept if other != cell], conventions)
    return Contradiction(tuple(kept), supports, cell, bounds, without=cell or kept[-1])


def _rank(cell: Cell) -> int:
    """Averages of averages are bounded by the others, not the other way round."""
    order = [(MACRO, "f1"), (MACRO, "precision"), (MACRO, "recall"), (BALANCED, "recall"), (WEIGHTED, "precision")]
    order += [(WEIGHTED, "f1"), (WEIGHTED, "recall"), (ACCURACY, "f1"), *((MICRO, measure) for measure in MEASURES)]
    return order.index((cell.row, cell.measure))


def _shrink(family: Sequence[Cell], test: Callable[[Sequence[Cell]], bool]) -> list[Cell]:
    kept = list(family)
    for cell in family:
        fewer = [other for other in kept if other != cell]
        if fewer and test(fewer):
            kept = fewer
    return kept


def _rows(table: PublishedTable, cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Every number alone, and the scores of every class."""
    yield from ([cell] for cell in cells)
    for name in table.classes:
        own = [cell for cell in cells if cell.row == name]
        if own:
            yield own


def _families(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Sets of cells of several rows that ought to hold together, small and plain ones first."""
    of_class = [cell for cell in cells if cell.of_class]
    averages = [cell for cell in cells if not cell.of_class]
    accuracies = [cell for cell in averages if cell.row in (ACCURACY, MICRO) or cell == Cell(WEIGHTED, "recall")]
    yield accuracies
    yield [cell for cell in averages if cell.row in (MACRO, BALANCED)]
    for average in averages:
        if average.row in (MACRO, BALANCED, WEIGHTED):
            column = [cell for cell in of_class if cell.measure == average.measure]
            yield [average, *column]
            yield [average, *of_class]
    if accuracies:
        yield [*accuracies, *(cell for cell in of_class if cell.measure == "recall")]
        for average in averages:
            if average.row in AVERAGES and average not in accuracies:
                yield [*accuracies, average]
    yield of_class
    yield [*accuracies, *of_class]
    yield averages
    yield list(cells)


def _bounds(table: PublishedTable, cell: Cell, others: Sequence[Cell], conventions: Conventions) -> Interval | None:
    """What the others let an average be."""
    bounds = ratios.implied(table, cell, others, conventions)
    if bounds is not None and bounds.meet(table.scores[cell].interval(conventions.rounding)).empty:
        return bounds
    if table.total is None:
        return None
    try:
        if cell.row in (ACCURACY, MICRO) or cell == Cell(WEIGHTED, "recall"):
            return _bounds_of_right(table, others, conventions)
        problem = pose(table, [*others, cell], conventions)
        row = MACRO if cell.row == BALANCED else cell.row
        if problem is None or not all(map(len, problem.choices)):
            return None
        places = [k for k, total in enumerate(problem.sums) if (total.row, total.measure) == (row, cell.measure)]
        return relaxation.reach(problem, places[0]) if places else None
    except TooLargeError:
        return None


def _bounds_of_right(table: PublishedTable, others: Sequence[Cell], conventions: Conventions) -> Interval | None:
    """Accuracy by the classes' own scores."""
    problem = pose(table, others, conventions)
    if problem is None or not all(map(len, problem.choices)):
        return None
    low = sum(int(choices.low.min()) for choices in problem.choices)
    high = sum(int(choices.high.max()) for choices in problem.choices)
    low, high = max(low, problem.right[0]), min(high, problem.right[1])
    return Interval(Fraction(low, problem.total), Fraction(high, problem.total)) if low <= high else None
