"""Some rows of a leaderboard with the standing that they have among all.

Who looks at three of ten rows has still chosen them from ten: ranks, the leader and the correction of p are those of
every row that there is on the test set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ferbench.ranking.leaderboard import Group, Row
from ferbench.ranking.standing import A_FOLD, Standing
from ferbench.statistics import ENOUGH_SEEDS

A_SELECTION = "some of its seeds are hidden by --where, so that the others are a selection; --runs ranks single runs"


def on_the_same(shown: Sequence[Group], everything: Sequence[Group]) -> list[Group]:
    """Those of ``everything`` that have a result of one that is shown."""
    wanted = {test for group in shown for row in group.rows for test in _tests(row)}
    return [group for group in everything if any(_tests(row) & wanted for row in group.rows)]


def among_all(shown: Sequence[Group], everything: Sequence[Group]) -> list[Group]:
    """The groups, whose rows were chosen, as parts of those of all rows.

    Args:
        shown: groups of some runs.
        everything: groups of all runs, with their standings.
    """
    return [_among(group, on_the_same([group], everything)) for group in shown]


def _among(group: Group, whole: Sequence[Group]) -> Group:
    """The group as a part of one, or of several where folds are not put together among all runs."""
    every = [row for group in whole for row in group.rows]
    rows = tuple(replace(row, standing=_standing(group, row, every)) for row in group.rows)
    shown = set().union(*map(_tests, group.rows))
    hidden = [row for row in every if not _tests(row) & shown]
    leaders = [row for row in hidden if row.standing and row.standing.best and row.standing.gap is None]
    return replace(
        group,
        rows=rows,
        ranked_by=whole[0].ranked_by,
        clustered_by=whole[0].clustered_by,
        unclustered=whole[0].unclustered,
        lacking=whole[0].lacking,
        hidden=len(hidden),
        hidden_runs=sum(len(_tests(row) - shown) for row in every),
        hidden_leader=_called(leaders[0]) if leaders else "",
        hidden_few=sum(row.seeds < ENOUGH_SEEDS for row in hidden if row.standing and row.standing.best),
    )


def _standing(group: Group, row: Row, every: Sequence[Row]) -> Standing | None:
    if group.partition is not None:
        return Standing(reason=A_FOLD)
    full = next(whole for whole in every if _tests(row) <= _tests(whole))
    return full.standing if len(full.runs) == len(row.runs) else Standing(reason=A_SELECTION)


def _tests(row: Row) -> set[tuple[str, str, str]]:
    """The runs of a row, of which a copy is the same run, each with the samples and the way of testing."""
    pairs = zip(row.runs, row.scores, strict=True)
    return {(run.training, scores.rows, repr(scores.options)) for run, scores in pairs}


def _called(row: Row) -> str:
    return f"{row.name} ({row.config})" if row.name else f"{row.settings.get('model')} ({row.config})"
