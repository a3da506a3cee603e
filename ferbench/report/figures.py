"""The figures of a report, as Plotly's plain form: ``{"data": […], "layout": {…}}``.

Colours that depend on the page's mode are not in a figure: they come from a template (`ferbench.report.theme`), which
the page exchanges when the mode changes. No figure codes anything by colour alone: lines differ in dash and marker,
cells carry their number.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.measures import measure
from ferbench.plugin.faults import one_line
from ferbench.report.contents import Comparison, RunView, Scored
from ferbench.report.tables import curve_metrics

#: More classes than this are drawn as a heat map: so many lines cannot be told apart.
LINES = 10
_LONGEST_TICK = 24
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "cross", "star", "pentagon", "hexagon")


@dataclass(frozen=True)
class Figure:
    """A figure with what a page needs to say about it.

    Attributes:
        id: stable name, ``[a-z0-9-]+``.
        title: a few words.
        caption: what it shows, in a sentence.
        spec: Plotly's ``data`` and ``layout``.
        height: pixels.
        least_width: pixels below which it is scrolled instead of squeezed.
        table: id of the table with its numbers.
        wide: it takes a whole row where figures stand side by side.
        views: other states of the first trace by label, for figures that can be switched; the first one is drawn.
    """

    id: str
    title: str
    caption: str
    spec: dict[str, Any]
    height: int = 320
    least_width: int = 260
    table: str = ""
    wide: bool = False
    views: dict[str, dict[str, Any]] = field(default_factory=dict)


def of_run(run: RunView) -> list[Figure]:
    """Figures of one run: confusion matrix and learning curves, as far as there is something to draw."""
    figures = []
    if run.result is not None and run.result.confusion is not None:
        figures.append(confusion(run, run.result))
    return figures + curves(run)


def of_comparison(group: Comparison, name: str) -> list[Figure]:
    """Figures of runs side by side; none for a single run."""
    if len(group.runs) < 2:
        return []
    return [scores_by_run(group, f"{name}-scores", name), f1_by_class(group, f"{name}-classes", f"{name}-by-class")]


def confusion(run: RunView, scored: Scored) -> Figure:
    """Confusion matrix that can be switched between rows in percent, columns in percent and counts."""
    assert scored.confusion is not None
    counts: NDArray[np.int64] = scored.confusion
    k = len(counts)
    support, predicted = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    by_row = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    by_column = np.divide(counts, predicted, out=np.zeros(counts.shape), where=predicted > 0)
    views = {
        "Row %": _view(by_row, _percents(by_row), 1.0),
        "Column %": _view(by_column, _percents(by_column), 1.0),
        "Counts": _view(counts, [[f"{v:,}" for v in row] for row in counts.tolist()], max(1, int(counts.max()))),
    }
    names = [plain(name) for name in scored.class_names]
    ticks = named_axis(scored.class_names)
    hover = "true %{y}<br>predicted %{x}<br>%{customdata}<extra></extra>"
    about = [
        [
            f"{counts[i, j]:,} samples<br>{by_row[i, j]:.1%} of true {names[i]}<br>{by_column[i, j]:.1%} of predicted "
            f"{names[j]}"
            for j in range(k)
        ]
        for i in range(k)
    ]
    first = next(iter(views.values()))
    trace = {
        "type": "heatmap",
        **first,
        "x": names,
        "y": names,
        "customdata": about,
        "texttemplate": "%{text}",
        "textfont": {"size": 13 if k <= 8 else 11 if k <= 14 else 9},
        "hovertemplate": hover,
        "xgap": 2 if k <= 14 else 1,
        "ygap": 2 if k <= 14 else 1,
        "showscale": False,
    }
    cell = 58 if k <= 8 else 44 if k <= 14 else 32
    layout = {
        **layout_of(left=8),
        "xaxis": {
            "title": {"text": "predicted class"},
            "side": "bottom",
            "showgrid": False,
            "automargin": True,
            **ticks,
        },
        "yaxis": {
            "title": {"text": "true class"},
            "autorange": "reversed",
            "showgrid": False,
            "automargin": True,
            **ticks,
        },
    }
    return Figure(
        id=f"confusion-plot-{run.id}",
        title="Confusion matrix",
        caption=f"{run.label}: rows are true classes, columns predicted ones; n = {scored.n:,}. On the diagonal a "
        "row's share is recall, a column's share is precision.",
        spec={"data": [trace], "layout": layout},
        height=cell * k + 130,
        least_width=(31 if k <= 8 else 36) * k + 84,
        table=f"confusion-{run.id}",
        views=views,
    )


def curves(run: RunView) -> list[Figure]:
    """Learning curves: each metric over training and validation, and validation F1 by class."""
    if not run.history:
        return []
    figures = [_curve(run, name) for name in curve_metrics(run.history)]
    classes = list(run.history[0]["validation"]["f1"])
    figures.append(_class_lines(run, classes) if len(classes) <= LINES else _class_cells(run, classes))
    return figures


def _curve(run: RunView, name: str) -> Figure:
    label = measure(name).label
    epochs = [record["epoch"] for record in run.history]
    data = []
    for number, (split, dash) in enumerate((("train", "dash"), ("validation", "solid"))):
        values = [_number(record[split].get(name)) for record in run.history]
        if any(value is not None for value in values):
            data.append(
                _line(epochs, values, split, dash, SYMBOLS[number], hover=f"epoch %{{x}}<br>{label} %{{y:.4f}}")
            )
    return Figure(
        id=f"curve-{name.replace('_', '-')}-{run.id}",
        title=f"{label[0].upper()}{label[1:]} by epoch",
        caption=f"{run.label}: {label} after each epoch.{_kept_words(run)}",
        spec={
            "data": data,
            "layout": {
                **layout_of(entries=len(data)),
                **_kept(run),
                "xaxis": epochs_axis(epochs),
                "yaxis": {"title": {"text": label}},
            },
        },
        table=f"epochs-{run.id}",
    )


def _class_lines(run: RunView, classes: Sequence[str]) -> Figure:
    epochs = [record["epoch"] for record in run.history]
    data = []
    for i, name in enumerate(classes):
        values = [_number(record["validation"]["f1"].get(name)) for record in run.history]
        data.append(_line(epochs, values, name, DASHES[i % len(DASHES)], SYMBOLS[i], hover="epoch %{x}<br>F1 %{y:.4f}"))
    return Figure(
        id=f"curve-class-f1-{run.id}",
        title="F1 per class by epoch",
        caption=f"{run.label}: F1 of each class on validation after each epoch.{_kept_words(run)}",
        spec={
            "data": data,
            "layout": {
                **layout_of(entries=len(data)),
                **_kept(run),
                "xaxis": epochs_axis(epochs),
                "yaxis": {"title": {"text": "F1"}, "rangemode": "tozero"},
            },
        },
        height=380,
        table=f"epochs-{run.id}",
    )


def _class_cells(run: RunView, classes: Sequence[str]) -> Figure:
    epochs = [record["epoch"] for record in run.history]
    z = [[_number(record["validation"]["f1"].get(name)) for record in run.history] for name in classes]
    trace = {
        "type": "heatmap",
        "z": z,
        "x": epochs,
        "y": [plain(name) for name in classes],
        "zmin": 0.0,
        "zmax": 1.0,
        "hovertemplate": "epoch %{x}<br>%{y}<br>F1 %{z:.4f}<extra></extra>",
        "colorbar": {"title": {"text": "F1"}, "thickness": 12},
    }
    layout = {
        **layout_of(left=8),
        "xaxis": epochs_axis(epochs),
        "yaxis": {"autorange": "reversed", "automargin": True, "showgrid": False, **named_axis(classes)},
    }
    return Figure(
        id=f"curve-class-f1-{run.id}",
        title="F1 per class by epoch",
        caption=f"{run.label}: F1 of each class on validation after each epoch.{_kept_words(run)}",
        spec={"data": [trace], "layout": layout},
        height=24 * len(classes) + 90,
        least_width=420,
        wide=True,
        table=f"epochs-{run.id}",
    )


def scores_by_run(group: Comparison, name: str, table: str) -> Figure:
    """Accuracy and macro-F1 of each run as points."""
    labels = [plain(run.label) for run in group.runs]
    data = []
    for i, key in enumerate(("accuracy", "macro_f1")):
        values = [None if run.result is None else _number(run.result.metrics.get(key)) for run in group.runs]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": measure(key).label,
                "x": values,
                "y": labels,
                "marker": {"size": 11, "symbol": ("circle", "diamond-open")[i], "line": {"width": 2}},
                "hovertemplate": "%{y}<br>%{x:.4f}<extra>%{fullData.name}</extra>",
            }
        )
    layout = {
        **layout_of(left=8, entries=2),
        # Without a title, which a narrow page would write over the numbers; the legend says what they are.
        "xaxis": {},
        "yaxis": {
            "autorange": "reversed",
            "automargin": True,
            "type": "category",
            **named_axis([run.label for run in group.runs]),
        },
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
    z = [[run.result.per_class[one]["f1"] for one in classes] for run in group.runs if run.result is not None]
    trace = {
        "type": "heatmap",
        "z": z,
        "x": [plain(one) for one in classes],
        "y": [plain(run.label) for run in group.runs],
        "zmin": 0.0,
        "zmax": 1.0,
        "text": [[f"{v:.2f}" for v in row] for row in z],
        "texttemplate": "%{text}",
        "textfont": {"size": 12 if len(classes) <= 12 else 9},
        "hovertemplate": "%{y}<br>%{x}<br>F1 %{z:.4f}<extra></extra>",
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
    }
    layout = {
        **layout_of(left=8),
        "xaxis": {"showgrid": False, "automargin": True, "type": "category", **named_axis(classes)},
        "yaxis": {
            "autorange": "reversed",
            "automargin": True,
            "showgrid": False,
            "type": "category",
            **named_axis([run.label for run in group.runs]),
        },
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


def plain(text: str) -> str:
    """Text that Plotly shows as it is: it reads a subset of HTML in names and labels, and TeX between dollar signs."""
    return html.escape(one_line(text), quote=False).replace("$", "&#36;")


def named_axis(names: Sequence[str]) -> dict[str, Any]:
    """Ticks for every name, long ones shortened in the middle; hovering shows the whole."""
    ticks = [plain(shortened(name)) for name in names]
    return {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": ticks}


def shortened(name: str) -> str:
    """A name in one line, a long one without its middle."""
    half, name = _LONGEST_TICK // 2, one_line(name)
    return name if len(name) <= _LONGEST_TICK else f"{name[:half]}…{name[1 - half :]}"


def _view(z: NDArray[Any], text: list[list[str]], top: float) -> dict[str, Any]:
    return {"z": z.tolist(), "text": text, "zmin": 0.0, "zmax": top}


def _percents(shares: NDArray[np.float64]) -> list[list[str]]:
    return [[f"{100 * v:.0f}" for v in row] for row in shares.tolist()]


def _line(x: list[int], y: list[float | None], name: str, dash: str, symbol: str, *, hover: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": plain(name),
        "x": x,
        "y": y,
        "line": {"dash": dash, "width": 2},
        "marker": {"symbol": symbol, "size": 7, "maxdisplayed": 12},
        "hovertemplate": hover + "<extra>%{fullData.name}</extra>",
    }


def layout_of(left: int = 56, entries: int = 0) -> dict[str, Any]:
    """Margins that leave room for a legend of so many entries below the axis."""
    rows = math.ceil(entries / 2.5)
    return {
        "margin": {"t": 24, "r": 16, "b": 50 + 24 * rows, "l": left},
        "hovermode": "closest",
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        "showlegend": entries > 0,
    }


def epochs_axis(epochs: Sequence[int]) -> dict[str, Any]:
    step = max(1, math.ceil(len(epochs) / 10))
    step = next(nice for nice in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if nice >= step)
    # Given, since one that plotly finds makes room for words beside the line, and reaches epochs that there are not.
    beside = max(0.5, 0.04 * (epochs[-1] - epochs[0]))
    around = [epochs[0] - beside, epochs[-1] + beside]
    return {"title": {"text": "epoch"}, "dtick": step, "tick0": 0, "showgrid": False, "range": around}


def _kept(run: RunView) -> dict[str, Any]:
    """A line at the epoch whose weights were kept."""
    epoch = _kept_epoch(run)
    if epoch is None:
        return {}
    return {
        "shapes": [
            {
                "type": "line",
                "x0": epoch,
                "x1": epoch,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"dash": "dot", "width": 1.5},
            }
        ],
        "annotations": [
            {
                "x": epoch,
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "xanchor": _anchor(run, epoch),
                "text": f"{'best so far' if _unended(run) else 'kept'}: epoch {epoch}",
                "showarrow": False,
            }
        ],
    }


def _kept_words(run: RunView) -> str:
    epoch = _kept_epoch(run)
    if epoch is None:
        return ""
    return f" The line marks epoch {epoch}, " + ("the best so far." if _unended(run) else "whose weights were kept.")


def _anchor(run: RunView, epoch: int) -> str:
    """Words at an epoch stand so that they do not leave the figure."""
    first, last = run.history[0]["epoch"], run.history[-1]["epoch"]
    place = (epoch - first) / (last - first) if last > first else 0.5
    return "left" if place < 0.3 else "right" if place > 0.7 else "center"


def _unended(run: RunView) -> bool:
    """Training did not come to its end, or has not yet: another epoch may be kept."""
    return "training" not in run.record


def _kept_epoch(run: RunView) -> int | None:
    best = [record["epoch"] for record in run.history if record.get("best")]
    return best[-1] if best else None


def _number(value: Any) -> float | None:
    """A number that JSON can hold."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
