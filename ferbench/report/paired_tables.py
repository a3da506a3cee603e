"""The tables of a comparison."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.measures import measure
from ferbench.ranking.compare import Comparison, sample_rows, slice_changes
from ferbench.report.cluster_notes import unknown_note
from ferbench.runs.remarks import of_absent, only_models
from ferbench.tables.table import Column, Table, ids_of

#: Both sides, what lies between them, and how sure that is.
_SIDES = (
    Column("first", "A", "score"),
    Column("second", "B", "score"),
    Column("difference", "A − B", "change"),
    Column("low", "from", "change", about="lower end of the 95 % interval of A − B"),
    Column("high", "to", "change", about="upper end"),
    Column("p", "p", "p"),
    Column("p_adjusted", "adjusted p", "p"),
)


def tables(comparison: Comparison, sliced: Mapping[str, NDArray[np.str_]], samples: int) -> list[Table]:
    """Metrics, slices by column (text[n] each), and the first ``samples`` that one side alone gets right."""
    ids = ids_of(sliced)
    by_column = [by_slice(comparison, name, values, ids[name]) for name, values in sliced.items()]
    return [metrics(comparison), *by_column, *([unlike_samples(comparison, samples)] if samples else [])]


def metrics(comparison: Comparison) -> Table:
    """Every metric on both sides, with the interval of the difference."""
    a, b = comparison.sides
    notes = [f"A is {a.label} ({a.what}), B is {b.label} ({b.what}); this holds for {comparison.estimand}."]
    clusters = comparison.samples.clusters
    how = "stratified by class" if clusters is None else "of whole clusters"
    notes.append(f"Intervals of A − B: 95 %, paired bootstrap {how}, fixed seed.")
    if comparison.discordance is not None:
        d = comparison.discordance
        p = "" if comparison.changes[0].lacks else f"; p = {d.mid_p:.4g} (mid-p), {d.exact:.4g} (exact)"
        notes.append(f"McNemar: A alone is right {d.only_first:,} times, B alone {d.only_second:,} times{p}.")
    if clusters is not None:
        notes.append(
            f"Samples of one {clusters.by} are drawn together ({clusters.count:,} groups); McNemar's test does not "
            "know of them."
        )
        notes += filter(None, [unknown_note(clusters.by, clusters.unknown, len(clusters.of))])
    samples = comparison.samples
    support = np.bincount(samples.truth, minlength=len(samples.scored))
    absent = [name for name, n in zip(samples.scored, support.tolist(), strict=True) if not n]
    if note := of_absent(absent, len(support)):
        notes.append(f"{note}.")
    if only := samples.class_names[len(samples.scored) :]:
        notes.append(f"T{only_models(only)[1:]}.")
    notes.append("Adjusted p of a class: Holm's correction over the classes.")
    notes.append(_family_note(comparison))
    for name, side in zip("AB", comparison.sides, strict=True):
        if side.ended:
            counts = ", ".join(f"{count} {how}" for how, count in side.ended.items())
            notes.append(f"Other seeds of {name}'s configuration have no result: {counts}.")
    for why in dict.fromkeys(change.lacks for change in comparison.changes if change.lacks):
        labels = ", ".join(measure(change.metric).label for change in comparison.changes if change.lacks == why)
        notes.append(f"Not tested: {labels}: {why}.")
    return Table(
        id="compare",
        caption=f"{a.title} (A) against {b.title} (B), n = {len(comparison.samples.ids):,}.",
        columns=(
            Column("metric", "metric"),
            *_SIDES,
            Column("improvement", "improvement", "percent", about="(A − B) / B"),
        ),
        rows=tuple(
            (_label(c.metric), c.first, c.second, c.difference, c.low, c.high, c.p, c.adjusted, c.improvement)
            for c in comparison.changes
        ),
        notes=tuple(notes),
    )


def _label(metric: str) -> str:
    """The name of a metric; a lower value is said to be better where that is so."""
    known = measure(metric)
    return known.label if known.higher_is_better else f"{known.label} (lower is better)"


def _family_note(comparison: Comparison) -> str:
    """What p is corrected for, and what not."""
    text = "p is that of this comparison alone, and not corrected for the metrics that were looked at"
    if comparison.family < 3:
        return f"{text}, or for other comparisons."
    pairs = comparison.family * (comparison.family - 1) // 2
    return (
        f"{text}, or for the {pairs:,} pairs of the {comparison.family:,} configurations on this test set: the "
        "adjusted p of 'ferbench leaderboard' is."
    )


def by_slice(comparison: Comparison, name: str, values: NDArray[np.str_], identifier: str) -> Table:
    """Accuracy on both sides within each value of a column; ``identifier`` ends the id of the table."""
    rows = slice_changes(comparison, values, name)
    notes = ["Paired tests within each slice; adjusted p: Holm's correction over the slices."]
    notes += [f"Not tested: {part.value}: {part.lacks}." for part in rows if part.lacks]
    return Table(
        id=f"compare-by-{identifier}",
        caption=f"Accuracy by {name}.",
        columns=(Column("value", name), Column("n", "n", "count"), *_SIDES),
        rows=tuple(
            (s.value, s.n, s.first, s.second, s.gap.value, s.gap.low, s.gap.high, s.gap.p, s.adjusted) for s in rows
        ),
        notes=tuple(notes),
    )


def unlike_samples(comparison: Comparison, most: int | None) -> Table:
    """Samples that one side alone gets right, A's first; ``most`` of each, None: all."""
    rows, counts = [], []
    for side in (0, 1):
        only = comparison.only(side)
        counts.append(len(only))
        rows += sample_rows(comparison, side, only[:most].tolist())
    several = any(len(side.runs) > 1 for side in comparison.sides)
    about = "of the true class, the mean over seeds"
    columns = [
        Column("right", "right"),
        Column("id", "sample"),
        Column("true", "true class"),
        Column("first", "A says"),
        Column("second", "B says"),
        Column("first_probability", "A's probability", "score", about=about),
        Column("second_probability", "B's probability", "score", about=about),
    ]
    if several:
        columns.append(Column("first_right", "A's seeds right", "score", about="share of A's seeds that are right"))
        columns.append(Column("second_right", "B's seeds right", "score", about="share of B's seeds that are right"))
    shown = f", the first {most} of each" if most is not None and max(counts) > most else ""
    return Table(
        id="compare-samples",
        caption=f"Samples that only one gets right: A {counts[0]:,}, B {counts[1]:,}{shown}.",
        columns=tuple(columns),
        rows=tuple(tuple(row[column.key] for column in columns) for row in rows),
    )
