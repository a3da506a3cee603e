"""Figures of runs against each other: where two confuse other classes, and what accuracy costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.report.charts import Figure, layout_of, named_axis, places, plain, shortened
from ferbench.report.contents import Comparison, RunView, Scored

#: So many runs are shown against the baseline; more are better asked for one by one.
_MOST = 6
_COSTS = {"parameters": "parameters", "flops": "FLOPs per image", "seconds": "seconds of training"}


def contrasts(group: Comparison, name: str) -> list[Figure]:
    """Confusion differences against the baseline (of two runs against the first), and accuracy against each cost."""
    base = group.baseline or (group.runs[0] if len(group.runs) == 2 else None)
    others = [run for run in group.runs if run is not base][:_MOST] if base is not None else []
    found = [confusion_difference(run, base, name) for run in others if base is not None and _both(run, base)]
    return [*found, *(figure for key in _COSTS if (figure := pareto(group, key, name)) is not None)]


def _both(run: RunView, base: RunView) -> bool:
    return all(one.result is not None and one.result.confusion is not None for one in (run, base))


def confusion_difference(run: RunView, base: RunView, name: str) -> Figure:
    """Shares of each true class that go to each predicted one: those of a run less those of the baseline."""
    assert run.result is not None
    assert base.result is not None
    names = run.result.class_names
    change = 100 * (_by_row(run.result) - _by_row(base.result))
    top = max(1.0, float(np.abs(change).max()))
    k = len(names)
    better = np.where(np.eye(k, dtype=bool), change, -change)
    trace = {
        "type": "heatmap",
        "z": better.tolist(),
        "coloraxis": "coloraxis",
        "customdata": [
            [
                f"true {plain(names[i])}<br>predicted {plain(names[j])}<br>"
                + f"{change[i, j]:+.1f} points".replace("-", "−")
                for j in range(k)
            ]
            for i in range(k)
        ],
        "x": places(names),
        "y": places(names),
        "text": [[f"{v:+.0f}".replace("-", "−") if round(v) else "0" for v in row] for row in change.tolist()],
        "texttemplate": "%{text}",
        "textfont": {"size": 13 if k <= 8 else 10},
        "hovertemplate": "%{customdata}<extra></extra>",
        "xgap": 2,
        "ygap": 2,
    }
    return Figure(
        id=f"{name}-difference-{run.id}",
        title=f"Confusion: {run.label} less {base.label}",
        caption=f"Of each true class, how many percentage points more (+) or fewer (−) {run.label} gives to each class "
        f"than {base.label}. On the diagonal more is better, elsewhere fewer: "
        "cells are blue where it does better and orange where it does worse.",
        spec={
            "data": [trace],
            "layout": {
                **layout_of(left=8),
                "coloraxis": {"cmin": -top, "cmax": top},
                "xaxis": {"title": {"text": "predicted class"}, "showgrid": False, **named_axis(names)},
                "yaxis": {"title": {"text": "true class"}, "showgrid": False, **named_axis(names, reverse=True)},
            },
        },
        height=46 * k + 130,
        least_width=36 * k + 84,
        table=name,
    )


def _by_row(scored: Scored) -> NDArray[np.float64]:
    assert scored.confusion is not None
    counts = scored.confusion.astype(np.float64)
    support = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)


def pareto(group: Comparison, key: str, name: str) -> Figure | None:
    """Accuracy against a cost; the line joins runs that none beats in both. None where runs cost the same."""
    known = [(run, cost) for run in group.runs if run.result is not None and (cost := _cost(run, key))]
    if len({cost for _, cost in known}) < 2:
        return None
    points = [(cost, run.result.metrics["accuracy"] or 0.0, run.label) for run, cost in known if run.result is not None]
    front = frontier([(cost, accuracy) for cost, accuracy, _ in points])
    low, high = (end(cost for cost, _, _ in points) for end in (min, max))
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "runs",
            "x": [cost for cost, _, _ in points],
            "y": [accuracy for _, accuracy, _ in points],
            "text": [plain(label) for _, _, label in points],
            "marker": {"size": 10},
            "hovertemplate": "%{text}<br>%{x:,.4g}<br>accuracy %{y:.4f}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines+markers+text",
            "name": "best for the cost",
            "x": [points[place][0] for place in front],
            "y": [points[place][1] for place in front],
            "text": [plain(name) for name in shortened([points[place][2] for place in front])],
            # Towards the middle, where there is room; costs are on a logarithmic axis.
            "textposition": [
                "bottom right" if points[place][0] ** 2 < low * high else "bottom left" for place in front
            ],
            "marker": {"size": 12, "symbol": "diamond-open"},
            "line": {"dash": "dash", "shape": "hv", "width": 1.5},
            "hoverinfo": "skip",
        },
    ]
    what = _COSTS[key]
    return Figure(
        id=f"{name}-{key}",
        title=f"Accuracy against {what}",
        caption=f"Accuracy on {group.result.split} against {what} of {len(points)} runs; the line joins those that no "
        "cheaper run reaches, by name.",
        spec={
            "data": data,
            "layout": {
                **layout_of(entries=2),
                "xaxis": {"title": {"text": what}, "type": "log"},
                "yaxis": {"title": {"text": "accuracy"}},
            },
        },
        height=380,
        table=name,
    )


def frontier(points: list[tuple[float, float]]) -> list[int]:
    """Places of the (cost, value) points that no other beats: as cheap and better, or cheaper and as good."""
    order = sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1]))
    found: list[int] = []
    for place in order:
        if not found or points[place][1] > points[found[-1]][1]:
            found.append(place)
    return found


def _cost(run: RunView, key: str) -> float | None:
    part = run.record.training if key == "seconds" else run.record.model
    return getattr(part, key, None)
