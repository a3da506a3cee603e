"""The figures of a timeline."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ferbench.report.charts import (
    DASHES,
    LINES,
    Figure,
    Plotly,
    axis,
    cell_layout,
    cell_map,
    layout_of,
    named_axis,
    places,
    plain,
    trace,
)
from ferbench.report.timeline_view import TimelineView, number
from ferbench.temporal.patterns import Patterns
from ferbench.wording import one_line

#: More frames than this are drawn as means over some in a row.
MOST_POINTS = 2000

_HEIGHTS = (0.56, 0.2, 0.2)  # of the panels, from above; the rest is between them


def timeline_figures(view: TimelineView, patterns: Patterns) -> list[Figure]:
    """The course of the probabilities, and what changes into what where anything does."""
    drawn = [_course(view)]
    if patterns.switches:
        drawn.append(_transitions(view, patterns))
    return drawn


def _course(view: TimelineView) -> Figure:
    """Probabilities, predicted class and change over time, one above the other."""
    timeline = view.timeline
    names = [plain(name) for name in timeline.class_names]
    block = math.ceil(len(timeline) / MOST_POINTS)
    at = timeline.seconds if view.timed else timeline.index.astype(np.float64)
    x = _blocks(at, block).tolist()
    probabilities = _blocks(timeline.probabilities, block)
    word = "second" if view.timed else "frame"
    hover = f"{word} %{{x}}<br>%{{y:.3f}}<extra>%{{fullData.name}}</extra>"
    rows = named_axis(timeline.class_names, reverse=True)
    heat = len(names) > LINES
    data: list[Plotly]
    if heat:
        y_axis = {"showgrid": False, **rows}
        data = [
            {
                "type": "heatmap",
                "x": x,
                "y": places(names),
                "customdata": [[name] * len(x) for name in names],
                "z": probabilities.T.tolist(),
                "zmin": 0.0,
                "zmax": 1.0,
                "showscale": False,
                "hovertemplate": f"{word} %{{x}}<br>%{{customdata}}<br>%{{z:.3f}}<extra></extra>",
            }
        ]
    else:
        y_axis = axis("probability", range=[0, 1])
        data = [
            trace("lines", x, _numbers(values), hover, name=name, line={"dash": DASHES[k % len(DASHES)], "width": 2})
            for k, (name, values) in enumerate(zip(names, probabilities.T, strict=True))
        ]
    data.append(
        trace(
            "markers",
            at.tolist(),
            timeline.predicted.tolist(),
            f"{word} %{{x}}<br>%{{text}}<extra></extra>",
            name="predicted",
            text=[names[k] for k in timeline.predicted],
            yaxis="y2",
            marker={"symbol": "line-ns-open", "size": 9},
            showlegend=False,
        )
    )
    change = _numbers(_blocks(timeline.change, block))
    data.append(trace("lines", x, change, hover, name="change", yaxis="y3", showlegend=False))
    top, middle, bottom = _HEIGHTS
    layout = {
        **layout_of(left=8, entries=0 if heat else len(names)),
        "xaxis": axis(word, showgrid=False, anchor="y3"),
        "yaxis": {"domain": [1 - top, 1], "automargin": True, **y_axis},
        "yaxis2": {
            "domain": [bottom + 0.02, bottom + 0.02 + middle],
            **rows,
            "tickfont": {"size": 10 if len(names) <= 8 else 8},
        },
        "yaxis3": axis("change", domain=[0, bottom], automargin=True, rangemode="tozero"),
    }
    means = f" Lines are means over {block} frames in a row." if block > 1 else ""
    return Figure(
        id="timeline",
        title="Probabilities over time",
        caption="Above the probability of each class, below it the predicted class of each frame, at the bottom how "
        f"much the probabilities changed since the frame before: {len(timeline):,} frames of {one_line(view.source)}."
        f"{means}",
        spec={"data": data, "layout": layout},
        height=560 + 12 * max(0, len(names) - 7),
        least_width=420,
        table="classes",
        wide=True,
    )


def _transitions(view: TimelineView, patterns: Patterns) -> Figure:
    """From row to column: the share of the frames behind one of the row's class; staying is left out."""
    shown = [k for k in range(len(patterns.share)) if patterns.share[k] > 0]
    names = [view.timeline.class_names[k] for k in shown]
    counts = patterns.steps[np.ix_(shown, shown)].astype(np.float64)
    np.fill_diagonal(counts, 0)
    cells = cell_map(
        names,
        names,
        counts.tolist(),
        [[f"{v:.0f}" if v else "" for v in row] for row in counts],
        [[f"{plain(before)} → {plain(after)}" for after in names] for before in names],
        size=13 if len(names) <= 8 else 10,
        hover="<br>%{z} times",
        zmin=0.0,
        zmax=max(1.0, float(counts.max())),
    )
    return Figure(
        id="transitions-plot",
        title="From class to class",
        caption=f"How often the predicted class changed from the row's to the column's: {patterns.switches:,} changes.",
        spec={"data": [cells], "layout": cell_layout(names, names, "to", "from")},
        height=44 * len(names) + 130,
        least_width=44 * len(names) + 120,
        table="transitions",
    )


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [number(value) for value in values]


def _blocks(values: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """Means over so many rows each; NaN counts for nothing, and is what comes of nothing else."""
    if block == 1:
        return values
    starts = np.arange(0, len(values), block)
    there = ~np.isnan(values)
    sums, counts = (
        np.add.reduceat(part, starts, axis=0) for part in (np.where(there, values, 0.0), there.astype(float))
    )
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
