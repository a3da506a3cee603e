"""Exact search for whole numbers that give all of a table's scores at once.

Each class has its possible pairs (t, p). Pairs that cannot belong to any solution, by the lowest and highest sums that
the other classes allow, are struck out until nothing changes; then the classes are split into two halves, all sums of
each half are listed, and the halves are joined where they add up (meet in the middle).

Sums of fractions are compared in floating point with some slack, so that nothing is lost; what is found is checked in
exact arithmetic. "None" therefore is a proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ferbench.audit.printed import MACRO
from ferbench.audit.problem import Problem, Solution, TooLargeError

#: In sums of fractions; rounding errors of floating point are a millionth of it.
SLACK = 1e-9

_WRITTEN_OUT = 200_000  # pairs of one class
_FEW = 4  # sums of t
_CHUNK = 1_000_000
_TRIED = 5_000  # in exact arithmetic; nearly always the first one holds


@dataclass(frozen=True)
class Effort:
    """How far a search goes before it gives up.

    Attributes:
        states: sums of one half.
        growth: sums that are looked at in one step.
        joined: pairs of sums.
    """

    states: int = 400_000
    growth: int = 6_000_000
    joined: int = 40_000_000


#: For a verdict, and for each of the many sets of numbers that an explanation of it tries.
WHOLE, BRIEF = Effort(), Effort(20_000, 200_000, 1_000_000)


@dataclass(frozen=True)
class _Half:
    """All sums over some classes.

    Attributes:
        classes: which.
        sums: float64[n, D].
        load: int64[n]: the most that a class has left beside the diagonal, in row and column.
        picked: int32[n, classes]: which pair of each class.
    """

    classes: tuple[int, ...]
    sums: np.ndarray
    load: np.ndarray
    picked: np.ndarray


def sum_bounds(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest allowed sums, float64[D] each, in the order of `Problem.contributions`."""
    low = [
        problem.total - 0.25,
        problem.right[0] - 0.25,
        *(float(wanted.bounds.low) - SLACK for wanted in problem.sums),
    ]
    high = [
        problem.total + 0.25,
        problem.right[1] + 0.25,
        *(float(wanted.bounds.high) + SLACK for wanted in problem.sums),
    ]
    return np.array(low), np.array(high)


def possible_pairs(problem: Problem) -> list[np.ndarray] | None:
    """The pairs (t, p) of each class that bounds on the sums leave, int64[n, 2] each; None: some class has none.

    Raises:
        TooLargeError: a class has too many.
    """
    ranges = list(problem.choices)
    while True:
        if any(len(choices) == 0 for choices in ranges):
            return None
        sizes = [len(choices) for choices in ranges], [choices.count for choices in ranges]
        for of, allowed in ((0, (problem.total, problem.total)), (1, problem.right)):
            lows = [int(choices.predicted.min() if of == 0 else choices.low.min()) for choices in ranges]
            highs = [int(choices.predicted.max() if of == 0 else choices.high.max()) for choices in ranges]
            for place, choices in enumerate(ranges):
                span = (
                    allowed[0] - sum(highs) + highs[place],
                    allowed[1] - sum(lows) + lows[place],
                )
                if span[0] > lows[place] or span[1] < highs[place]:
                    everything = (0, problem.total)
                    ranges[place] = choices.within(*((span, everything) if of == 0 else (everything, span)))
            if any(len(choices) == 0 for choices in ranges):
                return None
        if sizes == ([len(choices) for choices in ranges], [choices.count for choices in ranges]):
            break
    if any(choices.count > _WRITTEN_OUT for choices in ranges):
        raise TooLargeError
    return _pruned(problem, [choices.pairs() for choices in ranges])


def _pruned(problem: Problem, pairs: list[np.ndarray]) -> list[np.ndarray] | None:
    low, high = sum_bounds(problem)
    values = [problem.contributions(place, own) for place, own in enumerate(pairs)]
    while True:
        lows = np.stack([own.min(axis=0) for own in values])
        highs = np.stack([own.max(axis=0) for own in values])
        others_low, others_high = lows.sum(axis=0) - lows, highs.sum(axis=0) - highs
        keep = [
            ((own + others_high[place] >= low) & (own + others_low[place] <= high)).all(axis=1)
            for place, own in enumerate(values)
        ]
        if not all(own.any() for own in keep):
            return None
        if all(own.all() for own in keep):
            return pairs
        pairs = [own[chosen] for own, chosen in zip(pairs, keep, strict=True)]
        values = [own.T[:, chosen].T for own, chosen in zip(values, keep, strict=True)]


def find(problem: Problem, pairs: Sequence[np.ndarray], effort: Effort = WHOLE) -> Solution | None:
    """A solution that takes one of these pairs (t, p) for each class; None: there is none.

    Raises:
        TooLargeError: there are too many combinations to tell.
    """
    values = [problem.contributions(place, own) for place, own in enumerate(pairs)]
    loads = [problem.supports[place] + own[:, 1] - 2 * own[:, 0] for place, own in enumerate(pairs)]
    low, high = sum_bounds(problem)
    spare_low = np.sum([own.min(axis=0) for own in values], axis=0)
    spare_high = np.sum([own.max(axis=0) for own in values], axis=0)
    halves = []
    for classes in _split([len(own) for own in pairs]):
        half = _Half((), np.zeros((1, len(low))), np.zeros(1, np.int64), np.zeros((1, 0), np.int32))
        inner_low, inner_high = spare_low, spare_high
        for place in classes:
            inner_low = inner_low - values[place].min(axis=0)
            inner_high = inner_high - values[place].max(axis=0)
            half = _grown(half, place, values[place], loads[place], low - inner_high, high - inner_low, effort)
            if not len(half.sums):
                return None
        halves.append(half)
        # The other half meets only sums that this one has.
        spare_low = spare_low + half.sums.min(axis=0) - sum(values[place].min(axis=0) for place in classes)
        spare_high = spare_high + half.sums.max(axis=0) - sum(values[place].max(axis=0) for place in classes)
    for tried, (first, second) in enumerate(_joined(problem, halves[0], halves[1], low, high, effort)):
        if tried >= _TRIED:
            raise TooLargeError
        right, predicted = [0] * len(pairs), [0] * len(pairs)
        for half, state in ((halves[0], first), (halves[1], second)):
            for place, pick in zip(half.classes, half.picked[state], strict=True):
                right[place], predicted[place] = map(int, pairs[place][pick])
        if problem.holds(right, predicted):
            return Solution(tuple(right), tuple(predicted))
    return None


def _split(sizes: Sequence[int]) -> tuple[list[int], list[int]]:
    """Two groups of classes with about as many combinations each; the small ones come first."""
    groups: tuple[list[int], list[int]] = ([], [])
    products = [1.0, 1.0]
    for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
        group = 0 if products[0] <= products[1] else 1
        groups[group].append(place)
        products[group] *= sizes[place]
    return groups[0][::-1], groups[1][::-1]


def _grown(
    half: _Half,
    place: int,
    values: np.ndarray,
    loads: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    effort: Effort,
) -> _Half:
    """A half with one class more, without sums outside of these bounds."""
    low, high = low - SLACK, high + SLACK
    columns = sorted(
        range(len(low)), key=lambda column: (high[column] - low[column]) / (np.ptp(values[:, column]) + SLACK)
    )
    tightest = columns[0]
    order = np.argsort(values[:, tightest], kind="stable")
    along = values[order, tightest]
    start = np.searchsorted(along, low[tightest] - half.sums[:, tightest] - SLACK, "left")
    end = np.searchsorted(along, high[tightest] - half.sums[:, tightest] + SLACK, "right")
    sizes = np.maximum(end - start, 0)
    if int(sizes.sum()) > effort.growth:
        raise TooLargeError
    before, new = _listed(np.arange(len(sizes)), start, sizes)
    new = order[new]
    for column in columns:
        sums = half.sums[before, column] + values[new, column]
        fits = (sums >= low[column]) & (sums <= high[column])
        before, new = before[fits], new[fits]
    if len(before) > effort.states:
        raise TooLargeError
    return _Half(
        (*half.classes, place),
        (half.sums.T[:, before] + values.T[:, new]).T,
        np.maximum(half.load[before], loads[new]),
        np.concatenate([half.picked[before], new[:, None].astype(np.int32)], axis=1),
    )


def _listed(rows: np.ndarray, start: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row with every place from its start on, as many as its size says."""
    inside = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(rows, sizes), np.repeat(start, sizes) + inside


def _joined(
    problem: Problem, first: _Half, second: _Half, low: np.ndarray, high: np.ndarray, effort: Effort
) -> Iterator[tuple[int, int]]:
    """The states of two halves that add up."""
    columns = sorted(
        range(len(low)), key=lambda column: (high[column] - low[column]) / (np.ptp(second.sums[:, column]) + SLACK)
    )
    rows, start, end, order = _ranges(problem, first, second, low, high, columns)
    second = _Half(second.classes, second.sums.T[:, order].T, second.load[order], second.picked)
    sizes = np.maximum(end - start, 0)
    ends = np.cumsum(sizes)
    looked_at = 0
    row = 0
    while row < len(sizes):
        before = int(ends[row - 1]) if row else 0
        stop = max(row + 1, int(np.searchsorted(ends, before + _CHUNK, "right")))
        looked_at += int(sizes[row:stop].sum())
        if looked_at > effort.joined:
            raise TooLargeError
        left, right = _listed(rows[row:stop], start[row:stop], sizes[row:stop])
        for column in columns:
            sums = first.sums[left, column] + second.sums[right, column]
            fits = (sums >= low[column]) & (sums <= high[column])
            left, right = left[fits], right[fits]
        fits = _allowed(problem, first, second, left, right)
        yield from zip(map(int, left[fits]), map(int, order[right[fits]]), strict=True)
        row = stop


def _ranges(
    problem: Problem, first: _Half, second: _Half, low: np.ndarray, high: np.ndarray, columns: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For states of the first half, where those of the second are that may add up with them.

    The second half is put in the order of p, of t where few sums of it are allowed, and then of the sum that is bounded
    most tightly, the first of ``columns``: what fits a state of the first half then lies together.

    Returns:
        states of the first half; where each one's range starts and ends; the order of the second half.
    """
    few = problem.right[1] - problem.right[0] < _FEW
    column = next((place for place in columns if place > int(few)), 0)
    width = problem.total + 1
    keys = np.rint(second.sums[:, 0])
    if few:
        keys = keys * width + np.rint(second.sums[:, 1])
    # One number that orders by key first and by the sum within a key.
    base = second.sums[:, column].min()
    scale = 2.0 * (np.ptp(second.sums[:, column]) + 1.0)
    along = keys * scale + (second.sums[:, column] - base)
    order = np.argsort(along, kind="stable")
    along = along[order]
    slack = SLACK + 4 * float(np.spacing(np.abs(along).max()))
    wanted = problem.total - np.rint(first.sums[:, 0])
    rights = range(problem.right[0], problem.right[1] + 1) if few else (None,)
    rows, starts, ends = [], [], []
    for right in rights:
        key, fits = wanted, wanted >= 0
        if right is not None:
            others = right - np.rint(first.sums[:, 1])
            key, fits = wanted * width + others, fits & (others >= 0)
        places = np.flatnonzero(fits)
        away = first.sums[places, column] + base
        least, most = (np.clip(bound[column] - away, -slack, scale / 2) for bound in (low, high))
        rows.append(places)
        starts.append(np.searchsorted(along, key[places] * scale + least - slack, "left"))
        ends.append(np.searchsorted(along, key[places] * scale + most + slack, "right"))
    return np.concatenate(rows), np.concatenate(starts), np.concatenate(ends), order


def _allowed(problem: Problem, first: _Half, second: _Half, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Which pairs of states meet what is no sum: a confusion matrix exists, and F1 of macro precision and recall."""
    errors = problem.total - first.sums[left, 1] - second.sums[right, 1]
    fits = np.maximum(first.load[left], second.load[right]) <= errors + 0.25
    if problem.harmonic is not None:
        macro = {}
        for column, wanted in enumerate(problem.sums, start=2):
            if wanted.row == MACRO:
                macro[wanted.measure] = first.sums[left, column] + second.sums[right, column]
        if len(macro) >= 2:
            whole = macro["precision"] + macro["recall"]
            f1 = 2 * macro["precision"] * macro["recall"] / np.where(whole > 0, whole, 1)
            fits &= (f1 >= float(problem.harmonic.low) - SLACK) & (f1 <= float(problem.harmonic.high) + SLACK)
    return np.asarray(fits)
