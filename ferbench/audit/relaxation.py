"""What can be said where there are too many whole numbers to list: a proof that none fit, or some that do.

If no mixture of a class's pairs (t, p), weighted by numbers that add up to 1, gives the sums, then no single pairs do.
Whether there are such mixtures is a linear program. Its dual prices are a proof that can be checked without trusting
the solver: with any prices y, |y| ≤ 1, the distance of the sums from their bounds is at least
Σ over classes of the cheapest pair at these prices − the dearest bounds (weak duality).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ferbench.audit.counts import Choices
from ferbench.audit.printed import Interval
from ferbench.audit.problem import Problem, Solution, TooLargeError
from ferbench.audit.search import find, sum_bounds

_PROOF = 1e-9  # a distance that rounding errors of floating point do not reach
_ROUNDS = 80
_SPREADS = (1, 2, 4, 8, 16, 40, 100)
_COMBINATIONS = 100_000  # of one half of the classes
_FREE = 10  # classes that vary in one attempt
_MOST_SETTLED = 60  # classes; least squares take too long for more
_SETTLED = 0.6  # a little outside of the bounds, the whole numbers around may still be inside


@dataclass(frozen=True)
class Relaxed:
    """What the linear program says.

    Attributes:
        refuted: no mixture gives the sums.
        middle: float64[K, 2]: the mean (t, p) of each class's mixture.
    """

    refuted: bool
    middle: np.ndarray


@dataclass(frozen=True)
class _Pool:
    """The pairs of each class among which mixtures have their corners, and what they add, scaled to about 1."""

    pairs: list[np.ndarray]
    values: list[np.ndarray]
    low: np.ndarray
    high: np.ndarray


def _pool(problem: Problem, free: int | None = None) -> _Pool:
    """Everything is linear in t for a given p, so that the lowest and highest t are enough."""
    pairs = [choices.ends() for choices in problem.choices]
    scale = np.ones(2 + len(problem.sums))
    scale[:2] = problem.total
    low, high = (bound / scale for bound in sum_bounds(problem))
    low[0] = high[0] = 1.0
    low[1], high[1] = problem.right[0] / problem.total, problem.right[1] / problem.total
    if free is not None:
        low[free], high[free] = -len(pairs), len(pairs)
    return _Pool(pairs, [problem.contributions(k, ends) / scale for k, ends in enumerate(pairs)], low, high)


def relax(problem: Problem) -> Relaxed:
    """Whether mixtures of pairs give the sums; every class has at least one pair.

    Raises:
        TooLargeError: there are too many pairs.
    """
    pool = _pool(problem)
    chosen = _corners(pool)
    middle = np.zeros((len(pool.pairs), 2))
    for _ in range(_ROUNDS):
        prices, weights = _master(pool, chosen, None)
        middle = np.stack([weights[k] @ pool.pairs[k][chosen[k]] for k in range(len(chosen))])
        cheapest = [values @ prices for values in pool.values]
        bound = sum(values.min() for values in cheapest) - np.maximum(prices * pool.low, prices * pool.high).sum()
        if bound > _PROOF:
            return Relaxed(True, middle)
        if not _extend(chosen, cheapest):
            break
    return Relaxed(False, middle)


def reach(problem: Problem, which: int) -> Interval | None:
    """Bounds of one sum, given all else: never too narrow; None when all else cannot hold together.

    Args:
        problem: every class has at least one pair.
        which: number in ``problem.sums``; its own bounds are not used.
    """
    pool = _pool(problem, 2 + which)
    ends = []
    for sign in (1.0, -1.0):
        chosen = _corners(pool)
        best = -np.inf
        for _ in range(_ROUNDS):
            prices, _ = _master(pool, chosen, sign * np.eye(len(pool.low))[2 + which])
            prices[2 + which] = sign
            cheapest = [values @ prices for values in pool.values]
            bounds = np.maximum(prices * pool.low, prices * pool.high)
            bounds[2 + which] = 0
            best = max(best, sum(price.min() for price in cheapest) - bounds.sum())
            if not _extend(chosen, cheapest):
                break
        ends.append(sign * best)
    low, high = max(ends[0] - _PROOF, 0.0), min(ends[1] + _PROOF, 1.0)
    return Interval(Fraction(low), Fraction(high)) if low <= high else None


def _corners(pool: _Pool) -> list[list[int]]:
    """Pairs to begin with: those with the least and most of everything, and some between."""
    chosen = []
    for values in pool.values:
        between = np.linspace(0, len(values) - 1, 7).astype(int)
        chosen.append(sorted({*map(int, values.argmin(axis=0)), *map(int, values.argmax(axis=0)), *map(int, between)}))
    return chosen


def _extend(chosen: list[list[int]], prices: Sequence[np.ndarray]) -> bool:
    """Add each class's cheapest pair; False when that brings nothing."""
    grown = False
    for corners, price in zip(chosen, prices, strict=True):
        best = int(price.argmin())
        if price[best] < price[corners].min() - 1e-12:
            corners.append(best)
            grown = True
    return grown


def _master(
    pool: _Pool, chosen: Sequence[Sequence[int]], objective: np.ndarray | None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Solve the program over the chosen pairs.

    Args:
        objective: float64[D], what of the sums to make least; None: the distance from their bounds.

    Returns:
        prices float64[D]; each class's weights.
    """
    from scipy.optimize import linprog

    columns = np.concatenate([pool.values[k][corners] for k, corners in enumerate(chosen)]).T
    owners = np.repeat(np.arange(len(chosen)), [len(corners) for corners in chosen])
    size, sums = len(owners), len(columns)
    penalty = 1.0 if objective is None else 1000.0
    cost = np.concatenate([np.zeros(size) if objective is None else objective @ columns, np.full(2 * sums, penalty)])
    nothing, unit = np.zeros((sums, sums)), np.eye(sums)
    solved = linprog(
        cost,
        A_ub=np.block([[-columns, -unit, nothing], [columns, nothing, -unit]]),
        b_ub=np.concatenate([-pool.low, pool.high]),
        A_eq=np.concatenate([owners == np.arange(len(chosen))[:, None], np.zeros((len(chosen), 2 * sums))], axis=1),
        b_eq=np.ones(len(chosen)),
        method="highs",
    )
    if solved.status != 0:
        raise TooLargeError
    dual = solved.ineqlin.marginals
    prices = dual[:sums] - dual[sums:]
    if objective is None:
        prices = np.clip(prices, -1, 1)
    weights = [solved.x[:size][owners == k] for k in range(len(chosen))]
    return prices, weights


def near(problem: Problem, middle: np.ndarray) -> Solution | None:
    """Look for a solution around real numbers that nearly are one; None: none was found, which proves nothing.

    Args:
        problem: every class has at least one pair.
        middle: float64[K, 2] of (t, p), of mixtures that give the sums.
    """
    generator = np.random.default_rng(0)
    supports = np.array(problem.supports, float)
    plain = np.stack([supports * sum(problem.right) / 2 / problem.total, supports], axis=1)  # every class alike
    for start in (plain, middle, (plain + middle) / 2):
        base, distance = _settled(problem, start)
        if distance > _SETTLED:
            continue
        for spread in _SPREADS:
            free = set(generator.permutation(len(base))[:_FREE])
            most = max(1, int(_COMBINATIONS ** (2 / (min(len(base), _FREE) + 1))))
            pairs = [
                _around(choices, base[k], spread, most if k in free else 1, generator)
                for k, choices in enumerate(problem.choices)
            ]
            try:
                solution = find(problem, pairs)
            except TooLargeError:
                continue
            if solution is not None:
                return solution
    return None


def _around(choices: Choices, base: np.ndarray, spread: int, most: int, generator: np.random.Generator) -> np.ndarray:
    """Up to ``most`` pairs (t, p) of a class around a point."""
    right, predicted = (round(float(value)) for value in base)
    pairs = choices.within((predicted - spread, predicted + spread), (right - spread, right + spread)).pairs()
    if not len(pairs):
        ends = choices.ends()
        pairs = ends[[np.abs(ends - base).sum(axis=1).argmin()]]
    nearest = np.abs(pairs - base).sum(axis=1).argmin()
    if len(pairs) <= most:
        return pairs
    others = generator.permutation(len(pairs))[: most - 1]
    return pairs[np.unique(np.append(others, nearest))]


def _settled(problem: Problem, middle: np.ndarray) -> tuple[np.ndarray, float]:
    """Real t and p that meet the bounds as well as can be: least squares of how far each lies from the middle of its
    bounds, beyond half of their width; with the largest distance that remains, in halves of a width."""
    from scipy.optimize import least_squares

    size = len(middle)
    if size > _MOST_SETTLED:
        return middle, 0.0
    supports = np.array(problem.supports, float)
    lowest = np.array([[choices.low.min(), choices.predicted.min()] for choices in problem.choices], float)
    highest = np.array([[choices.high.max(), choices.predicted.max()] for choices in problem.choices], float)
    weights = [np.array([float(weight) for weight in wanted.weights]) for wanted in problem.sums]

    def distances(flat: np.ndarray) -> np.ndarray:
        right, predicted = flat.reshape(size, 2).T
        values = {
            "precision": right / np.maximum(predicted, 1e-9),
            "recall": right / np.maximum(supports, 1e-9),
            "f1": 2 * right / np.maximum(predicted + supports, 1e-9),
        }
        far = [predicted.sum() - problem.total, _beyond(right.sum(), problem.right[0], problem.right[1], 0.5)]
        far += [
            _beyond(weight @ values[wanted.measure], *wanted.bounds)
            for wanted, weight in zip(problem.sums, weights, strict=True)
        ]
        for place, printed in enumerate(problem.printed):
            far += [_beyond(values[measure][place], *bounds) for measure, bounds in printed.items()]
            far.append(max(0.0, right[place] - predicted[place]))
            far.append(max(0.0, predicted[place] - right[place] - problem.total + supports[place]))
        return np.array(far)

    start = np.clip(middle, lowest, highest + 1e-9)
    bounds = (lowest.ravel() - 1e-6, highest.ravel() + 1e-6)
    settled = least_squares(distances, start.ravel(), bounds=bounds, x_scale=np.repeat(supports + 1, 2), max_nfev=100)
    return settled.x.reshape(size, 2), float(np.abs(settled.fun).max())


def _beyond(value: float, low: float | Fraction, high: float | Fraction, least: float = 1e-9) -> float:
    half = max(float(high - low) / 2, least)
    away = (value - float(low + high) / 2) / half
    return float(np.sign(away) * max(0.0, abs(away) - 0.5))
