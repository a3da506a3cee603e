"""Stratified paired bootstrap of the difference between two configurations.

A metric depends on a sample through its truth and what every model says of it. Samples alike in all of these are one
cell, so a draw of n samples is a multinomial draw of cell counts: the same distribution as drawing sample by sample, at
a cost that does not grow with n. Within each true class the count stays what it is (stratified). Where samples belong
to clusters, whole clusters are drawn instead (Davison and Hinkley, Bootstrap Methods and their Application, 1997).
Of m samples of a class, or m clusters, m − 1 are drawn, which counts each for m / (m − 1): drawing m would make the
variance too small by a factor of (m − 1) / m (Rao and Wu, Journal of the American Statistical Association 1988). Draws
are spread by as much as Student's quantile is above the normal one, since a variance of few samples or clusters is
itself uncertain (expanded percentiles: Hesterberg, The American Statistician 2015).

With several seeds on both sides, seeds are a source of variance too: to each draw a t-distributed deviation with the
seeds' own standard error and Welch's degrees of freedom is added, since drawing three seeds from three would understate
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.statistics import ENOUGH_SEEDS
from ferbench.statistics.estimates import SeedVariances, least_variance
from ferbench.statistics.measured import values
from ferbench.statistics.sampling import Design, measure, smallest_p, unlike

DRAWS = 10_000
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Change:
    """One metric on both sides, and the bootstrap of its difference A − B.

    Attributes:
        metric: as `ferbench.statistics.measured` calls it.
        first: of A, the mean over its seeds.
        second: of B.
        low: 95 % interval of A − B, the 2.5 % quantile of the draws; NaN where there are too few samples.
        high: its upper end, the 97.5 % quantile.
        p: twice the smaller share of draws on one side of 0, (count + 1) / (draws + 1); NaN where there are too few
            samples.
        lacks: why there are too few, in words.
        adjusted: p after a correction over several metrics; None without one.
    """

    metric: str
    first: float
    second: float
    low: float
    high: float
    p: float
    lacks: str = ""
    adjusted: float | None = None

    @property
    def difference(self) -> float:
        return self.first - self.second

    @property
    def improvement(self) -> float | None:
        """Relative: (A − B) / B; None where B is 0."""
        return self.difference / self.second if self.second else None


def paired_bootstrap(
    design: Design,
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    metrics: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Change]:
    """Bootstrap the differences in several metrics with the same draws.

    Args:
        design: the samples.
        first: predicted class ids [S, n] of A, a row for each seed.
        second: those of B, [S', n].
        metrics: their names.
        draws: how many.
        seed: of the draws; the same gives the same numbers.
    """
    rng = np.random.default_rng(seed)
    deltas: dict[str, list[NDArray[np.float64]]] = {metric: [] for metric in metrics}
    models = np.concatenate([first, second]).astype(np.int64)
    for matrices in _drawn(design, models, draws, rng):
        for metric in metrics:
            measured = values(metric, matrices, design.scored)  # [draws, S + S']
            deltas[metric].append(measured[:, : len(first)].mean(axis=1) - measured[:, len(first) :].mean(axis=1))
    over_seeds = min(len(first), len(second)) >= ENOUGH_SEEDS
    changes = []
    for metric in metrics:
        drawn = np.concatenate(deltas[metric])
        sides = [measure(metric, design, side) for side in (first, second)]
        if sides[0].lacks:
            changes.append(Change(metric, sides[0].mean, sides[1].mean, *(float("nan"),) * 3, sides[0].lacks))
            continue
        gap = sides[0].deviations - sides[1].deviations
        freedom = design.freedom(gap)
        drawn = _expanded(drawn, sides[0].mean - sides[1].mean, freedom)
        if not gap.any():
            drawn = drawn + rng.standard_t(freedom, draws) * np.sqrt(least_variance(sides, design)[0, 1])
        if over_seeds:
            several = SeedVariances.of(sides)
            *_, known = several.apart(np.array([0]), np.array([1]), 0.0)
            beyond = sum(float(np.asarray(several.alone(side).variance)) for side in (0, 1))
            drawn = drawn + rng.standard_t(known[0], draws) * np.sqrt(beyond)
        low, high = np.quantile(drawn, [0.025, 0.975])
        tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
        outcomes = [side.outcomes for side in sides if side.outcomes is not None]
        least = float(smallest_p(unlike(outcomes, design)[0, 1]))
        p = max(least, min(1.0, 2 * (tail + 1) / (draws + 1)))
        changes.append(Change(metric, sides[0].mean, sides[1].mean, float(low), float(high), p))
    return changes


def _expanded(drawn: NDArray[np.float64], centre: float, freedom: float) -> NDArray[np.float64]:
    from scipy.special import stdtrit

    return centre + (drawn - centre) * (stdtrit(freedom, 0.975) / stdtrit(np.inf, 0.975))


def _drawn(
    design: Design, models: NDArray[np.int64], draws: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Confusion matrices [≤ 1000, models, K, K] of resampled test sets."""
    weights, columns = _units(design, models)
    for start in range(0, draws, _AT_ONCE):
        count = min(_AT_ONCE, draws - start)
        drawn = np.concatenate([rng.multinomial(n, shares, size=count) for n, shares in weights], axis=1)
        flat = drawn.astype(np.float32) @ columns
        yield flat.reshape(count, len(models), design.classes, design.classes).astype(np.float64)


def _units(
    design: Design, models: NDArray[np.int64]
) -> tuple[list[tuple[int, NDArray[np.float64]]], NDArray[np.float32]]:
    """What is drawn: (how many, shares [U_s]) of each stratum, and the flat confusion counts [U, models · K²]."""
    k, classes = design.classes, design.classes * design.classes
    if design.clusters is not None:
        columns = np.zeros((design.units, len(models) * classes), dtype=np.float32)
        for place, row in enumerate(models):
            np.add.at(columns, (design.clusters, place * classes + design.truth * k + row), 1)
        alike, counts = np.unique(columns, axis=0, return_counts=True)
        drawn, each = _one_less(design.units)
        return [(drawn, counts / design.units)], alike * each
    described = np.concatenate([design.strata[None], design.truth[None], models])
    cells, counts = np.unique(described, axis=1, return_counts=True)
    columns = np.zeros((cells.shape[1], len(models) * classes), dtype=np.float32)
    for place, row in enumerate(cells[2:]):
        columns[np.arange(cells.shape[1]), place * classes + cells[1] * k + row] = 1
    strata = []
    for label in np.unique(cells[0]):  # cells are sorted by stratum first
        chosen = cells[0] == label
        own = counts[chosen]
        drawn, each = _one_less(int(own.sum()))
        columns[chosen] *= each
        strata.append((drawn, own / own.sum()))
    return strata, columns


def _one_less(count: int) -> tuple[int, np.float32]:
    """How many of ``count`` are drawn, and what each of them counts."""
    drawn = max(1, count - 1)
    return drawn, np.float32(count / drawn)
