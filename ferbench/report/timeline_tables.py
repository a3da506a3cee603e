"""The tables of a timeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ferbench.report.timeline_view import TimelineView, number
from ferbench.tables.table import Cell, Column, Table, apart
from ferbench.temporal.patterns import Patterns


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
    timeline, timed = view.timeline, view.timed
    columns = [
        Column("class", "class"),
        Column("share", "share", "score", about="of the frames, how many are predicted as this class"),
        Column("mean", "mean", "score", about="mean probability"),
        Column("episodes", "episodes", "count", about="times that it began"),
        Column("longest_frames", "longest, frames", "count"),
        *([Column("longest_seconds", "longest", "seconds")] if timed else []),
        Column("peak", "peak", "score", about="highest probability"),
        Column("peak_frame", "at frame", "count"),
        *([Column("peak_seconds", "at second", "number")] if timed else []),
        Column("restlessness", "mean change", "score", about="mean absolute change from frame to frame"),
    ]
    rows: list[tuple[Cell, ...]] = []
    for k in sorted(range(len(timeline.class_names)), key=lambda k: (-patterns.share[k], -patterns.mean[k])):
        episodes = patterns.of_class(k)
        peak = int(patterns.peak[k])
        rows.append(
            (
                timeline.class_names[k],
                float(patterns.share[k]),
                float(patterns.mean[k]),
                len(episodes),
                max((one.frames for one in episodes), default=0),
                *([max((one.seconds for one in episodes), default=0.0)] if timed else []),
                float(timeline.probabilities[peak, k]),
                int(timeline.index[peak]),
                *([_second(timeline.seconds[peak])] if timed else []),
                number(patterns.restlessness[k]),
            )
        )
    return Table("classes", f"The classes over {patterns.frames:,} frames.", tuple(columns), tuple(rows))


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
    timeline, timed = view.timeline, view.timed
    columns = (
        Column("episode", "episode", "count"),
        Column("class", "class"),
        Column("first_frame", "first frame", "count"),
        Column("last_frame", "last frame", "count"),
        Column("frames", "frames", "count"),
        *(
            (Column("start", "starts", "number", about="in seconds"), Column("seconds", "lasts", "seconds"))
            if timed
            else ()
        ),
        Column("mean", "mean", "score", about="mean probability of the class"),
    )
    rows = tuple(
        (
            number,
            timeline.class_names[one.label],
            int(timeline.index[one.first]),
            int(timeline.index[one.last]),
            one.frames,
            *((_second(one.start), _second(one.seconds)) if timed else ()),
            float(timeline.probabilities[one.first : one.last + 1, one.label].mean()),
        )
        for number, one in enumerate(patterns.episodes, start=1)
    )
    caption = f"Frames in a row with one predicted class: {len(rows):,} episodes."
    return Table("episodes", caption, columns, rows)


def frame_table(view: TimelineView) -> Table:
    """A row for each frame with everything that is known of it."""
    timeline = view.timeline
    timed = not bool(np.isnan(timeline.seconds).all())
    names = timeline.class_names
    columns = (
        Column("frame", apart("frame", names), "count"),
        Column("name", apart("name", names)),
        *((Column("seconds", apart("second", names), "number"),) if timed else ()),
        Column("predicted", apart("predicted", names)),
        *(Column(f"p_{name}", name, "score") for name in names),
        Column("change", apart("change", names), "score", about="of the probabilities since the frame before"),
        *(Column(f"delta_{name}", f"Δ {name}", "change") for name in names),
        *(
            [Column(one, apart(one, names), "change") for one in ("valence", "arousal")]
            if timeline.affect is not None
            else ()
        ),
    )
    predicted, deltas, change = timeline.predicted, timeline.deltas, timeline.change
    rows = tuple(
        (
            int(timeline.index[i]),
            timeline.names[i],
            *((_second(timeline.seconds[i]),) if timed else ()),
            names[predicted[i]],
            *map(float, timeline.probabilities[i]),
            number(change[i]),
            *map(number, deltas[i]),
            *(map(float, timeline.affect[i]) if timeline.affect is not None else ()),
        )
        for i in range(len(timeline))
    )
    return Table("frames", f"{len(timeline):,} frames.", columns, rows)


def _second(value: Any) -> float | None:
    """Seconds as a table has them: to the millisecond."""
    return round(float(value), 3) if math.isfinite(value) else None
