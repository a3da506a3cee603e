"""The folds of a report: each run on its fold, and below them a mean for each configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ferbench.experiment.differences import FOLDS, SAMPLES, SEED, labels
from ferbench.ids import short
from ferbench.metrics.measures import measure
from ferbench.ranking.cross_validation import Partition, over_folds
from ferbench.report.comparison_tables import SCORES
from ferbench.report.contents import RunView
from ferbench.runs.partitions import place_of
from ferbench.tables.table import Cell, Column, Table

_NUMBERED = re.compile(r"(.+)-\d+")


def fold_title(runs: Sequence[RunView]) -> str:
    """``fer2013, public-test, 5 folds, n = 28,709``."""
    data, partition = runs[0].record.data, _partition(runs)
    cut = data.protocol if partition.tested else f"{data.protocol}, {partition.title}"
    return f"{data.dataset}, {cut}, n = {partition.n:,}"


def fold_table(runs: Sequence[RunView], name: str) -> Table:
    """Finished runs on the folds of one partition, in the order of the folds, then the means.

    Args:
        runs: at least one, each with a result.
        name: of the table.
    """
    chosen = sorted(runs, key=lambda run: (_place(run), run.label, run.id))
    several: dict[str, list[RunView]] = {}
    for run in chosen:
        several.setdefault(f"{run.unfolded} {run.scored.how}", []).append(run)
    keys = [key for key in SCORES if any(run.scored.metrics.get(key) is not None for run in chosen)]
    means = [_mean(label, members, keys) for label, members in zip(_names(several), several.values(), strict=True)]
    every = {_place(run) for run in chosen}
    notes = [
        "Means are over folds, with several seeds first over the folds of each; the lowest and highest fold in "
        "brackets. Folds share training samples, so they are not independent, and a mean has no interval.",
        "A fold is tested by a run that never saw its samples; the result is that of all folds together."
        if _partition(runs).tested
        else "A fold is measured on its validation samples, on which its epoch was selected too.",
    ]
    if any({_place(run) for run in members} != every for members in several.values()):
        notes.append("Means over unlike folds are over unlike samples: they cannot be compared.")
    return Table(
        id=name,
        caption=f"{fold_title(runs)}, {len(chosen[0].record.data.class_names)} classes.",
        columns=(
            Column("run", "run"),
            Column("fold", "fold"),
            Column("seed", "seed", "number"),
            Column("n", "n", "count"),
            *(Column(key, measure(key).label, "score") for key in keys),
            Column("epochs", "epoch kept"),
            Column("id", "id", "id"),
        ),
        rows=(*(_row(run, keys) for run in chosen), *means),
        summary=len(means),
        notes=tuple(notes),
    )


def _row(run: RunView, keys: Sequence[str]) -> tuple[Cell, ...]:
    scores = [run.scored.metrics.get(key) for key in keys]
    return (run.label, run.record.data.place, run.record.seed, run.scored.n, *scores, run.kept, run.id)


def _mean(label: str, runs: Sequence[RunView], keys: Sequence[str]) -> tuple[Cell, ...]:
    partition, seeds = _partition(runs), {run.record.seed for run in runs}
    per_seed = f" × {len(seeds)} seeds" if len(seeds) > 1 else ""
    lacking = len(runs) < len(partition.sizes) * len(seeds)
    per_seed += ", some of them missing" if lacking else ""
    measured = ([(run.record.seed, run.scored.metrics.get(key)) for run in runs] for key in keys)
    scores = [None if lacking else over_folds(values) for values in measured]
    which = f"{partition.of if partition.tested else partition.title}{' folds' if partition.tested else ''}{per_seed}"
    return (f"mean: {label}", which, None, partition.n, *scores, None, short(runs[0].unfolded))


def _names(several: dict[str, list[RunView]]) -> list[str]:
    """What each configuration is called: the name that its runs share, or its model and what tells it from others."""
    first = []
    for runs in several.values():
        names = {run.record.name for run in runs}
        shared = {name and (found[1] if (found := _NUMBERED.fullmatch(name)) else name) for name in names}
        label = next(iter(shared)) if len(shared) == 1 else None
        first.append(label or runs[0].record.components["model"].name)
    settings = [
        {key: value for key, value in runs[0].settings.items() if key not in (*FOLDS, SEED, SAMPLES)}
        for runs in several.values()
    ]
    return labels(settings, first)


def _place(run: RunView) -> int:
    return place_of(run.record.data.place or "")[0]


def _partition(runs: Sequence[RunView]) -> Partition:
    """The folds that there are runs of."""
    data = runs[0].record.data
    sizes = {_place(run): run.scored.n for run in runs}
    return Partition(place_of(data.place or "")[1], sizes, tested=data.test_fold is not None)
