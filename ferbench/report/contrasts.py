"""Figures of runs against each other: where two confuse other classes, and what accuracy costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.report.charts import Figure, axis, cell_layout, cell_map, layout_of, plain, shortened, trace
from ferbench.report.contents import Comparison, RunView

#: So many runs are shown against the baseline; more are better asked for one by one.
_MOST = 6
_COSTS = {"parameters": "parameters", "flops": "FLOPs per image", "seconds": "seconds of training"}


def contrasts(group: Comparison, name: str) -> list[Figure]:
    """Confusion differences against the baseline (of two runs against the first), and accuracy against each cost."""
    base = group.baseline or (group.runs[0] if len(group.runs) == 2 else None)
    figures = []
    if base is not None and base.scored.confusion is not None:
        others = [run for run in group.runs if run is not base][:_MOST]
        figures = [confusion_difference(run, base, name) for run in others if run.scored.confusion is not None]
    return [*figures, *(figure for key in _COSTS if (figure := pareto(group, key, name)) is not None)]


def confusion_difference(run: RunView, base: RunView, name: str) -> Figure:
    """Shares of each true class that go to each predicted one: those of a run less those of the baseline."""
    names = run.scored.class_names
    change = 100 * (_by_row(run) - _by_row(base))
    top = max(1.0, float(np.abs(change).max()))
    k = len(names)
    cells = cell_map(
        names,
        names,
        np.where(np.eye(k, dtype=bool), change, -change).tolist(),
        [[f"{v:+.0f}".replace("-", "−") if round(v) else "0" for v in row] for row in change.tolist()],
        [
            [
                f"true {plain(true)}<br>predicted {plain(predicted)}<br>" + f"{points:+.1f} points".replace("-", "−")
                for predicted, points in zip(names, row, strict=True)
            ]
            for true, row in zip(names, change, strict=True)
        ],
        size=13 if k <= 8 else 10,
        coloraxis="coloraxis",
    )
    layout = cell_layout(names, names, "predicted class", "true class")
    return Figure(
        id=f"{name}-difference-{run.id}",
        title=f"Confusion: {run.label} less {base.label}",
        caption=f"Of each true class, how many percentage points more (+) or fewer (−) {run.label} gives to each class "
        f"than {base.label}. On the diagonal more is better, elsewhere fewer: "
        "cells are blue where it does better and orange where it does worse.",
        spec={"data": [cells], "layout": {**layout, "coloraxis": {"cmin": -top, "cmax": top}}},
        height=46 * k + 130,
        least_width=36 * k + 84,
        table=name,
    )


def _by_row(run: RunView) -> NDArray[np.float64]:
    assert run.scored.confusion is not None
    counts = run.scored.confusion.astype(np.float64)
    support = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)


def pareto(group: Comparison, key: str, name: str) -> Figure | None:
    """Accuracy against a cost; the line joins runs that none beats in both. None where runs cost the same."""
    points = [
        (cost, run.scored.metrics["accuracy"] or 0.0, run.label) for run in group.runs if (cost := _cost(run, key))
    ]
    costs = [cost for cost, _, _ in points]
    if len(set(costs)) < 2:
        return None
    front = [points[place] for place in frontier([(cost, accuracy) for cost, accuracy, _ in points])]
    middle = min(costs) * max(costs)
    what = _COSTS[key]
    data = [
        trace(
            "markers",
            costs,
            [accuracy for _, accuracy, _ in points],
            "%{text}<br>%{x:,.4g}<br>accuracy %{y:.4f}<extra></extra>",
            name="runs",
            text=[plain(label) for _, _, label in points],
            marker={"size": 10},
        ),
        trace(
            "lines+markers+text",
            [cost for cost, _, _ in front],
            [accuracy for _, accuracy, _ in front],
            name="best for the cost",
            text=[plain(label) for label in shortened([label for _, _, label in front])],
            # Towards the middle, where there is room; costs are on a logarithmic axis.
            textposition=["bottom right" if cost**2 < middle else "bottom left" for cost, _, _ in front],
            marker={"size": 12, "symbol": "diamond-open"},
            line={"dash": "dash", "shape": "hv", "width": 1.5},
        ),
    ]
    return Figure(
        id=f"{name}-{key}",
        title=f"Accuracy against {what}",
        caption=f"Accuracy on {group.result.split} against {what} of {len(points)} runs; the line joins those that no "
        "cheaper run reaches, by name.",
        spec={
            "data": data,
            "layout": {**layout_of(entries=2), "xaxis": axis(what, type="log"), "yaxis": axis("accuracy")},
        },
        height=380,
        table=name,
    )


def frontier(points: list[tuple[float, float]]) -> list[int]:
    """Places of the (cost, value) points that no other beats: as cheap and better, or cheaper and as good."""
    order = sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1]))
    chosen: list[int] = []
    for place in order:
        if not chosen or points[place][1] > points[chosen[-1]][1]:
            chosen.append(place)
    return chosen


def _cost(run: RunView, key: str) -> float | None:
    part = run.record.training if key == "seconds" else run.record.model
    return getattr(part, key, None)
