"""The figures that set runs side by side."""

from __future__ import annotations

from ferbench.metrics.measures import measure
from ferbench.report.charts import (
    Figure,
    finite,
    layout_of,
    named_axis,
    places,
    plain,
)
from ferbench.report.contents import Comparison


def of_comparison(group: Comparison, name: str) -> list[Figure]:
    """Figures of runs side by side; none for a single run."""
    if len(group.runs) < 2:
        return []
    return [scores_by_run(group, f"{name}-scores", name), f1_by_class(group, f"{name}-classes", f"{name}-by-class")]


def scores_by_run(group: Comparison, name: str, table: str) -> Figure:
    """Accuracy and macro-F1 of each run as points."""
    labels = [run.label for run in group.runs]
    data = []
    for i, key in enumerate(("accuracy", "macro_f1")):
        values = [None if run.result is None else finite(run.result.metrics.get(key)) for run in group.runs]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": measure(key).label,
                "x": values,
                "y": places(labels),
                "text": [plain(label) for label in labels],
                "marker": {"size": 11, "symbol": ("circle", "diamond-open")[i], "line": {"width": 2}},
                "hovertemplate": "%{text}<br>%{x:.4f}<extra>%{fullData.name}</extra>",
            }
        )
    layout = {
        **layout_of(left=8, entries=2),
        # Without a title, which a narrow page would write over the numbers; the legend says what they are.
        "xaxis": {},
        "yaxis": named_axis(labels, reverse=True),
    }
    return Figure(
        id=name,
        title="Scores by run",
        caption=f"Accuracy and macro-F1 of {len(group.runs)} runs on {group.result.split}, n = {group.result.n:,}.",
        spec={"data": data, "layout": layout},
        height=30 * len(group.runs) + 150,
        least_width=340,
        table=table,
    )


def f1_by_class(group: Comparison, name: str, table: str) -> Figure:
    """F1 of each class and run as cells."""
    classes = group.result.class_names
    labels = [run.label for run in group.runs]
    z = [[run.result.f1(one) for one in classes] for run in group.runs if run.result is not None]
    trace = {
        "type": "heatmap",
        "z": z,
        "x": places(classes),
        "y": places(labels),
        "customdata": [[f"{plain(label)}<br>{plain(one)}" for one in classes] for label in labels],
        "zmin": 0.0,
        "zmax": 1.0,
        "text": [[f"{v:.2f}" for v in row] for row in z],
        "texttemplate": "%{text}",
        "textfont": {"size": 12 if len(classes) <= 12 else 9},
        "hovertemplate": "%{customdata}<br>F1 %{z:.4f}<extra></extra>",
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
    }
    layout = {
        **layout_of(left=8),
        "xaxis": {"showgrid": False, **named_axis(classes)},
        "yaxis": {"showgrid": False, **named_axis(labels, reverse=True)},
    }
    return Figure(
        id=name,
        title="F1 by class and run",
        caption=f"F1 of each class on {group.result.split}; darker or brighter cells and larger numbers are better.",
        spec={"data": [trace], "layout": layout},
        height=30 * len(group.runs) + 120,
        least_width=42 * len(classes) + 200,
        table=table,
    )
