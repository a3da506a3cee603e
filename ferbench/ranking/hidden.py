"""Some rows of a leaderboard with the standing that they have among all.

Who looks at three of ten rows has still chosen them from ten: ranks, the leader and the correction of p are those of
every row that there is on the test set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ferbench.ranking.kept_standings import Standing
from ferbench.ranking.leaderboard import Group
from ferbench.ranking.standing import columns_of

if TYPE_CHECKING:
    import pandas as pd

A_SELECTION = "some of its seeds are hidden by --where, so that the others are a selection; --runs ranks single runs"


def on_the_same(shown: Sequence[Group], everything: Sequence[Group]) -> list[Group]:
    """Those of ``everything`` that have a result of one that is shown."""
    wanted = {test for group in shown for tests in group.tests for test in tests}
    return [group for group in everything if any(not wanted.isdisjoint(tests) for tests in group.tests)]


def among_all(shown: Sequence[Group], everything: Sequence[Group]) -> list[Group]:
    """The groups, whose rows were chosen, as parts of those of all rows.

    Args:
        shown: groups of some runs.
        everything: groups of all runs, with their standings.
    """
    return [_among(group, on_the_same([group], everything)) for group in shown]


def _among(group: Group, whole: Sequence[Group]) -> Group:
    """The group as a part of one, or of several where folds are not put together among all runs."""
    import pandas as pd

    rows = pd.concat([of.rows for of in whole], keys=range(len(whole)), names=["group", "row"])
    members = pd.concat([of.members.assign(group=number) for number, of in enumerate(whole)])
    tests = ["run", "evaluation"]
    known = members[["group", "row", *tests]].merge(
        group.members[[*tests, "row"]], how="left", on=tests, suffixes=("", "_shown"), validate="one_to_one"
    )
    counts = known.groupby(["group", "row"])["row_shown"].agg(["size", "count"])
    hidden = rows[(counts["count"] == 0).loc[rows.index]]
    ranked = hidden[hidden["rank"].notna()]
    leaders = ranked[ranked["gap"].isna()]
    reason = A_SELECTION if group.partition is None else group.partition.unranked
    refused = [Standing(reason=reason)] * len(group.rows)
    standings, full = pd.DataFrame(columns_of(refused), index=group.rows.index), None
    if group.partition is None:
        full = known.dropna().groupby("row_shown")[["group", "row"]].first().loc[group.rows.index]
        places = pd.MultiIndex.from_frame(full)
        whole_rows = (counts["size"] == counts["count"]).loc[places].set_axis(full.index)
        standings = rows.loc[places, list(standings)].set_axis(full.index).where(whole_rows, standings)
    return replace(
        group,
        rows=group.rows.assign(**standings),
        ranked_by=whole[0].ranked_by,
        claim=whole[0].claim,
        clustered_by=whole[0].clustered_by,
        unclustered=whole[0].unclustered,
        lacking=whole[0].lacking,
        plan=whole[0].plan,
        reads=whole[0].reads,
        chosen_on=whole[0].chosen_on,
        luck=whole[0].luck,
        equals=whole[0].equals,
        leader=_shown_leader(whole[0].leader, full),
        won=whole[0].won,
        hidden=len(hidden),
        hidden_runs=int((counts["size"] - counts["count"]).sum()),
        hidden_leader=_called(leaders.iloc[0]) if len(leaders) else "",
    )


def _shown_leader(leader: int | None, full: pd.DataFrame | None) -> int | None:
    """The index of the leader among the rows that are shown, from what each of them is among all."""
    if leader is None or full is None:
        return None
    found = full.index[(full["group"] == 0) & (full["row"] == leader)]
    return int(found[0]) if len(found) else None


def _called(row: pd.Series) -> str:
    return f"{row['name'] or row['model']} ({row['config']})"
