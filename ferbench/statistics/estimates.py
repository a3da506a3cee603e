"""What is said of one configuration and of the difference between two: intervals, p-values, and what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ferbench.statistics import ENOUGH_SEEDS
from ferbench.statistics.holm import holm
from ferbench.statistics.mcnemar import mcnemar_mid_p
from ferbench.statistics.sampling import Design, Measured, smallest_p, unlike
from ferbench.statistics.spread import Source, even_on, half_width, p_value, wilson

#: Of a metric: a share in [0, 1]; like a correlation at most 1; an error or loss above 0; or any number.
Scale = Literal["share", "correlation", "positive", "plain"]

OVER_SAMPLES = "this trained model, over samples"
OVER_SEEDS = "the configuration, over seeds and samples"


@dataclass(frozen=True)
class Interval:
    """A 95 % interval and what it is an interval of.

    Attributes:
        low: lower end.
        high: upper end.
        estimand: `OVER_SAMPLES` or `OVER_SEEDS`.
    """

    low: float
    high: float
    estimand: str


def interval(measured: Measured, design: Design, level: float = 0.95, scale: Scale = "share") -> Interval | None:
    """The interval of a metric; None for two seeds, which say too little of seeds, and for too few samples.

    One seed: of this trained model, over samples. Three or more: of the configuration, over seeds and samples.
    """
    if measured.seeds == 2 or measured.lacks:
        return None
    several = sources(measured, design)
    variance = float(sum(np.asarray(source.variance) for source in several))
    half = float(half_width(several, level))
    if scale == "share":
        plain = float(half_width([Source(1.0, design.units - 1)], level))
        low, high = wilson(measured.mean, variance, half / np.sqrt(variance) if variance > 0 else plain, design.n)
    elif scale == "plain":
        low, high = measured.mean - half, measured.mean + half
    else:
        low, high = even_on(scale, measured.mean, half)
    return Interval(low, high, OVER_SAMPLES if measured.seeds == 1 else OVER_SEEDS)


def sources(measured: Measured, design: Design) -> list[Source]:
    """Where the variance of a configuration's mean comes from: samples, and seeds where there are several."""
    # Cut off at 0, the seeds' variance is too large on average where there is none: intervals of three seeds would
    # cover 96.5 %. With all of the shortfall taken off they cover 94 %; a third keeps them nearest to 95 %, as
    # benchmarks/statistics shows.
    sampling = max(0.0, measured.sampling - measured.shortfall / 3)
    own = [Source(sampling, design.freedom(measured.deviations))]
    return [*own, Source(measured.seeding, measured.seeds - 1)] if measured.seeds > 1 else own


@dataclass(frozen=True)
class Difference:
    """A − B in one metric, on the same samples.

    Attributes:
        value: of the means over the seeds.
        low: lower end of the 95 % interval; NaN where there are too few samples.
        high: upper end.
        p: two-sided; NaN where there are too few samples.
        over_seeds: the claim is about the configurations; else about these trained models.
    """

    value: float
    low: float
    high: float
    p: float
    over_seeds: bool


def difference(first: Measured, second: Measured, design: Design, level: float = 0.95) -> Difference:
    """The difference of two configurations, paired on the samples.

    Seeds count as a source of variance when both have at least `ENOUGH_SEEDS`. Else the claim is about the models that
    were trained, whatever other seeds would have given.
    """
    gap = first.deviations - second.deviations
    over_seeds = min(first.seeds, second.seeds) >= ENOUGH_SEEDS
    several = [Source(at_least_some(gap @ gap, least_variance([first, second], design)[0, 1]), design.freedom(gap))]
    if over_seeds:
        several += [Source(side.seeding, side.seeds - 1) for side in (first, second)]
    value = first.mean - second.mean
    if first.lacks or second.lacks:
        return Difference(value, float("nan"), float("nan"), float("nan"), over_seeds)
    half, p = float(half_width(several, level)), float(p_value(value, several))
    if first.outcomes is not None and second.outcomes is not None:
        p = max(p, float(smallest_p(unlike([first.outcomes, second.outcomes], design)[0, 1])))
    return Difference(value, value - half, value + half, p, over_seeds)


def least_variance(several: Sequence[Measured], design: Design) -> NDArray[np.float64]:
    """Variances [R, R] of differences that no sample at hand makes vary: as if one more sample, or cluster, were
    answered otherwise, since of those that were not drawn one may be."""
    size = 1 if design.clusters is None else int(np.bincount(design.clusters).max())
    flips = np.array([measured.flip for measured in several])
    return np.square(size * np.maximum.outer(flips, flips))


def at_least_some(variance: ArrayLike, least: ArrayLike) -> NDArray[np.float64]:
    """``variance``, or ``least`` where it is 0 but for errors of rounding."""
    return np.where(np.asarray(variance) <= 1e-9 * np.asarray(least), least, variance)


def all_pairs(several: Sequence[Measured], design: Design) -> NDArray[np.float64]:
    """p[R, R] of the differences between all configurations, as `difference` has them; 1 on the diagonal.

    NaN of all pairs where there are too few samples.
    """
    if any(measured.lacks for measured in several):
        return np.where(np.eye(len(several), dtype=bool), 1.0, np.nan)
    sampling, freedom = _sampling_of_pairs(np.stack([measured.deviations for measured in several]), design)
    sampling = at_least_some(sampling, least_variance(several, design))
    means = np.array([measured.mean for measured in several])
    first, second = np.triu_indices(len(several), 1)
    gaps = means[first] - means[second]
    gaps[np.abs(gaps) < 1e-12] = 0.0
    seeds = np.array([measured.seeds for measured in several])
    seeding = np.array([measured.seeding for measured in several])
    enough = np.where(seeds >= ENOUGH_SEEDS, seeds, 0)
    alike = np.stack([enough[first], enough[second], freedom[first, second]])
    p = np.ones((len(several), len(several)))
    kinds, which = np.unique(alike, axis=1, return_inverse=True)
    for number, (a, b, own) in enumerate(kinds.T.tolist()):
        chosen = which == number
        i, j = first[chosen], second[chosen]
        together = [Source(sampling[i, j], own)]
        if a and b:
            together += [Source(seeding[i], a - 1), Source(seeding[j], b - 1)]
        p[i, j] = p[j, i] = p_value(gaps[chosen], together)
    outcomes = [measured.outcomes for measured in several if measured.outcomes is not None]
    return np.maximum(p, smallest_p(unlike(outcomes, design))) if len(outcomes) == len(several) > 1 else p


def _sampling_of_pairs(
    deviations: NDArray[np.float64], design: Design
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variances [R, R] of differences that come from the samples, and their degrees of freedom [R, R]."""
    if design.clusters is not None:
        parts = _squares(deviations)[None]
        return parts[0], np.full(parts[0].shape, max(1.0, design.units - 1))
    strata = [deviations[:, design.strata == label] for label in range(design.classes)]
    parts = np.stack([_squares(part) for part in strata])
    return parts.sum(axis=0), design.combined_freedom(parts)


def _squares(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances [R, R] between rows [R, n]."""
    together = deviations @ deviations.T
    own = np.diag(together)
    return np.maximum(0.0, own[:, None] + own[None, :] - 2 * together)


def mcnemar_pairs(right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """McNemar's mid-p[R, R] between single models, from bool[R, n], whether each got each sample right."""
    counts = right.astype(np.float32)
    both = counts @ counts.T
    own = np.diag(both)
    only_first, only_second = own[:, None] - both, own[None, :] - both
    p = mcnemar_mid_p(np.rint(only_first), np.rint(only_second))
    np.fill_diagonal(p, 1.0)
    return p


@dataclass(frozen=True)
class Ranks:
    """Ranks from all-pairs tests.

    Attributes:
        best: int64[R], 1 + the rows that are significantly better.
        worst: int64[R], R − the rows that are significantly worse.
        adjusted: float64[R, R] p-values after Holm's correction.
    """

    best: NDArray[np.int64]
    worst: NDArray[np.int64]
    adjusted: NDArray[np.float64]


def ranks(means: NDArray[np.float64], p: NDArray[np.float64], alpha: float = 0.05) -> Ranks:
    """Ranks of R rows from their means [R], a higher one being better, and the p-values [R, R] of all pairs."""
    rows = len(means)
    first, second = np.triu_indices(rows, 1)
    adjusted = np.ones((rows, rows))
    adjusted[first, second] = adjusted[second, first] = holm(p[first, second])
    significant = adjusted < alpha
    better = (significant & (means[None, :] > means[:, None])).sum(axis=1)
    worse = (significant & (means[None, :] < means[:, None])).sum(axis=1)
    return Ranks(1 + better, rows - worse, adjusted)
