"""The figures of one run: its confusion matrix and its learning curves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.measures import measure
from ferbench.report.charts import (
    DASHES,
    LINES,
    SYMBOLS,
    Figure,
    Plotly,
    axis,
    cell_layout,
    cell_map,
    class_cells,
    epochs_axis,
    layout_of,
    plain,
    trace,
)
from ferbench.report.contents import RunView
from ferbench.report.run_tables import SPLITS, curve_metrics


def of_run(run: RunView) -> list[Figure]:
    """Figures of one run: confusion matrix and learning curves, as far as there is something to draw."""
    matrix = run.result is not None and run.result.confusion is not None
    return [*([confusion(run)] if matrix else []), *curves(run)]


def confusion(run: RunView) -> Figure:
    """Confusion matrix that can be switched between rows in percent, columns in percent and counts."""
    scored = run.scored
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
    size, gap = 13 if k <= 8 else 11 if k <= 14 else 9, 2 if k <= 14 else 1
    cells = cell_map(names, names, [], [], about, size=size, gap=gap) | views["Row %"]
    layout = cell_layout(scored.class_names, scored.class_names, "predicted class", "true class")
    return Figure(
        id=f"confusion-plot-{run.id}",
        title="Confusion matrix",
        caption=f"{run.label}: rows are true classes, columns predicted ones; n = {scored.n:,}. On the diagonal a "
        "row's share is recall, a column's share is precision.",
        spec={"data": [cells], "layout": layout},
        height=(58 if k <= 8 else 44 if k <= 14 else 32) * k + 130,
        least_width=(31 if k <= 8 else 36) * k + 84,
        table=f"confusion-{run.id}",
        views=views,
    )


def curves(run: RunView) -> list[Figure]:
    """Learning curves: each metric over training and validation, and validation F1 by class."""
    if not run.history:
        return []
    return [*(_curve(run, name) for name in curve_metrics(run.history)), _class_f1(run)]


def _curve(run: RunView, name: str) -> Figure:
    label = measure(name).label
    data = []
    for split, dash, symbol in zip(SPLITS, ("dash", "solid"), SYMBOLS, strict=False):
        values = run.curve(split, name)
        if any(value is not None for value in values):
            data.append(_line(run, values, split, dash, symbol, label))
    return Figure(
        id=f"curve-{name.replace('_', '-')}-{run.id}",
        title=f"{label[0].upper()}{label[1:]} by epoch",
        caption=f"{run.label}: {label} after each epoch.{_kept_words(run)}",
        spec=_by_epoch(run, data, axis(label)),
        table=f"epochs-{run.id}",
    )


def _class_f1(run: RunView) -> Figure:
    """Lines, or of more classes than can be told apart as lines, cells."""
    epochs, classes = [epoch.epoch for epoch in run.history], list(run.history[0].validation.f1)
    values = [[epoch.validation.f1.get(name) for epoch in run.history] for name in classes]
    as_lines = len(classes) <= LINES
    if as_lines:
        styles = zip(classes, values, SYMBOLS, strict=False)
        lines = [_line(run, f1, name, DASHES[i % len(DASHES)], sign, "F1") for i, (name, f1, sign) in enumerate(styles)]
        spec = _by_epoch(run, lines, axis("F1", rangemode="tozero"))
    else:
        spec = class_cells(epochs, classes, values, "F1", ".4f", zmin=0.0, zmax=1.0)
    return Figure(
        id=f"curve-class-f1-{run.id}",
        title="F1 per class by epoch",
        caption=f"{run.label}: F1 of each class on validation after each epoch.{_kept_words(run)}",
        spec=spec,
        height=380 if as_lines else 24 * len(classes) + 90,
        least_width=260 if as_lines else 420,
        wide=not as_lines,
        table=f"epochs-{run.id}",
    )


def _by_epoch(run: RunView, lines: list[Plotly], y: Plotly) -> Plotly:
    """Lines over the epochs, the kept one marked."""
    x = epochs_axis([epoch.epoch for epoch in run.history])
    return {"data": lines, "layout": {**layout_of(entries=len(lines)), **_kept(run), "xaxis": x, "yaxis": y}}


def _view(z: NDArray[Any], text: list[list[str]], top: float) -> Plotly:
    return {"z": z.tolist(), "text": text, "zmin": 0.0, "zmax": top}


def _percents(shares: NDArray[np.float64]) -> list[list[str]]:
    return [[f"{100 * v:.0f}" for v in row] for row in shares.tolist()]


def _line(run: RunView, y: list[float | None], name: str, dash: str, symbol: str, label: str) -> Plotly:
    return trace(
        "lines+markers",
        [epoch.epoch for epoch in run.history],
        y,
        f"epoch %{{x}}<br>{label} %{{y:.4f}}<extra>%{{fullData.name}}</extra>",
        name=plain(name),
        line={"dash": dash, "width": 2},
        marker={"symbol": symbol, "size": 7, "maxdisplayed": 12},
    )


def _kept(run: RunView) -> Plotly:
    """A line at the epoch whose weights were kept."""
    epoch = _kept_epoch(run)
    if epoch is None:
        return {}
    line = {"type": "line", "x0": epoch, "x1": epoch, "y0": 0, "y1": 1, "yref": "paper"}
    words = {"x": epoch, "y": 1, "yref": "paper", "yanchor": "bottom", "xanchor": _anchor(run, epoch)}
    text = f"{'best so far' if _unended(run) else 'kept'}: epoch {epoch}"
    return {
        "shapes": [{**line, "line": {"dash": "dot", "width": 1.5}}],
        "annotations": [{**words, "text": text, "showarrow": False}],
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
