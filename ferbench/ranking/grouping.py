"""Evaluations into groups that were measured on the same samples, and into rows of one configuration, by frames of
pandas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from ferbench.ranking.cross_validation import Partition, held
from ferbench.ranking.leaderboard import Group, Unfinished, ordered
from ferbench.ranking.rows import rows_of
from ferbench.runs.frame import evaluations, metrics
from ferbench.runs.partitions import place_of
from ferbench.runs.summary import Summary

if TYPE_CHECKING:
    import pandas as pd


def group(runs: Iterable[Summary], *, single: bool = False) -> tuple[list[Group], list[Unfinished]]:
    """Groups of comparable runs (real data first, larger groups first), and the runs without a result.

    Args:
        runs: what to group.
        single: a row for each run instead of each configuration.
    """
    import pandas as pd

    every = list(runs)
    table = evaluations(every, spread=False)
    tested = table[table["evaluation"].notna()]
    # The same seed would count twice.
    first = tested.groupby(tested["training_id"].fillna(""))["run"].transform("first")
    again = tested["run"] != first
    copies = dict(zip(tested["run"][again], first[again], strict=True))
    unfinished = [
        Unfinished(run.run, run.name, "copy", f"it has the training id of {copies[run.run]}")
        if run.scores
        else Unfinished(run.run, run.name, run.status, run.reason)
        for run in every
        if run.run in copies or not run.scores
    ]
    clean = tested[~again & (tested["contaminated"] == "")]
    folds = clean["own"] & clean["fold"].notna()
    clean = clean.assign(
        sown=clean["seed"].fillna(0),
        place=pd.Series([place_of(fold)[0] for fold in clean["fold"][folds]], clean.index[folds]),
        known=clean["classes"].map(cache(lambda names: repr(sorted(names)))),
    )
    groups = _Groups(metrics(every), single)
    # Not by the dataset: joined with another one, it is still tested on its own test set. Nor by the order of the
    # classes, which no score depends on.
    same = ["protocol", "known", "rows_digest", "synthetic", "n"]
    made = [groups.of_test_set(part) for _, part in clean[~folds].groupby(same, sort=False)]
    for _, part in clean[folds].groupby(["partition", "synthetic"], sort=False):
        if part.groupby("place")["rows_digest"].nunique().max() == 1:
            made.append(groups.of_folds(part, mixed=False))
        else:  # a fold is not the same samples in all runs: who knows which of them are parts of one partition
            made += [groups.of_folds(alone, mixed=True) for _, alone in part.groupby(["place", "rows_digest"])]
    made.sort(key=lambda g: (g.synthetic, -len(g.members), g.dataset, g.protocol, g.rows_digest))
    return made, unfinished


@dataclass(frozen=True)
class _Groups:
    """Makes groups of parts of a frame of evaluations.

    Attributes:
        measured: by each of the evaluations, as `metrics` has it.
        single: a row for each run.
    """

    measured: pd.DataFrame
    single: bool

    def of_test_set(self, part: pd.DataFrame) -> Group:
        """What was measured on one test set; the same weights tested in another way are another row."""
        first = part.iloc[0]
        datasets = ", ".join(sorted(part["dataset"].unique()))
        members = _numbered(part, ["run" if self.single else "config_id", "how"])
        made = self._group(members, first, datasets, first["rows_digest"], int(first["n"]))
        return _best_first(replace(made, test_digest=first["rows_digest"]))

    def of_folds(self, part: pd.DataFrame, *, mixed: bool) -> Group:
        """Folds of one partition. Seeds that lack a fold are a row of their own, which has no mean."""
        sizes = {int(place): int(n) for place, n in part.groupby("place")["n"].last().items()}
        partition = Partition(place_of(part["fold"].iloc[0])[1], sizes, mixed=mixed)
        value = self.measured["macro_f1"] if "macro_f1" in self.measured else None
        part = part.assign(lowest=0.0 if value is None else -value)
        part = part.sort_values(["place", "lowest", "unfolded_id", "run"], kind="stable", na_position="last")
        if self.single:
            members = part.assign(row=range(len(part)))
        else:
            places = part.groupby(["unfolded_id", "how", "sown"])["place"].transform("nunique")
            members = _numbered(part.assign(whole=places == len(sizes)), ["whole", "unfolded_id", "how"])
        first = part.iloc[0]
        digest = first["rows_digest" if len(sizes) == 1 else "partition"]
        made = self._group(members, first, first["dataset"], digest, partition.n)
        made = replace(made, protocol=f"{made.protocol}, {partition.title}", partition=partition)
        if self.single:
            return made
        each = members.groupby("row")
        counts = members.groupby(["row", "sown"]).size().groupby("row").agg(lambda several: held(several, partition.of))
        return _best_first(replace(made, rows=made.rows.assign(folds=counts, whole=each["whole"].first())))

    def _group(self, members: pd.DataFrame, first: pd.Series, dataset: str, rows_digest: str, n: int) -> Group:
        return Group(
            dataset=dataset,
            protocol=first["protocol"],
            class_names=first["classes"],
            test_digest=None,
            rows_digest=rows_digest,
            synthetic=bool(first["synthetic"]),
            n=n,
            rows=rows_of(members, single=self.single, folds=members["place"].notna().any()),
            members=members,
            measured=self.measured.loc[members.index],
        )


def _best_first(group: Group) -> Group:
    return replace(group, rows=ordered(group.rows, group.metric("macro_f1"), descending=True))


def _numbered(part: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Evaluations by row, of what is alike in ``keys``, then by seed and by fold within a seed."""
    numbered = part.assign(row=part.groupby(keys, sort=False).ngroup())
    return numbered.sort_values(["row", "sown", "place", "run"], kind="stable")
