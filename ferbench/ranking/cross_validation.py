"""Folds on a leaderboard: the runs of a configuration on the parts of one partition are one row, over all its samples.

A mean over folds is over the same samples for every row that has the same folds. A row that lacks some has no mean.

Folds that are tested are one result when all of them are there: a pooled run, which stands beside others like any test.
Here they are only while some are missing, and then they have no mean.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from ferbench.runs.partitions import listed
from ferbench.tables.table import Spread

A_FOLD = "a fold is measured on the samples that its epoch was chosen on"
A_TESTED_FOLD = "a fold is a part of a test: the result is that of all folds together"


@dataclass(frozen=True, slots=True)
class Partition:
    """The folds of one partition that there are runs of.

    Attributes:
        of: how many folds the samples were cut into.
        sizes: samples by fold, of the folds that any run has.
        mixed: there are runs that say the same of their data, but had other samples in a fold.
        tested: folds are tested, not validated.
    """

    of: int
    sizes: Mapping[int, int]
    mixed: bool = False
    tested: bool = False

    @property
    def n(self) -> int:
        """Samples of these folds."""
        return sum(self.sizes.values())

    @property
    def unranked(self) -> str:
        """Why no row has a rank."""
        return A_TESTED_FOLD if self.tested else A_FOLD

    @property
    def title(self) -> str:
        """``5 folds``, or which of them there are."""
        if self.tested:
            return "single folds"
        return f"{self.of} folds" if len(self.sizes) == self.of else f"{listed(self.sizes)} of {self.of}"


def held(counts: Collection[int], of: int) -> str:
    """How many folds of so many the seeds of a row have: ``3 of 5``, ``2–3 of 5``."""
    fewest, most = min(counts), max(counts)
    return f"{fewest} of {of}" if fewest == most else f"{fewest}–{most} of {of}"


def over_folds(values: Iterable[tuple[int, float | None]]) -> Spread | None:
    """The mean over the folds of each seed, then over seeds; the lowest and highest of all folds.

    Args:
        values: of folds, each with its seed; where there are none, or one is None, there is no mean.
    """
    seeds: dict[int, list[float]] = {}
    for seed, value in values:
        if value is None:
            return None
        seeds.setdefault(seed, []).append(value)
    if not seeds:
        return None
    means = Spread.of([math.fsum(several) / len(several) for several in seeds.values()])
    every = [value for several in seeds.values() for value in several]
    return replace(means, low=min(every), high=max(every))
