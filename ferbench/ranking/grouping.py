"""Evaluations into groups that were measured on the same samples, and into rows of one configuration, by frames of
pandas."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ferbench.ranking.cross_validation import Partition
from ferbench.ranking.leaderboard import Group, Unfinished, ordered
from ferbench.ranking.rows import rows_of
from ferbench.runs.frame import evaluations, metrics
from ferbench.runs.partitions import place_of
from ferbench.runs.summary import POOLED, Summary

if TYPE_CHECKING:
    import pandas as pd


def group(runs: Iterable[Summary], *, single: bool = False) -> tuple[list[Group], list[Unfinished]]:
    """Groups of comparable runs (real data first, larger groups first), and the runs without a result.

    Args:
        runs: what to group.
        single: a row for each run instead of each configuration.
    """
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
        else Unfinished(run.run, run.name, run.status, run.remark)
        for run in every
        if run.run in copies or not run.scores
    ]
    pooled = _is_pooled(every, tested) & (not single)
    members = _members(tested[~again & ~pooled & (tested["contaminated"] == "")], single)
    rows, measured = rows_of(members, single=single), metrics(every).loc[members.index]
    # All of them are sorted by group.
    sizes = rows.groupby("group", sort=False)["end"].agg(["size", "max"]).cumsum()
    ends = [(0, 0), *zip(sizes["size"], sizes["max"], strict=True)]
    made = [
        _group(members.iloc[first:last], rows.iloc[first_row:last_row], measured.iloc[first:last], single)
        for (first_row, first), (last_row, last) in itertools.pairwise(ends)
    ]
    made.sort(key=lambda g: (g.synthetic, -len(g.members), g.dataset, g.protocol, g.rows_digest))
    return made, unfinished


def _is_pooled(runs: Iterable[Summary], tested: pd.DataFrame) -> pd.Series:
    """Which evaluations are parts of a pooled run that is there, and is their result."""
    import pandas as pd

    parts, whole = {run.run: run.folds for run in runs}, tested[tested["kind"] == POOLED]
    ways = {(part, how) for name, how in zip(whole["run"], whole["how"], strict=True) for part in parts[name]}
    pooled = [pair in ways for pair in zip(tested["run"], tested["how"], strict=True)]
    return (tested["own"] & tested["test_fold"] & pd.array(pooled, dtype="boolean")).astype(bool)


def _members(clean: pd.DataFrame, single: bool) -> pd.DataFrame:
    """Evaluations with the number of their group and row, by these, seed, and fold within a seed.

    On a test set the same weights tested in another way are another row. Of folds, seeds that lack one are a row of
    their own, which has no mean.
    """
    import pandas as pd

    held = clean["own"] & clean["fold"].notna()
    place = pd.Series([place_of(fold)[0] for fold in clean["fold"][held]], clean.index[held], dtype="float64")
    members = clean.assign(
        sown=clean["seed"].fillna(0),
        place=place,
        known=clean["classes"].map(cache(lambda names: repr(sorted(names)))),
        shared=clean["unfolded_id"].where(held, clean["config_id"]),
        whole=True,
        mixed=held,
    )
    if held.any():
        # A fold may not be the same samples in all runs: who knows which of them are parts of one partition.
        cut = [held, members["partition"], members["synthetic"]]
        samples = members.groupby([*cut, "place"], dropna=False)["rows_digest"].transform("nunique")
        members["mixed"] = held & (samples.groupby(cut, dropna=False).transform("max") > 1)
    # Not by the dataset: joined with another one, it is still tested on its own test set. Nor by the order of the
    # classes, which no score depends on.
    same = [held, members["synthetic"], members["partition"].where(held)]
    same += [members[key].where(~held) for key in ("protocol", "known", "n")]
    same += [members["rows_digest"].where(~held | members["mixed"]), members["place"].where(members["mixed"])]
    members["group"] = members.groupby(same, sort=False, dropna=False).ngroup()
    if held.any() and not single:
        there = members.groupby("group")["place"].transform("nunique")
        own = members.groupby(["group", "shared", "how", "sown"], dropna=False)["place"].transform("nunique")
        # A part of a test has no mean, whatever others lack.
        members["whole"] = (own == there) & ~(held & members["test_fold"])
    keys = ["group", "run", "how"] if single else ["group", "whole", "shared", "how"]
    members["row"] = members.groupby(keys, sort=False, dropna=False).ngroup()
    return members.sort_values(["group", "row", "sown", "place", "run"], kind="stable")


def _group(members: pd.DataFrame, rows: pd.DataFrame, measured: pd.DataFrame, single: bool) -> Group:
    first = members.loc[members.index.min()]
    about = {"class_names": first["classes"], "synthetic": bool(first["synthetic"]), "rows": rows, "members": members}
    if members["place"].isna().all():
        made = Group(
            dataset=", ".join(sorted(members["dataset"].unique())),
            protocol=first["protocol"],
            test_digest=first["rows_digest"],
            rows_digest=first["rows_digest"],
            n=int(first["n"]),
            measured=measured,
            **about,
        )
    else:
        places = members.drop_duplicates("place").sort_values("place")
        sizes = dict(zip(places["place"].astype(int).tolist(), places["n"].tolist(), strict=True))
        tested = bool(first["test_fold"])
        partition = Partition(place_of(first["fold"])[1], sizes, mixed=bool(first["mixed"]), tested=tested)
        made = Group(
            dataset=first["dataset"],
            protocol=f"{first['protocol']}, {partition.title}",
            test_digest=None,
            rows_digest=first["rows_digest"] if len(sizes) == 1 else first["partition"],
            n=partition.n,
            measured=measured,
            partition=partition,
            **about,
        )
    best_first = ordered(rows, made.metric("macro_f1"), descending=True)
    if single and made.partition is not None:
        best_first = best_first.sort_values("fold", kind="stable", key=lambda folds: folds.map(place_of))
    return replace(made, rows=best_first)
