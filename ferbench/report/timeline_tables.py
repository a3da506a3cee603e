"""The tables of a timeline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferbench.report.timeline_view import TimelineView, number
from ferbench.tables.table import Cell, Column, Table, apart, table_of
from ferbench.temporal.patterns import Episode, Patterns


def tables(view: TimelineView, patterns: Patterns) -> Sequence[Table]:
    """What is written as files: classes, transitions, episodes and frames."""
    return (
        class_table(view, patterns),
        transition_table(view, patterns),
        episode_table(view, patterns),
        frame_table(view),
    )


def class_table(view: TimelineView, patterns: Patterns) -> Table:
    """A row for each class, the most frequent first."""
    timeline, peak = view.timeline, patterns.peak.tolist()
    fields: list[tuple[Column, Callable[[int], Cell]]] = [
        (Column("class", "class"), lambda k: timeline.class_names[k]),
        (
            Column("share", "share", "score", about="of the frames, how many are predicted as this class"),
            lambda k: float(patterns.share[k]),
        ),
        (Column("mean", "mean", "score", about="mean probability"), lambda k: float(patterns.mean[k])),
        (Column("episodes", "episodes", "count", about="times that it began"), lambda k: len(patterns.of_class(k))),
        (
            Column("longest_frames", "longest, frames", "count"),
            lambda k: max((episode.frames for episode in patterns.of_class(k)), default=0),
        ),
        (
            Column("longest_seconds", "longest", "seconds"),
            lambda k: max((episode.seconds for episode in patterns.of_class(k)), default=0.0),
        ),
        (
            Column("peak", "peak", "score", about="highest probability"),
            lambda k: float(timeline.probabilities[peak[k], k]),
        ),
        (Column("peak_frame", "at frame", "count"), lambda k: int(timeline.index[peak[k]])),
        (Column("peak_seconds", "at second", "number"), lambda k: _second(timeline.seconds[peak[k]])),
        (
            Column("restlessness", "mean change", "score", about="mean absolute change from frame to frame"),
            lambda k: number(patterns.restlessness[k]),
        ),
    ]
    order = sorted(range(len(timeline.class_names)), key=lambda k: (-patterns.share[k], -patterns.mean[k]))
    kept = [field for field in fields if view.timed or field[0].key not in ("longest_seconds", "peak_seconds")]
    return table_of("classes", f"The classes over {patterns.frames:,} frames.", order, kept)


def transition_table(view: TimelineView, patterns: Patterns) -> Table:
    """Every change between two classes, the most frequent first."""
    names, leaving = view.timeline.class_names, patterns.steps.sum(axis=1)
    columns = (
        Column("from", "from"),
        Column("to", "to"),
        Column("count", "times", "count"),
        Column("share", "share", "score", about="of all changes"),
        Column("chance", "chance", "score", about="that the frame behind one of the first class is of the second"),
    )
    rows = tuple(
        (names[i], names[j], count, count / patterns.switches, count / int(leaving[i]))
        for i, j, count in patterns.transitions
    )
    return Table("transitions", f"Changes of the predicted class: {patterns.switches:,}.", columns, rows)


def episode_table(view: TimelineView, patterns: Patterns) -> Table:
    """Every episode in order."""
    timeline = view.timeline
    fields: list[tuple[Column, Callable[[tuple[int, Episode]], Cell]]] = [
        (Column("episode", "episode", "count"), lambda row: row[0]),
        (Column("class", "class"), lambda row: timeline.class_names[row[1].label]),
        (Column("first_frame", "first frame", "count"), lambda row: int(timeline.index[row[1].first])),
        (Column("last_frame", "last frame", "count"), lambda row: int(timeline.index[row[1].last])),
        (Column("frames", "frames", "count"), lambda row: row[1].frames),
        (Column("start", "starts", "number", about="in seconds"), lambda row: _second(row[1].start)),
        (Column("seconds", "lasts", "seconds"), lambda row: _second(row[1].seconds)),
        (
            Column("mean", "mean", "score", about="mean probability of the class"),
            lambda row: float(timeline.probabilities[row[1].first : row[1].last + 1, row[1].label].mean()),
        ),
    ]
    kept = [field for field in fields if view.timed or field[0].key not in ("start", "seconds")]
    caption = f"Frames in a row with one predicted class: {len(patterns.episodes):,} episodes."
    return table_of("episodes", caption, enumerate(patterns.episodes, 1), kept)


def frame_table(view: TimelineView) -> Table:
    """A row for each frame with everything that is known of it."""
    timeline, names = view.timeline, view.timeline.class_names
    timed, affect = not bool(np.isnan(timeline.seconds).all()), timeline.affect
    predicted, deltas, change = timeline.predicted, timeline.deltas, timeline.change
    columns = (
        Column("frame", apart("frame", names), "count"),
        Column("name", apart("name", names)),
        *((Column("seconds", apart("second", names), "number"),) if timed else ()),
        Column("predicted", apart("predicted", names)),
        *(Column(f"p_{name}", name, "score") for name in names),
        Column("change", apart("change", names), "score", about="of the probabilities since the frame before"),
        *(Column(f"delta_{name}", f"Δ {name}", "change") for name in names),
        *(Column(key, apart(key, names), "change") for key in ("valence", "arousal") if affect is not None),
    )
    rows = tuple(
        (
            int(timeline.index[i]),
            timeline.names[i],
            *((_second(timeline.seconds[i]),) if timed else ()),
            names[predicted[i]],
            *map(float, timeline.probabilities[i]),
            number(change[i]),
            *map(number, deltas[i]),
            *(map(float, affect[i]) if affect is not None else ()),
        )
        for i in range(len(timeline))
    )
    return Table("frames", f"{len(timeline):,} frames.", columns, rows)


def _second(value: Any) -> float | None:
    """Seconds as a table has them: to the millisecond."""
    return round(float(value), 3) if math.isfinite(value) else None
