"""Folds on a leaderboard: the runs of a configuration on the parts of one partition are one row, over all its samples.

A mean over folds is over the same samples for every row that has the same folds. A row that lacks some has no mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ferbench.runs.folds import listed, place_of
from ferbench.runs.summary import Scores, Summary
from ferbench.tables.table import Spread

Member = tuple[Summary, Scores]


@dataclass(frozen=True, slots=True)
class Partition:
    """The folds of one partition that there are runs of.

    Attributes:
        of: how many folds the samples were cut into.
        sizes: samples by fold, of the folds that any run has.
        mixed: there are runs that say the same of their data, but had other samples in a fold.
    """

    of: int
    sizes: Mapping[int, int]
    mixed: bool = False

    @property
    def n(self) -> int:
        """Samples of these folds."""
        return sum(self.sizes.values())

    @property
    def title(self) -> str:
        """``5 folds``, or which of them there are."""
        return f"{self.of} folds" if len(self.sizes) == self.of else f"{listed(self.sizes)} of {self.of}"


@dataclass(frozen=True, slots=True)
class Held:
    """How many folds a row has.

    Attributes:
        of: how many there are in the partition.
        counts: of each seed.
        whole: every seed has every fold that any row of the group has.
    """

    of: int
    counts: tuple[int, ...]
    whole: bool

    def __str__(self) -> str:
        fewest, most = min(self.counts), max(self.counts)
        return f"{fewest} of {self.of}" if fewest == most else f"{fewest}–{most} of {self.of}"


@dataclass
class Bucket:
    """Fold runs of one partition, on their way to a group.

    Attributes:
        of: how many folds there are.
        digests: of the samples, by fold.
        sizes: samples by fold.
        rows: runs by configuration and way of testing.
        mixed: it was taken out of a bucket whose folds were not the same samples in all runs.
    """

    of: int
    digests: dict[int, set[str]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    rows: dict[str, list[Member]] = field(default_factory=dict)
    mixed: bool = False

    def add(self, run: Summary, scores: Scores) -> None:
        place, _ = place_of(run.data["fold"])
        self.digests.setdefault(place, set()).add(scores.rows)
        self.sizes[place] = scores.n
        self.rows.setdefault(f"{run.unfolded} {scores.options}", []).append((run, scores))

    @property
    def members(self) -> list[Member]:
        """In the order of the folds; within each the best macro-F1 first."""
        return sorted((one for members in self.rows.values() for one in members), key=_by_fold)

    def apart(self) -> list[Bucket]:
        """This one; or where a fold is not the same samples in all runs, a bucket for every fold and its samples: who
        knows which of them are parts of one partition."""
        if all(len(digests) == 1 for digests in self.digests.values()):
            return [self]
        found: dict[tuple[int, str], Bucket] = {}
        for run, scores in self.members:
            found.setdefault((place_of(run.data["fold"])[0], scores.rows), Bucket(self.of, mixed=True)).add(run, scores)
        return list(found.values())

    def parts(self) -> list[tuple[list[Member], Held]]:
        """The runs of each row. Seeds that lack a fold are a row of their own, which has no mean."""
        found = []
        for members in self.rows.values():
            seeds: dict[int, list[Member]] = {}
            for run, scores in sorted(members, key=by_seed):
                seeds.setdefault(run.seed or 0, []).append((run, scores))
            for whole in (True, False):
                chosen = [several for several in seeds.values() if (_places(several) == set(self.sizes)) is whole]
                if chosen:
                    counts = tuple(len(several) for several in chosen)
                    found.append(([one for several in chosen for one in several], Held(self.of, counts, whole)))
        return found


def over_folds(values: Iterable[tuple[int, float]]) -> Spread:
    """The mean over the folds of each seed, then over seeds; the lowest and highest of all folds.

    Args:
        values: of at least one fold, each with its seed.
    """
    seeds: dict[int, list[float]] = {}
    for seed, value in values:
        seeds.setdefault(seed, []).append(value)
    every = [value for several in seeds.values() for value in several]
    means = [math.fsum(several) / len(several) for several in seeds.values()]
    low, high = min(every), max(every)
    return Spread(min(max(math.fsum(means) / len(means), low), high), low, high)


def fold_notes(partition: Partition, rows: Sequence[Any], *, single: bool) -> list[str]:
    """What stands below a table of folds.

    Args:
        partition: of the group.
        rows: `ferbench.ranking.leaderboard.Row`.
        single: they are single runs.
    """
    if partition.mixed:
        return [
            "Folds are not put together here: runs of one fold were measured on unlike samples, as when the list "
            "behind data.exclude has changed, or the way of cutting between two versions."
        ]
    if single:
        return ["A row is one fold; only rows of the same fold were measured on the same samples."]
    several = len(partition.sizes) > 1
    notes = []
    if several:
        seeds = "over the folds of each seed, then over seeds" if any(row.seeds > 1 for row in rows) else "over folds"
        notes.append(
            f"Metrics are means {seeds}, the lowest and highest fold in brackets. Folds share training samples, so "
            "they are not independent, and their mean has no interval."
        )
    lacking = [f"{row.config} ({row.held})" for row in rows if row.held is not None and not row.held.whole]
    if lacking:
        notes.append(
            f"Without a mean, since folds are missing: {', '.join(lacking)}. It would be over other samples; see "
            "single folds with --runs."
        )
    return notes


def _places(members: Sequence[Member]) -> set[int]:
    return {place_of(run.data["fold"])[0] for run, _ in members}


def by_seed(member: Member) -> tuple[int, int, str]:
    """The order of the runs of a row: by seed, and by fold within a seed."""
    run, scores = member
    fold = None if scores.data else run.data["fold"]
    return run.seed or 0, place_of(fold)[0] if fold else 0, run.run


def _by_fold(member: Member) -> tuple[int, float, str, str]:
    run, scores = member
    return place_of(run.data["fold"])[0], -scores.values.get("macro_f1", -math.inf), run.unfolded, run.run
