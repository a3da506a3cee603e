"""What a leaderboard shows without a rank: what others reported, what was contaminated, what has no result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ferbench.metrics.affect import DIMENSIONS
from ferbench.metrics.measures import measure
from ferbench.ranking.leaderboard import Unfinished
from ferbench.ranking.published import Published
from ferbench.ranking.standing import WITH_INTERVALS
from ferbench.runs.frame import values_of
from ferbench.runs.summary import IMPORTED
from ferbench.tables.table import Cell, Column, Table

if TYPE_CHECKING:
    import pandas as pd


def unranked_table(contaminated: pd.DataFrame, published: Sequence[Published]) -> Table:
    """What is shown without a rank: results that others reported, and those that say nothing of unseen samples.

    Args:
        contaminated: `ferbench.ranking.leaderboard.contaminated`.
        published: what others reported.
    """
    affect = [
        key
        for key in WITH_INTERVALS
        if key.startswith(DIMENSIONS) and (key in contaminated or any(key in result.values for result in published))
    ]
    told = [key for key in ("arithmetic", "source", "selection") if any(getattr(given, key) for given in published)]
    keys = ("accuracy", "macro_f1", "balanced_accuracy", *affect)
    columns = (
        Column("name", "name"),
        Column("kind", "kind"),
        Column("run", "run", "id"),
        Column("dataset", "dataset"),
        Column("split", "measured on"),
        Column("n", "n", "count"),
        *(Column(key, measure(key).label, "score") for key in keys),
        Column("reason", "why it has no rank"),
        *(Column(key, key) for key in told),
    )
    wanted = ["name", "model", "kind", "run", "dataset", "protocol", "n", *keys, "contaminated"]
    cells = [values_of(column) for _, column in contaminated.reindex(columns=wanted).items()]
    rows: list[tuple[Cell, ...]] = []
    for name, model, kind, *about in zip(*cells, strict=True):
        rows.append((name or model, kind if kind == IMPORTED else "contaminated", *about, *(None for _ in told)))
    for given in published:
        why = "no predictions to compare" + (f"; {given.note}" if given.note else "")
        reported = (given.name, given.kind, None, given.dataset, given.split)
        more = (getattr(given, key) or None for key in told)
        rows.append((*reported, given.n, *map(given.values.get, keys), why, *more))
    return Table(
        "leaderboard-unranked",
        "not ranked: reported by others, or not measured on unseen samples",
        columns,
        tuple(rows),
    )


def unfinished_table(unfinished: Sequence[Unfinished]) -> Table:
    """The runs without a result."""
    columns = (Column("run", "run", "id"), *(Column(key, key) for key in ("name", "status", "reason")))
    rows = tuple((run.run, run.name, run.status, run.reason) for run in unfinished)
    return Table("leaderboard-unfinished", "without a result", columns, rows)
