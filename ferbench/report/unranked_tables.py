"""What a leaderboard shows without a rank: what others reported, what was contaminated, what has no result."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.metrics.measures import measure
from ferbench.ranking.leaderboard import Contaminated, Unfinished
from ferbench.ranking.published import Published
from ferbench.ranking.standing import WITH_INTERVALS
from ferbench.tables.table import Cell, Column, Table


def unranked_table(contaminated: Sequence[Contaminated], published: Sequence[Published]) -> Table:
    """What is shown without a rank: results that others reported, and those that say nothing of unseen samples."""
    every = [*(result.scores.values for result in contaminated), *(result.values for result in published)]
    affect = [key for key in WITH_INTERVALS if key.startswith(("valence", "arousal")) and any(key in v for v in every)]
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
    )
    rows: list[tuple[Cell, ...]] = []
    for result in contaminated:
        run, scores = result.run, result.scores
        on = scores.data or run.data
        kind = run.kind if run.elsewhere else "contaminated"
        about = (run.name or run.settings.get("model"), kind, run.run, on["dataset"], on["protocol"])
        rows.append((*about, scores.n, *map(scores.values.get, keys), scores.contaminated))
    for given in published:
        why = "no predictions to compare" + (f"; {given.note}" if given.note else "")
        reported = (given.name, "reported", None, given.dataset, given.split)
        rows.append((*reported, given.n, *map(given.values.get, keys), why))
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
