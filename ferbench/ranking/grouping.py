"""Runs into groups that were measured on the same samples, and into rows of one configuration, by frames of pandas."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from ferbench.ranking.cross_validation import Held, Partition
from ferbench.ranking.leaderboard import Group, Row, Unfinished, best_first
from ferbench.runs.frame import evaluations
from ferbench.runs.partitions import place_of
from ferbench.runs.summary import Scores, Summary

if TYPE_CHECKING:
    import pandas as pd

#: What groups and rows are made by.
_GROUPED_BY = {"run", "training_id", "config_id", "unfolded_id", "partition", "seed", "fold", "evaluation"}
_GROUPED_BY |= {"dataset", "protocol", "own", "synthetic", "classes", "rows_digest", "n", "how", "contaminated"}


def group(runs: Iterable[Summary], *, single: bool = False) -> tuple[list[Group], list[Unfinished]]:
    """Groups of comparable runs (real data first, larger groups first), and the runs without a result.

    Args:
        runs: what to group.
        single: a row for each run instead of each configuration.
    """
    import pandas as pd

    every = list(runs)
    pairs = [(run, scores) for run in every for scores in run.scores or (None,)]
    table = evaluations(every, _GROUPED_BY)
    tested = table[table["evaluation"].notna()]
    # The same seed would count twice.
    first = tested.groupby(tested["training_id"].fillna(""))["run"].transform("first")
    again = tested["run"] != first
    copies = dict(zip(tested["run"][again], first[again], strict=True))
    unfinished = [
        Unfinished(run.run, run.name, "copy", f"it has the training id of {copies[run.run]}")
        if run.scores
        else Unfinished(run.run, run.name, run.status, run.remark)
        for run in every
        if run.run in copies or not run.scores
    ]
    clean = tested[~again & (tested["contaminated"] == "")]
    held = clean["own"] & clean["fold"].notna()
    clean = clean.assign(
        seed=clean["seed"].fillna(0),
        place=pd.Series([place_of(fold)[0] for fold in clean["fold"][held]], clean.index[held]),
        known=clean["classes"].map(cache(lambda names: repr(sorted(names)))),
    )
    members = _Members(pairs, single)
    # Not by the dataset: joined with another one, it is still tested on its own test set. Nor by the order of the
    # classes, which no score depends on.
    same = ["protocol", "known", "rows_digest", "synthetic", "n"]
    made = [members.group(part) for _, part in clean[~held].groupby(same, sort=False)]
    for _, part in clean[held].groupby(["partition", "synthetic"], sort=False):
        if part.groupby("place")["rows_digest"].nunique().max() == 1:
            made.append(members.fold_group(part, mixed=False))
        else:  # a fold is not the same samples in all runs: who knows which of them are parts of one partition
            apart = part.groupby(["place", "rows_digest"])
            made += [members.fold_group(alone, mixed=True) for _, alone in apart]
    made.sort(key=lambda g: (g.synthetic, -sum(len(row.runs) for row in g.rows), g.dataset, g.protocol, g.rows_digest))
    return made, unfinished


@dataclass(frozen=True)
class _Members:
    """Makes groups of rows of a frame, whose index is the place of each run and evaluation.

    Attributes:
        pairs: each run and its evaluation.
        single: a row for each run.
    """

    pairs: Sequence[tuple[Summary, Scores | None]]
    single: bool

    def group(self, part: pd.DataFrame) -> Group:
        """What was measured on one test set; the same weights tested in another way are another row."""
        first = part.iloc[0]
        datasets = ", ".join(sorted(part["dataset"].unique()))
        rows = best_first(map(self._row, _parts(part, ["run" if self.single else "config_id", "how"])))
        digest, synthetic = first["rows_digest"], bool(first["synthetic"])
        return Group(datasets, first["protocol"], first["classes"], digest, digest, synthetic, int(first["n"]), rows)

    def fold_group(self, part: pd.DataFrame, *, mixed: bool) -> Group:
        """Folds of one partition. Seeds that lack a fold are a row of their own, which has no mean."""
        lowest = [-self._row([place]).scores[0].values.get("macro_f1", -math.inf) for place in part.index]
        part = part.assign(lowest=lowest).sort_values(["place", "lowest", "unfolded_id", "run"], kind="stable")
        first = part.iloc[0]
        sizes = {int(place): int(n) for place, n in part.groupby("place")["n"].last().items()}
        partition = Partition(place_of(first["fold"])[1], sizes, mixed=mixed)
        if self.single:
            rows = tuple(self._row([place]) for place in part.index)
        else:
            places = part.groupby(["unfolded_id", "how", "seed"])["place"].transform("nunique")
            part = part.assign(whole=places == len(sizes))
            rows = best_first(
                replace(
                    row,
                    held=Held(partition.of, tuple(Counter(run.seed or 0 for run in row.runs).values()), bool(whole)),
                )
                for whole, several in part.groupby("whole")
                for row in map(self._row, _parts(several, ["unfolded_id", "how"]))
            )
        return Group(
            dataset=first["dataset"],
            protocol=f"{first['protocol']}, {partition.title}",
            class_names=first["classes"],
            test_digest=None,
            rows_digest=first["rows_digest"] if len(sizes) == 1 else first["partition"],
            synthetic=bool(first["synthetic"]),
            n=partition.n,
            rows=rows,
            partition=partition,
        )

    def _row(self, places: Iterable[int]) -> Row:
        runs, scores = zip(*(self.pairs[place] for place in places), strict=True)
        return Row(runs, scores)


def _parts(table: pd.DataFrame, keys: list[str]) -> list[list[int]]:
    """The index of what is alike in ``keys``, by seed and by fold within a seed; as they first appear."""
    import numpy as np

    numbered = table.assign(part=table.groupby(keys, sort=False).ngroup())
    numbered = numbered[["part", "seed", "place", "run"]].sort_values(["part", "seed", "place", "run"], kind="stable")
    ends = np.flatnonzero(np.diff(numbered["part"])) + 1
    return [part.tolist() for part in np.split(numbered.index.to_numpy(), ends)]
