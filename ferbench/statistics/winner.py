"""What the best of several is worth: how much better it would seem by chance, and its interval given that it won.

Of equal ones, the one with the highest score is the one that was luckiest: its score is too high on average, by the
expected maximum of all errors. Scores of one test set err together, since most samples are easy or hard for all, so
that their covariance is taken from the samples' influences, as ranks do; errors taken for independent would make luck
look larger than it is.

The interval is the hybrid one of Andrews, Kitagawa and McCloskey (Inference on Winners, Quarterly Journal of Economics
2024): conditional on that this row won, given how far behind the others are, and on that no row is further off than all
rows are at once with a chance of 99.5 %, which bounds it where the conditional one alone has no bound. It holds what it
says whether rows are equal or not (benchmarks/statistics).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.statistics.estimates import SeedVariances, least_variance
from ferbench.statistics.sampling import Design, Measured

DRAWS = 10_000
#: Chance that is spent on the simultaneous interval, of the 5 % in all.
_BETA = 0.005
_HALVINGS = 60


@dataclass(frozen=True)
class Winner:
    """The best of several.

    Attributes:
        row: which one.
        luck: how much better the best of as many equal ones would seem, in the metric, by chance; at least 0.
        low: lower end of the 95 % interval given that it won.
        high: its upper end.
    """

    row: int
    luck: float
    low: float
    high: float


def errors_of(
    several: Sequence[Measured], design: Design, *, over_seeds: bool, stretched: bool = False
) -> NDArray[np.float64]:
    """Covariance [R, R] of the errors of rows.

    Args:
        several: what was measured of each row.
        design: of the samples.
        over_seeds: of configurations, whose seeds are a source of their own; else of these models, over samples.
        stretched: variances are multiplied by what their degrees of freedom ask for (`ferbench.statistics.spread`).
    """
    stretch = _stretch if stretched else lambda freedom: 1.0
    deviations = np.stack([measured.deviations * stretch(design.freedom(measured.deviations)) for measured in several])
    covariance = deviations @ deviations.T
    variances = np.maximum(np.diag(covariance), np.diag(least_variance(several, design)) / 2)
    if over_seeds:
        seeding = SeedVariances.of(several)
        for row in range(len(several)):
            source = seeding.alone(row)
            variances[row] += max(0.0, float(np.asarray(source.variance))) * stretch(source.freedom) ** 2
    np.fill_diagonal(covariance, variances)
    return covariance


def winner(
    means: NDArray[np.float64],
    covariance: NDArray[np.float64],
    stretched: NDArray[np.float64] | None = None,
    removed: int = 0,
) -> Winner:
    """The row with the highest of means [R].

    Args:
        means: of which a higher one is better.
        covariance: [R, R] of their errors.
        stretched: the same for intervals; None: the variances are known.
        removed: rows that were tested too, of which nothing is known any more. They count as rows like the others on
            average; the interval is then the simultaneous one of all (Šidák 1967), which holds whatever they were.
    """
    rows, best = len(means), int(means.argmax())
    luck = max(0.0, float(_drawn(covariance, removed).max(axis=1).mean())) if rows + removed > 1 else 0.0
    covariance = covariance if stretched is None else stretched
    spread = float(np.sqrt(covariance[best, best]))
    if removed:
        from scipy.special import ndtri

        reach = float(ndtri(0.5 + 0.95 ** (1 / (rows + removed)) / 2)) * spread
        return Winner(best, luck, means[best] - reach, means[best] + reach)
    scale = np.sqrt(np.diag(covariance))
    widest = float(np.quantile(np.abs(_drawn(covariance, 0) / np.where(scale > 0, scale, 1.0)).max(axis=1), 1 - _BETA))
    return Winner(best, luck, *_hybrid(means, covariance, best, widest * spread))


def _drawn(covariance: NDArray[np.float64], removed: int) -> NDArray[np.float64]:
    """Errors [draws, R + removed]; those of removed rows vary, and go with the others, as all do on average."""
    rng, rows = np.random.default_rng(0), len(covariance)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = rng.standard_normal((DRAWS, rows)) @ root.T
    if not removed:
        return drawn
    variance = float(np.diag(covariance).mean())
    shared = (covariance.sum() - np.trace(covariance)) / (rows * (rows - 1)) if rows > 1 else 0.0
    shared = min(max(shared, 0.0), variance)
    mean = drawn.mean(axis=1, keepdims=True)
    whole = float(covariance.sum()) / rows**2
    follows = shared / whole if whole > 0 else 0.0
    beyond = max(0.0, shared - follows * shared)
    more = follows * mean + np.sqrt(beyond) * rng.standard_normal((DRAWS, 1))
    return np.hstack([drawn, more + np.sqrt(variance - shared) * rng.standard_normal((DRAWS, removed))])


def _hybrid(
    means: NDArray[np.float64], covariance: NDArray[np.float64], best: int, reach: float
) -> tuple[float, float]:
    """95 % interval of the best; ``reach`` is half the simultaneous interval's width."""
    value, spread = float(means[best]), float(np.sqrt(covariance[best, best]))
    if spread == 0:
        return value, value
    # What of the others does not go with the best; it won where its own score is above all of these.
    follows = covariance[:, best] / covariance[best, best]
    apart = 1 - follows
    others = (np.arange(len(means)) != best) & (apart > 1e-9)
    won_above = float(np.max((means - follows * value)[others] / apart[others])) if others.any() else -np.inf

    def below(truth: float) -> float:
        """Chance of a score no higher than what was seen, given that it won and is no further off than ``reach``."""
        return _truncated(value, truth, spread, max(won_above, truth - reach), truth + reach)

    outside = (0.05 - _BETA) / (1 - _BETA) / 2
    return _solved(below, 1 - outside, value, reach), _solved(below, outside, value, reach)


def _truncated(value: float, truth: float, spread: float, low: float, high: float) -> float:
    """Distribution function of a normal variable within [low, high], by logarithms of its upper tail."""
    from scipy.special import log_ndtr

    seen, least, most = (float(log_ndtr((truth - bound) / spread)) for bound in (value, low, high))
    inside = -np.expm1(most - least)
    return 0.0 if inside <= 0 else float(-np.expm1(seen - least) / inside)


def _solved(below: Callable[[float], float], share: float, value: float, reach: float) -> float:
    """Where ``below``, which falls as the truth rises, is ``share``."""
    low, high = value - reach, value + reach
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) > share else (low, middle)
    return (low + high) / 2


def _stretch(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975) / stdtrit(np.inf, 0.975))
