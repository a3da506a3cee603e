"""The figures that set runs side by side."""

from __future__ import annotations

from ferbench.metrics.measures import measure
from ferbench.report.charts import Figure, cell_layout, cell_map, layout_of, named_axis, places, plain, trace
from ferbench.report.contents import Comparison


def of_comparison(group: Comparison, name: str) -> list[Figure]:
    """Figures of runs side by side; none for a single run."""
    if len(group.runs) < 2:
        return []
    return [scores_by_run(group, f"{name}-scores", name), f1_by_class(group, f"{name}-classes", f"{name}-by-class")]


def scores_by_run(group: Comparison, name: str, table: str) -> Figure:
    """Accuracy and macro-F1 of each run as points."""
    labels = [run.label for run in group.runs]
    data = [
        trace(
            "markers",
            [run.scored.metrics.get(key) for run in group.runs],
            places(labels),
            "%{text}<br>%{x:.4f}<extra>%{fullData.name}</extra>",
            name=measure(key).label,
            text=[plain(label) for label in labels],
            marker={"size": 11, "symbol": symbol, "line": {"width": 2}},
        )
        for key, symbol in (("accuracy", "circle"), ("macro_f1", "diamond-open"))
    ]
    # Without a title below, which a narrow page would write over the numbers; the legend says what they are.
    layout = {**layout_of(left=8, entries=2), "xaxis": {}, "yaxis": named_axis(labels, reverse=True)}
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
    classes, labels = group.result.class_names, [run.label for run in group.runs]
    z = [[run.scored.f1(cls) for cls in classes] for run in group.runs]
    cells = cell_map(
        classes,
        labels,
        z,
        [[f"{v:.2f}" for v in row] for row in z],
        [[f"{plain(label)}<br>{plain(cls)}" for cls in classes] for label in labels],
        size=12 if len(classes) <= 12 else 9,
        hover="<br>F1 %{z:.4f}",
        zmin=0.0,
        zmax=1.0,
    )
    return Figure(
        id=name,
        title="F1 by class and run",
        caption=f"F1 of each class on {group.result.split}; darker or brighter cells and larger numbers are better.",
        spec={"data": [cells], "layout": cell_layout(classes, labels)},
        height=30 * len(group.runs) + 120,
        least_width=42 * len(classes) + 200,
        table=table,
    )
