"""The figures of one run: its confusion matrix and its learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.measures import measure
from ferbench.report.charts import (
    DASHES,
    LINES,
    SYMBOLS,
    Figure,
    epochs_axis,
    layout_of,
    named_axis,
    places,
    plain,
)
from ferbench.report.contents import RunView, Scored
from ferbench.report.run_tables import SPLITS, curve_metrics


def of_run(run: RunView) -> list[Figure]:
    """Figures of one run: confusion matrix and learning curves, as far as there is something to draw."""
    figures = []
    if run.result is not None and run.result.confusion is not None:
        figures.append(confusion(run, run.result))
    return figures + curves(run)


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
    about = [
        [
            f"true {names[i]}<br>predicted {names[j]}<br>{counts[i, j]:,} samples<br>"
            f"{by_row[i, j]:.1%} of true {names[i]}<br>{by_column[i, j]:.1%} of predicted "
            f"{names[j]}"
            for j in range(k)
        ]
        for i in range(k)
    ]
    first = next(iter(views.values()))
    trace = {
        "type": "heatmap",
        **first,
        "x": places(names),
        "y": places(names),
        "customdata": about,
        "texttemplate": "%{text}",
        "textfont": {"size": 13 if k <= 8 else 11 if k <= 14 else 9},
        "hovertemplate": "%{customdata}<extra></extra>",
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
            **named_axis(scored.class_names),
        },
        "yaxis": {
            "title": {"text": "true class"},
            "showgrid": False,
            **named_axis(scored.class_names, reverse=True),
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
    classes = list(run.history[0].validation.f1)
    figures.append(_class_lines(run, classes) if len(classes) <= LINES else _class_cells(run, classes))
    return figures


def _curve(run: RunView, name: str) -> Figure:
    label = measure(name).label
    epochs = [epoch.epoch for epoch in run.history]
    data = []
    for split, dash, symbol in zip(SPLITS, ("dash", "solid"), SYMBOLS, strict=False):
        values = run.curve(split, name)
        if any(value is not None for value in values):
            data.append(_line(epochs, values, split, dash, symbol, hover=f"epoch %{{x}}<br>{label} %{{y:.4f}}"))
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
    epochs = [epoch.epoch for epoch in run.history]
    data = []
    for i, name in enumerate(classes):
        values = [epoch.validation.f1.get(name) for epoch in run.history]
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
    epochs = [epoch.epoch for epoch in run.history]
    z = [[epoch.validation.f1.get(name) for epoch in run.history] for name in classes]
    trace = {
        "type": "heatmap",
        "z": z,
        "x": epochs,
        "y": places(classes),
        "customdata": [[plain(name)] * len(epochs) for name in classes],
        "zmin": 0.0,
        "zmax": 1.0,
        "hovertemplate": "epoch %{x}<br>%{customdata}<br>F1 %{z:.4f}<extra></extra>",
        "colorbar": {"title": {"text": "F1"}, "thickness": 12},
    }
    layout = {
        **layout_of(left=8),
        "xaxis": epochs_axis(epochs),
        "yaxis": {"showgrid": False, **named_axis(classes, reverse=True)},
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
    first, last = run.history[0].epoch, run.history[-1].epoch
    place = (epoch - first) / (last - first) if last > first else 0.5
    return "left" if place < 0.3 else "right" if place > 0.7 else "center"


def _unended(run: RunView) -> bool:
    """Training did not come to its end, or has not yet: another epoch may be kept."""
    return run.record.training is None


def _kept_epoch(run: RunView) -> int | None:
    best = [epoch.epoch for epoch in run.history if epoch.best]
    return best[-1] if best else None
