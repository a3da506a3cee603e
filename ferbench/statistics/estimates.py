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
from ferbench.statistics.sampling import Design, Measured, smallest_p, stepped, unlike
from ferbench.statistics.spread import Source, even_on, half_width, p_value, wilson

#: Of a metric: a share in [0, 1]; like a correlation at most 1; an error or loss above 0; or any number.
Scale = Literal["share", "correlation", "positive", "plain"]

#: How far the variance of a row's seeds is drawn towards that of all rows, at most, and the share of its own that it
#: keeps at least.
_TOWARDS_OTHERS = 2 / 3
_OF_ITS_OWN = 0.8

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


def interval(
    measured: Measured, design: Design, level: float = 0.95, scale: Scale = "share", seeding: Source | None = None
) -> Interval | None:
    """The interval of a metric; None for too few samples, and for two seeds, which alone say too little of seeds.

    One seed: of this trained model, over samples. Several: of the configuration, over seeds and samples.

    Args:
        measured: of one configuration.
        design: of the samples.
        level: of the interval.
        scale: of the metric.
        seeding: for two seeds, what they and those of other configurations say (`SeedVariances.alone`).
    """
    if measured.lacks or (measured.seeds == 2 and seeding is None):
        return None
    several = sources(measured, design)
    if measured.seeds == 2 and seeding is not None:
        several = [several[0], seeding]
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

    Seeds count as a source of variance when both have at least `ENOUGH_SEEDS`, with Welch's degrees of freedom
    (Biometrika 1947). Else the claim is about the models that were trained, whatever other seeds would have given.
    """
    over_seeds = min(first.seeds, second.seeds) >= ENOUGH_SEEDS
    value = first.mean - second.mean
    if first.lacks or second.lacks:
        return Difference(value, float("nan"), float("nan"), float("nan"), over_seeds)
    gap = first.deviations - second.deviations
    sampling = float(at_least_some(gap @ gap, least_variance([first, second], design)[0, 1]))
    several = [Source(sampling, design.freedom(gap))]
    if over_seeds:
        beyond, seeding, freedom = SeedVariances.of([first, second]).apart(np.array([0]), np.array([1]), sampling)
        several = [Source(float(beyond[0]), several[0].freedom), Source(float(seeding[0]), float(freedom[0]))]
    half, p = float(half_width(several, level)), float(p_value(value, several))
    if first.outcomes is not None and second.outcomes is not None:
        p = max(p, float(smallest_p(unlike([first.outcomes, second.outcomes], design)[0, 1])))
    return Difference(value, value - half, value + half, p, over_seeds)


@dataclass(frozen=True)
class SeedVariances:
    """How much the seeds of several configurations vary, each by its own seeds and those of the others.

    A variance of three values is hardly known, and in a table of many rows some are far too small by chance. So the
    variance of a row is drawn towards the mean over all rows, as moderated t-tests do with genes (Smyth, Statistical
    Applications in Genetics and Molecular Biology 2004), by a fixed weight that grows with the rows up to
    `_TOWARDS_OTHERS`: rows may differ by more than a fitted prior expects. It never falls below `_OF_ITS_OWN` times
    what the row's own seeds show, nor below what the samples alone make seeds differ by. Both numbers were chosen by
    simulation of error and power (benchmarks/statistics).

    Attributes:
        variances: float64[R], of one seed, what the samples make of it included.
        shares: float64[R, R]: in row i the weight of the seeds of row k in what is said of row i.
        interactions: float64[R], the part of ``variances`` that comes from the samples.
        seeds: int64[R].
    """

    variances: NDArray[np.float64]
    shares: NDArray[np.float64]
    interactions: NDArray[np.float64]
    seeds: NDArray[np.int64]

    @classmethod
    def of(cls, several: Sequence[Measured]) -> SeedVariances:
        """Of configurations; what has one seed stands for this very model, which does not vary."""
        seeds = np.array([measured.seeds for measured in several], dtype=np.int64)
        varies = seeds > 1
        own = np.array([measured.values.var(ddof=1) if measured.seeds > 1 else 0.0 for measured in several])
        interactions = np.array([measured.interaction if measured.seeds > 1 else 0.0 for measured in several])
        rows = max(2, int(varies.sum()))
        weight = np.where(varies, min(_TOWARDS_OTHERS, (rows - 2) / rows), 0.0)
        pooled = (seeds - 1) / max(1, (seeds - 1).sum())
        drawn = weight * (pooled @ own) + (1 - weight) * own
        shares = weight[:, None] * pooled + np.diag((1 - weight) * varies)
        return cls(np.maximum.reduce([drawn, _OF_ITS_OWN * own, interactions]), shares, interactions, seeds)

    def alone(self, row: int) -> Source:
        """The variance of a row's mean that comes from its seeds beyond the samples, and how well it is known."""
        freedom = self._freedom(self.shares[[row]] * self.variances)
        return Source((self.variances[row] - self.interactions[row]) / self.seeds[row], float(freedom[0]))

    def apart(
        self, first: NDArray[np.intp], second: NDArray[np.intp], sampling: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Of the differences between the means of rows ``first`` and ``second``: what of their variance from the
        samples, ``sampling``, seeds do not show; the variance that seeds show; its degrees of freedom, by
        Satterthwaite's formula over all rows whose seeds say something of it."""
        seen = self.interactions / self.seeds
        beyond = np.maximum(0.0, np.asarray(sampling) - seen[first] - seen[second])
        own = self.variances / self.seeds
        parts = self.shares[first] / self.seeds[first, None] + self.shares[second] / self.seeds[second, None]
        return beyond, own[first] + own[second], self._freedom(parts * self.variances)

    def _freedom(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Degrees of freedom [P] of sums of parts [P, R], each of the seeds of one row."""
        squares = (parts**2 / np.maximum(1, self.seeds - 1)).sum(axis=1)
        freedom = np.divide(parts.sum(axis=1) ** 2, squares, out=np.ones(len(parts)), where=squares > 0)
        return stepped(freedom)


def least_variance(several: Sequence[Measured], design: Design) -> NDArray[np.float64]:
    """Variances [R, R] of differences that no sample at hand makes vary: as if one more sample, or cluster, were
    answered otherwise, since of those that were not drawn one may be."""
    size = 1 if design.clusters is None else int(np.bincount(design.clusters).max())
    flips = np.array([measured.flip for measured in several])
    return np.square(size * np.maximum.outer(flips, flips))


def at_least_some(variance: ArrayLike, least: ArrayLike) -> NDArray[np.float64]:
    """``variance``, or ``least`` where it is 0 but for errors of rounding."""
    return np.where(np.asarray(variance) <= 1e-9 * np.asarray(least), least, variance)


def all_pairs(several: Sequence[Measured], design: Design, *, over_seeds: bool | None = None) -> NDArray[np.float64]:
    """p[R, R] of the differences between all rows; 1 on the diagonal. NaN of all pairs where there are too few samples.

    Args:
        several: what was measured of each row.
        design: of the samples.
        over_seeds: the claim is about configurations, what is known of a row's seeds is shared between the rows
            (`SeedVariances`), and a row of one seed stands for this very model; else the claim is about the models that
            were trained. None: the former where all have `ENOUGH_SEEDS`.
    """
    if any(measured.lacks for measured in several):
        return np.where(np.eye(len(several), dtype=bool), 1.0, np.nan)
    sampling, freedom = _sampling_of_pairs(np.stack([measured.deviations for measured in several]), design)
    sampling = at_least_some(sampling, least_variance(several, design))
    means = np.array([measured.mean for measured in several])
    first, second = np.triu_indices(len(several), 1)
    gaps = means[first] - means[second]
    gaps[np.abs(gaps) < 1e-12] = 0.0
    variance, own = sampling[first, second], freedom[first, second]
    groups = [own]
    if over_seeds is None:
        over_seeds = min(measured.seeds for measured in several) >= ENOUGH_SEEDS
    if over_seeds:
        variance, seeding, known = SeedVariances.of(several).apart(first, second, variance)
        groups.append(known)
    p = np.ones((len(several), len(several)))
    kinds, which = np.unique(np.stack(groups), axis=1, return_inverse=True)
    for number, freedoms in enumerate(kinds.T.tolist()):
        chosen = which == number
        i, j = first[chosen], second[chosen]
        together = [Source(variance[chosen], freedoms[0])]
        if over_seeds:
            together.append(Source(seeding[chosen], freedoms[1]))
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


def ranks(means: NDArray[np.float64], p: NDArray[np.float64], alpha: float = 0.05, family: int = 0) -> Ranks:
    """Ranks of R rows from their means [R], a higher one being better, and the p-values [R, R] of all pairs.

    Args:
        means: of the rows.
        p: of all pairs.
        alpha: of the family of all pairs.
        family: rows that were tested, where that is more than R: pairs with those that are not here count too.
    """
    rows = len(means)
    first, second = np.triu_indices(rows, 1)
    adjusted = np.ones((rows, rows))
    adjusted[first, second] = adjusted[second, first] = holm(p[first, second], family * (family - 1) // 2)
    significant = adjusted < alpha
    better = (significant & (means[None, :] > means[:, None])).sum(axis=1)
    worse = (significant & (means[None, :] < means[:, None])).sum(axis=1)
    return Ranks(1 + better, rows - worse, adjusted)
