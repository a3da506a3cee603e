"""Metrics of any kind over samples that are drawn anew: a bootstrap, as deviations whose squares sum to a variance.

What a confusion matrix or an influence gives exactly (`ferbench.statistics.sampling`, `ferbench.statistics.influences`)
is found by draws here. All models of a test set are given the same draws, so that their differences are paired. Efron
and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.statistics.sampling import Design, Measured

#: The standard error that so many draws give is off by 5 % itself.
DRAWS = 200

#: Of the draws for which a metric has to be defined.
DEFINED = 0.95

SELDOM = "it is not defined for many of the samples that are drawn anew"

#: A metric of drawn samples: of their places int64[m], and of the copy of its cluster that each is of, int64[m] (None:
#: samples are drawn one by one).
Redraw = Callable[[NDArray[np.int64], NDArray[np.int64] | None], float]


@dataclass(frozen=True)
class Redrawn(Design):
    """A design whose deviations are those of draws instead of samples.

    Attributes:
        drawn: how the samples are drawn.
    """

    drawn: Design | None = None

    @classmethod
    def of(cls, design: Design, draws: int) -> Redrawn:
        places = np.arange(draws, dtype=np.int64)
        return cls(np.zeros(draws, dtype=np.int64), 1, clusters=places, drawn=design)

    @property
    def n(self) -> int:
        assert self.drawn is not None
        return self.drawn.n

    @property
    def units(self) -> int:
        """One more than the degrees of freedom of the samples, or clusters, that are drawn."""
        assert self.drawn is not None
        return freedom(self.drawn) + 1


def freedom(design: Design) -> int:
    """Degrees of freedom of what is drawn: units less one for each stratum, or for all clusters."""
    return max(1, design.units - (1 if design.clusters is not None else len(np.unique(design.strata))))


def draws(
    design: Design, count: int, order: NDArray[np.int64] | None = None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64] | None]]:
    """Places of samples that are drawn anew, within each stratum or whole clusters, as many as there are; and the copy
    of its cluster that each is of, where clusters are drawn.

    Args:
        design: how they are drawn.
        count: of draws, the same ones each time.
        order: int64[n], in which samples are numbered for that; None: as they are.
    """
    rng = np.random.default_rng(0)
    every = np.arange(design.n) if order is None else order
    if design.clusters is None:
        strata = design.strata[every]
        groups = [every[strata == label] for label in np.unique(strata)]
        for _ in range(count):
            yield np.concatenate([rng.choice(group, len(group)) for group in groups]), None
        return
    clusters = design.clusters[every]
    sorted_places = np.argsort(clusters, kind="stable")
    members = np.split(every[sorted_places], np.flatnonzero(np.diff(clusters[sorted_places])) + 1)
    for _ in range(count):
        chosen = rng.integers(0, len(members), len(members))
        rows = np.concatenate([members[cluster] for cluster in chosen])
        yield rows, np.repeat(np.arange(len(chosen)), [len(members[cluster]) for cluster in chosen])


def by_draws(
    several: Sequence[Redraw],
    values: Sequence[float],
    design: Design,
    order: NDArray[np.int64] | None = None,
    lacks: str = "",
) -> Measured:
    """A metric of the models of several seeds, over `DRAWS` draws; its design is `Redrawn`.

    Args:
        several: the metric of each model.
        values: of each on the samples as they are.
        design: how these are drawn.
        order: as of `draws`.
        lacks: why there is neither a test nor an interval; then nothing is drawn.
    """
    measured, none = np.array(values, dtype=np.float64), np.zeros(DRAWS)
    if lacks:
        return Measured(measured, none, math.nan, lacks)
    drawn = np.array([[metric(*rows) for metric in several] for rows in draws(design, DRAWS, order)]).T
    known = ~np.isnan(drawn).any(axis=0)
    if known.sum() < DEFINED * DRAWS:
        return Measured(measured, none, math.nan, SELDOM)
    # Of as many as there are drawn: the variance is too small by one in the degrees of freedom.
    wider = math.sqrt(design.units / freedom(design) / (known.sum() - 1))
    parts = np.where(known, drawn - drawn[:, known].mean(axis=1, keepdims=True), 0.0) * wider
    mean = parts.mean(axis=0)
    seeds = len(measured)
    interaction = float(((parts - mean) ** 2).sum() / (seeds - 1)) if seeds > 1 else math.nan
    return Measured(measured, mean, interaction)
