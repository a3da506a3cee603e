"""Some rows of a leaderboard with the standing that they have among all.

Who looks at three of ten rows has still chosen them from ten: ranks, the leader and the correction of p are those of
every row that there is on the test set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ferbench.ranking.leaderboard import Group, Row
from ferbench.ranking.standing import A_FOLD, Standing
from ferbench.statistics import ENOUGH_SEEDS

A_SELECTION = "some of its seeds are hidden by --where, so that the others are a selection; --runs ranks single runs"


def on_the_same(shown: Sequence[Group], everything: Sequence[Group]) -> list[Group]:
    """Those of ``everything`` that are of the same samples as one of ``shown``."""
    wanted = {_samples(group) for group in shown}
    return [group for group in everything if _samples(group) in wanted]


def among_all(shown: Sequence[Group], everything: Sequence[Group]) -> list[Group]:
    """The groups, whose rows were chosen, as parts of those of all rows.

    Args:
        shown: groups of some runs.
        everything: groups of all runs, with their standings.
    """
    whole = {_samples(group): group for group in everything}
    return [_among(group, whole[_samples(group)]) for group in shown]


def _among(group: Group, whole: Group) -> Group:
    rows = tuple(replace(row, standing=_standing(group, row, whole)) for row in group.rows)
    shown = set().union(*map(_tests, group.rows))
    hidden = [row for row in whole.rows if not _tests(row) & shown]
    leaders = [row for row in hidden if row.standing and row.standing.best and row.standing.gap is None]
    return replace(
        group,
        rows=rows,
        ranked_by=whole.ranked_by,
        clustered_by=whole.clustered_by,
        unclustered=whole.unclustered,
        lacking=whole.lacking,
        hidden=len(hidden),
        hidden_leader=_called(leaders[0]) if leaders else "",
        hidden_few=sum(row.seeds < ENOUGH_SEEDS for row in hidden if row.standing and row.standing.best),
    )


def _standing(group: Group, row: Row, whole: Group) -> Standing | None:
    if group.partition is not None:
        return Standing(reason=A_FOLD)
    full = next(one for one in whole.rows if _tests(row) <= _tests(one))
    return full.standing if len(full.runs) == len(row.runs) else Standing(reason=A_SELECTION)


def _samples(group: Group) -> tuple[Any, ...]:
    """What all rows on the same samples share, whichever of them are looked at."""
    if group.partition is None:
        return (group.protocol, frozenset(group.class_names), group.rows_digest, group.synthetic, group.n)
    first = group.rows[0].runs[0]
    return ("folds", first.partition, group.synthetic, group.rows_digest if group.partition.mixed else "")


def _tests(row: Row) -> set[tuple[str, str]]:
    """The runs of a row, of which a copy is the same run, each with how it was tested."""
    return {(run.training, repr(one.options)) for run, one in zip(row.runs, row.scores, strict=True)}


def _called(row: Row) -> str:
    return f"{row.name} ({row.config})" if row.name else f"{row.settings.get('model')} ({row.config})"
