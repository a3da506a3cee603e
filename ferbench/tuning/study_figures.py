"""The figures of a study, in the form and colours of all others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ferbench.records.study import Dimension
from ferbench.report.charts import Figure, Plotly, axis, layout_of, named_axis, places, plain, trace
from ferbench.tables.table import ids_of
from ferbench.tuning.objectives import Objective
from ferbench.tuning.view import StudyView

if TYPE_CHECKING:
    import pandas as pd

#: More parameters than this are not drawn one by one; the most important are.
MOST_SLICES = 12
_MOST_AXES = 10
_MOST_LINES = 300


def of_study(view: StudyView) -> list[Figure]:
    """Every figure that there is something to draw for."""
    n, complete = len(view.objectives), len(view.complete)
    figures = [history(view, objective) for objective in view.objectives] if complete else []
    figures += [importance(view, objective) for objective in view.objectives if view.importances.get(objective.name)]
    figures += [front(view, i, j) for i in range(n) for j in range(i + 1, n)] if complete else []
    if len(view.epochs):
        figures.append(learning(view))
    if complete > 1:
        figures.append(parallel(view))
        figures += [slice_of(view, dimension) for dimension in view.by_importance()[:MOST_SLICES]]
    return figures


def history(view: StudyView, objective: Objective) -> Figure:
    """Values in the order of the trials, and the best so far."""
    complete = view.complete
    values = complete[f"values_{objective.name}"]
    data = [
        _points(view, complete, values, "complete", "circle", objective),
        trace(
            "lines",
            complete["number"].tolist(),
            (values.cummax() if objective.higher_is_better else values.cummin()).tolist(),
            f"best so far {plain(objective.name)} %{{y:.4g}}<extra></extra>",
            name="best so far",
            line={"shape": "hv", "width": 2},
        ),
    ]
    last = view.epochs.groupby("number")["value"].last()
    pruned = view.frame[(view.frame["state"] == "pruned") & view.frame["number"].isin(last.index)]
    if len(pruned) and len(view.objectives) == 1:
        ends = last[pruned["number"]]
        data.append(_points(view, pruned, ends, "pruned, at its last epoch", "x-thin-open", objective))
    return Figure(
        id=f"history-{_of(view, objective)}",
        title="Optimisation history" if len(view.objectives) == 1 else f"Optimisation history: {objective.name}",
        caption=f"Validation {objective.name} of each trial, and the best of all trials so far.",
        spec={"data": data, "layout": _layout("trial", objective.name, entries=len(data))},
        table="trials",
    )


def importance(view: StudyView, objective: Objective) -> Figure:
    """How much of the difference between good trials and all trials each parameter explains."""
    shares = sorted(view.importances[objective.name].items(), key=lambda share: share[1])[-20:]
    names = [key for key, _ in shares]
    layout = _layout("share of importance", "", entries=0)
    layout["yaxis"] = {"showgrid": False, **named_axis(names)}
    layout["xaxis"]["rangemode"] = "tozero"
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [share for _, share in shares],
        "y": places(names),
        "customdata": [plain(name) for name in names],
        "text": [f"{100 * share:.0f} %" for _, share in shares],
        "textposition": "auto",
        "hovertemplate": "%{customdata}: %{x:.1%}<extra></extra>",
    }
    return Figure(
        id=f"importance-{_of(view, objective)}",
        title="Parameter importance" if len(view.objectives) == 1 else f"Parameter importance: {objective.name}",
        caption=f"PED-ANOVA (Watanabe et al. 2023) over {len(view.complete)} complete trials: what tells the best "
        f"trials by {objective.name} from the others. With few trials it is a hint, not more.",
        spec={"data": [bars], "layout": layout},
        height=26 * len(shares) + 110,
    )


def front(view: StudyView, i: int, j: int) -> Figure:
    """Two objectives against each other, and the trials that nothing beats in all."""
    a, b = view.objectives[i], view.objectives[j]
    complete = view.complete.sort_values(f"values_{a.name}", kind="stable")
    is_best = complete["number"].isin(view.best)
    lines = "markers+lines" if len(view.objectives) == 2 else "markers"
    data = [
        trace(
            mode,
            trials[f"values_{a.name}"].tolist(),
            trials[f"values_{b.name}"].tolist(),
            "%{text}<extra></extra>",
            name=name,
            text=_hover(view, trials),
            line={"dash": "dot", "width": 1},
            marker={"symbol": symbol, "size": 9},
        )
        for trials, name, symbol, mode in (
            (complete[~is_best], "others", "circle-open", "markers"),
            (complete[is_best], "Pareto front", "diamond", lines),
        )
    ]
    return Figure(
        id=f"front-{_of(view, a)}-{_of(view, b)}",
        title=f"Pareto front: {a.name} and {b.name}",
        caption=f"{is_best.sum()} of {len(complete)} complete trials are beaten by no other in every objective.",
        spec={"data": data, "layout": _layout(a.name, b.name, entries=2)},
        table="trials",
        height=380,
    )


def learning(view: StudyView) -> Figure:
    """The objective by epoch, of every trial."""
    objective = view.objectives[0]
    data = []
    for state, dash in (("complete", "solid"), ("pruned", "dot")):
        of_state = view.frame[(view.frame["state"] == state) & view.frame["number"].isin(view.epochs["number"])]
        trials = of_state.tail(_MOST_LINES)
        lines = []
        for number, about in zip(trials["number"], _hover(view, trials), strict=True):
            epochs = view.epochs[view.epochs["number"] == number]
            lines.append((epochs["epoch"].tolist(), epochs["value"].tolist(), about))
        if lines:
            line = {"dash": dash, "width": 1.2}
            marker = {"size": 4, "symbol": "circle" if state == "complete" else "x"}
            hover = "epoch %{x}, %{y:.4f}<br>%{text}<extra></extra>"
            data.append(_lines(state, lines, hover, line=line, marker=marker, opacity=0.7))
    return Figure(
        id="learning",
        title="Trials by epoch",
        caption=f"Validation {objective.name} after each epoch, which the pruner goes by.",
        spec={"data": data, "layout": _layout("epoch", objective.name, entries=len(data))},
    )


def parallel(view: StudyView) -> Figure:
    """Parallel coordinates: every complete trial a line through its parameters to its value."""
    objective = view.objectives[0]
    dimensions = view.by_importance()[:_MOST_AXES]
    value = f"values_{objective.name}"
    order = view.complete.sort_values(value, ascending=not objective.higher_is_better, kind="stable").head(_MOST_LINES)
    quarter = max(1, len(order) // 4)
    names = [*(dimension.key for dimension in dimensions), objective.name]
    low, high = order[value].min(), order[value].max()
    heights = [[_place(dimension, here) for here in order[f"params_{dimension.key}"]] for dimension in dimensions]
    heights.append([(here - low) / (high - low) if high > low else 0.5 for here in order[value]])
    about = _hover(view, order)
    data = []
    for trials, name, line in (
        (range(quarter, len(order)), "others", {"dash": "dot", "width": 1}),
        (range(1, quarter), "best quarter", {"width": 1.5}),
        (range(1), "best", {"width": 4}),
    ):
        if trials:
            lines = [(places(names), [column[k] for column in heights], about[k]) for k in trials]
            marker, opacity = {"size": 4 if name != "best" else 8}, 0.55 if name == "others" else 1
            data.append(_lines(name, lines, "%{text}<extra></extra>", line=line, marker=marker, opacity=opacity))
    layout = _layout("", "", entries=len(data))
    layout["margin"] |= {"l": 48, "r": 48, "t": 40, "b": layout["margin"]["b"] + 70}
    ends = [(d.names[0], d.names[-1]) if d.names is not None else (_text(d.low), _text(d.high)) for d in dimensions]
    ends.append((_text(low), _text(high)))
    layout["annotations"] = [
        {"x": k, "y": end, "text": plain(text), "showarrow": False, "yshift": shift, "xref": "x", "yref": "y"}
        for k, (bottom, top) in enumerate(ends)
        for end, text, shift in ((0, bottom, -14), (1, top, 14))
    ]
    layout["xaxis"] = {"showgrid": True, "tickangle": -30, **named_axis(names)}
    layout["yaxis"] = {"showticklabels": False, "showgrid": False, "zeroline": False, "range": [-0.16, 1.16]}
    return Figure(
        id="parallel",
        title="Parallel coordinates",
        caption=f"Each complete trial is a line through its parameters to its {objective.name}; thick: the best."
        + (f" The {_MOST_AXES} most important parameters." if len(view.dimensions) > _MOST_AXES else ""),
        spec={"data": data, "layout": layout},
        height=420,
        least_width=max(340, 92 * len(names)),
        table="trials",
        wide=True,
    )


def slice_of(view: StudyView, dimension: Dimension) -> Figure:
    """One parameter against the first objective."""
    objective, key = view.objectives[0], f"params_{dimension.key}"
    trials = view.complete[view.complete[key].notna()]
    x = trials[key].tolist()
    layout = _layout(dimension.key, objective.name, entries=0)
    if dimension.names is not None:
        choices = list(dict.fromkeys([*dimension.names, *map(str, x)]))
        layout["xaxis"] |= named_axis(choices)
        x = [choices.index(str(value)) for value in x]
    elif dimension.log:
        layout["xaxis"] |= {"type": "log", "exponentformat": "e", "minexponent": 2}
    points = _points(view, trials, trials[f"values_{objective.name}"], objective.name, "circle", objective)
    return Figure(
        id=f"slice-{ids_of(d.key for d in view.dimensions)[dimension.key]}",
        title=dimension.key,
        caption=f"{objective.name} of {len(trials)} complete trials by {dimension.key}.",
        spec={"data": [{**points, "x": x}], "layout": layout},
        height=280,
        table="trials",
    )


def _of(view: StudyView, objective: Objective) -> str:
    """What stands for an objective in ids."""
    return ids_of(view.record.objectives)[objective.name]


def _lines(
    name: str, lines: Iterable[tuple[Sequence[float], Sequence[float | None], str]], hover: str, **style: Any
) -> Plotly:
    """A trace of several lines, each of its x, its y and what is shown of it under the pointer, with gaps between."""
    x: list[float | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for across, up, about in lines:
        x += [*across, None]
        y += [*up, None]
        text += [about] * (len(across) + 1)
    return trace("lines+markers", x, y, hover, name=name, text=text, **style)


def _points(
    view: StudyView, trials: pd.DataFrame, values: pd.Series, name: str, symbol: str, objective: Objective
) -> Plotly:
    return trace(
        "markers",
        trials["number"].tolist(),
        values.tolist(),
        f"{plain(objective.name)} %{{y:.4g}}<br>%{{text}}<extra></extra>",
        name=name,
        text=_hover(view, trials),
        marker={"symbol": symbol, "size": 8, "line": {"width": 1.5}},
    )


def _hover(view: StudyView, trials: pd.DataFrame) -> list[str]:
    """What is shown of each trial under the pointer: its state, values and parameters."""

    def texts(trial: dict[str, Any], kind: str, names: Sequence[str]) -> list[str]:
        there = ((plain(name), trial[f"{kind}_{name}"]) for name in names)
        return [f"{name} {plain(_text(value))}" for name, value in there if value is not None]

    keys = [column.removeprefix("params_") for column in trials if column.startswith("params_")]
    hovers = []
    for trial in trials.astype(object).where(trials.notna(), None).to_dict("records"):
        chosen = texts(trial, "params", keys)
        shown = chosen[:12] + ([f"and {len(chosen) - 12} more"] if len(chosen) > 12 else [])
        values = texts(trial, "values", view.record.objectives)
        hovers.append("<br>".join([f"trial {trial['number']}, {trial['state']}", *values, *shown]))
    return hovers


def _place(dimension: Dimension, value: Any) -> float | None:
    """Where a value stands between the ends of its axis, 0 to 1; None where the trial has none."""
    if value is None or value != value:  # a cell of a frame without a value
        return None
    if dimension.names is not None:
        last = len(dimension.names) - 1
        return dimension.names.index(str(value)) / last if last and str(value) in dimension.names else 0.5
    assert dimension.low is not None
    assert dimension.high is not None
    low, high, here = dimension.low, dimension.high, float(value)
    if dimension.log:
        low, high, here = math.log(low), math.log(high), math.log(here)
    return (here - low) / (high - low) if high > low else 0.5


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _layout(x: str, y: str, *, entries: int) -> Plotly:
    axes = {name: axis(plain(title), automargin=True) for name, title in (("xaxis", x), ("yaxis", y))}
    return {**layout_of(entries=entries), **axes}
