"""The figures of a study, in the form and colours of all others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ferbench.report.charts import Figure, named_axis, places, plain
from ferbench.report.study_view import Dimension, Objective, StudyView, TrialView
from ferbench.tables.table import ids_of

#: More parameters than this are not drawn one by one; the most important are.
MOST_SLICES = 12
_MOST_AXES = 10
_MOST_LINES = 300


def of_study(view: StudyView) -> list[Figure]:
    """Every figure that there is something to draw for."""
    figures = [history(view, i) for i in range(len(view.objectives))] if view.complete else []
    for i, objective in enumerate(view.objectives):
        if view.importances.get(objective.name):
            figures.append(importance(view, i))
    n = len(view.objectives)
    figures += [front(view, i, j) for i in range(n) for j in range(i + 1, n)] if view.complete else []
    if any(trial.epochs for trial in view.trials):
        figures.append(learning(view))
    if len(view.complete) > 1:
        figures.append(parallel(view))
        figures += [slice_of(view, dimension, 0) for dimension in view.by_importance()[:MOST_SLICES]]
    return figures


def history(view: StudyView, i: int) -> Figure:
    """Values in the order of the trials, and the best so far."""
    objective = view.objectives[i]
    complete = view.complete
    best, so_far = [], math.nan
    for trial in complete:
        value = trial.values[i]
        so_far = value if math.isnan(so_far) or objective.better(value, so_far) else so_far
        best.append(so_far)
    data = [
        _points(complete, [t.values[i] for t in complete], "complete", "circle", view, objective),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": [trial.number for trial in complete],
            "y": best,
            "line": {"shape": "hv", "width": 2},
            "hovertemplate": f"best so far {plain(objective.name)} %{{y:.4g}}<extra></extra>",
        },
    ]
    pruned = [trial for trial in view.trials if trial.state == "pruned" and trial.epochs]
    if pruned and len(view.objectives) == 1:
        last = [trial.epochs[max(trial.epochs)] for trial in pruned]
        data.append(_points(pruned, last, "pruned, at its last epoch", "x-thin-open", view, objective))
    return Figure(
        id=f"history-{_of(view, objective)}",
        title="Optimisation history" if len(view.objectives) == 1 else f"Optimisation history: {objective.name}",
        caption=f"Validation {objective.name} of each trial, and the best of all trials so far.",
        spec={"data": data, "layout": _layout("trial", objective.name, entries=len(data))},
        table="trials",
    )


def importance(view: StudyView, i: int) -> Figure:
    """How much of the difference between good trials and all trials each parameter explains."""
    objective = view.objectives[i]
    shares = sorted(view.importances[objective.name].items(), key=lambda one: one[1])[-20:]
    names = [key for key, _ in shares]
    layout = _layout("share of importance", "", entries=0)
    layout["yaxis"] = {"showgrid": False, **named_axis(names)}
    layout["xaxis"]["rangemode"] = "tozero"
    trace = {
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
        spec={"data": [trace], "layout": layout},
        height=26 * len(shares) + 110,
    )


def front(view: StudyView, i: int, j: int) -> Figure:
    """Two objectives against each other, and the trials that nothing beats in all."""
    a, b = view.objectives[i], view.objectives[j]
    best = [trial for trial in view.complete if trial.number in view.front]
    others = [trial for trial in view.complete if trial.number not in view.front]
    data = []
    for trials, name, symbol in ((others, "others", "circle-open"), (best, "Pareto front", "diamond")):
        trials = sorted(trials, key=lambda trial: trial.values[i])
        data.append(
            {
                "type": "scatter",
                "mode": "markers+lines"
                if trials is not others and name != "others" and len(view.objectives) == 2
                else "markers",
                "name": name,
                "x": [trial.values[i] for trial in trials],
                "y": [trial.values[j] for trial in trials],
                "text": [_about(trial, view) for trial in trials],
                "line": {"dash": "dot", "width": 1},
                "marker": {"symbol": symbol, "size": 9},
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    return Figure(
        id=f"front-{_of(view, a)}-{_of(view, b)}",
        title=f"Pareto front: {a.name} and {b.name}",
        caption=f"{len(best)} of {len(view.complete)} complete trials are beaten by no other in every objective.",
        spec={"data": data, "layout": _layout(a.name, b.name, entries=2)},
        table="trials",
        height=380,
    )


def learning(view: StudyView) -> Figure:
    """The objective by epoch, of every trial."""
    objective = view.objectives[0]
    data = []
    for state, dash in (("complete", "solid"), ("pruned", "dot")):
        x: list[float | None] = []
        y: list[float | None] = []
        text: list[str] = []
        for trial in [trial for trial in view.trials if trial.state == state and trial.epochs][-_MOST_LINES:]:
            epochs = sorted(trial.epochs)
            x += [*epochs, None]
            y += [*(trial.epochs[epoch] for epoch in epochs), None]
            text += [_about(trial, view)] * (len(epochs) + 1)
        if x:
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": state,
                    "x": x,
                    "y": y,
                    "text": text,
                    "opacity": 0.7,
                    "line": {"dash": dash, "width": 1.2},
                    "marker": {"size": 4, "symbol": "circle" if state == "complete" else "x"},
                    "hovertemplate": "epoch %{x}, %{y:.4f}<br>%{text}<extra></extra>",
                }
            )
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
    order = sorted(view.complete, key=lambda t: t.values[0], reverse=objective.higher_is_better)[:_MOST_LINES]
    quarter = max(1, len(order) // 4)
    names = [*(dimension.key for dimension in dimensions), objective.name]
    low, high = min(t.values[0] for t in order), max(t.values[0] for t in order)
    data = []
    for trials, name, style in (
        (order[quarter:], "others", {"dash": "dot", "width": 1}),
        (order[1:quarter], "best quarter", {"width": 1.5}),
        (order[:1], "best", {"width": 4}),
    ):
        x: list[int | None] = []
        y: list[float | None] = []
        text: list[str] = []
        for trial in trials:
            heights = [_place(dimension, trial.params.get(dimension.key)) for dimension in dimensions]
            x += [*places(names), None]
            y += [*heights, (trial.values[0] - low) / (high - low) if high > low else 0.5, None]
            text += [_about(trial, view)] * (len(names) + 1)
        if trials:
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": name,
                    "x": x,
                    "y": y,
                    "text": text,
                    "line": style,
                    "marker": {"size": 4 if name != "best" else 8},
                    "opacity": 0.55 if name == "others" else 1,
                    "hovertemplate": "%{text}<extra></extra>",
                }
            )
    layout = _layout("", "", entries=len(data))
    layout["margin"] |= {"l": 48, "r": 48, "t": 40, "b": layout["margin"]["b"] + 70}
    ends = [(_text(d.low), _text(d.high)) for d in dimensions] + [(_text(low), _text(high))]
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


def slice_of(view: StudyView, dimension: Dimension, i: int) -> Figure:
    """One parameter against the objective."""
    objective = view.objectives[i]
    trials = [trial for trial in view.complete if dimension.key in trial.params]
    x = [trial.params[dimension.key] for trial in trials]
    layout = _layout(dimension.key, objective.name, entries=0)
    if dimension.choices is not None:
        choices = list(dict.fromkeys([*dimension.choices, *map(str, x)]))
        layout["xaxis"] |= named_axis(choices)
        x = [choices.index(str(value)) for value in x]
    elif dimension.log:
        layout["xaxis"] |= {"type": "log", "exponentformat": "e", "minexponent": 2}
    trace = _points(trials, [trial.values[i] for trial in trials], objective.name, "circle", view, objective)
    return Figure(
        id=f"slice-{ids_of(one.key for one in view.dimensions)[dimension.key]}",
        title=dimension.key,
        caption=f"{objective.name} of {len(trials)} complete trials by {dimension.key}.",
        spec={"data": [{**trace, "x": x}], "layout": layout},
        height=280,
        table="trials",
    )


def _of(view: StudyView, objective: Objective) -> str:
    """What stands for an objective in ids."""
    return ids_of(one.name for one in view.objectives)[objective.name]


def _points(
    trials: Sequence[TrialView], values: Sequence[float], name: str, symbol: str, view: StudyView, objective: Objective
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [trial.number for trial in trials],
        "y": list(values),
        "text": [_about(trial, view) for trial in trials],
        "marker": {"symbol": symbol, "size": 8, "line": {"width": 1.5}},
        "hovertemplate": f"{plain(objective.name)} %{{y:.4g}}<br>%{{text}}<extra></extra>",
    }


def _about(trial: TrialView, view: StudyView) -> str:
    values = [f"{plain(o.name)} {_text(v)}" for o, v in zip(view.objectives, trial.values, strict=False)]
    chosen = [f"{plain(key)} {plain(_text(value))}" for key, value in trial.params.items()]
    shown = chosen[:12] + ([f"and {len(chosen) - 12} more"] if len(chosen) > 12 else [])
    return "<br>".join([f"trial {trial.number}, {trial.state}", *values, *shown])


def _place(dimension: Dimension, value: Any) -> float | None:
    """Where a value stands between the ends of its axis, 0 to 1; None where the trial has none."""
    if value is None:
        return None
    if dimension.choices is not None:
        last = len(dimension.choices) - 1
        return dimension.choices.index(str(value)) / last if last and str(value) in dimension.choices else 0.5
    low, high, here = dimension.low, dimension.high, float(value)
    assert isinstance(low, float)
    assert isinstance(high, float)
    if dimension.log:
        low, high, here = math.log(low), math.log(high), math.log(here)
    return (here - low) / (high - low) if high > low else 0.5


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _layout(x: str, y: str, *, entries: int) -> dict[str, Any]:
    rows = math.ceil(entries / 2.5)
    axes: Mapping[str, dict[str, Any]] = {
        "xaxis": {"title": {"text": plain(x)}, "automargin": True},
        "yaxis": {"title": {"text": plain(y)}, "automargin": True},
    }
    return {
        "margin": {"t": 24, "r": 16, "b": 50 + 24 * rows, "l": 56},
        "hovermode": "closest",
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        "showlegend": entries > 0,
        **axes,
    }
