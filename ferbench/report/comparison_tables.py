"""The tables that set runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferbench.experiment.differences import SEED, differing, telling
from ferbench.kinds import SECTIONS
from ferbench.metrics.measures import measure
from ferbench.report.contents import Comparison, RunView
from ferbench.tables.table import Cell, Column, Table, apart
from ferbench.tables.values import text

_RUN = Column("run", "run")
_KINDS = tuple(section for section in SECTIONS if section != "dataset")
_IN_COMPARISON = (*_KINDS, SEED)
#: Why a run that died without a word has no result.
LEFT = "no process is at work on it any more"
_SCORES = ("accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "worst_class_f1")


def comparison(group: Comparison, name: str) -> Table:
    """The runs side by side, with the change against the baseline where there is one."""
    affect = [key for key in ("valence_rmse", "arousal_rmse", "valence_ccc", "arousal_ccc") if _have(group.runs, key)]
    scores = [key for key in _SCORES if _have(group.runs, key)] + affect
    base = group.baseline
    compared = ("accuracy", "macro_f1") if base else ()
    unlike, components = differing([run.settings for run in group.runs]), group.runs[0].record.components
    shared = [kind for kind in _KINDS[1:] if kind not in unlike] if len(group.runs) > 1 else []
    kinds = [kind for kind in _KINDS if kind not in shared]
    columns = [_RUN]
    for key in scores:
        columns.append(Column(key, measure(key).label, "score"))
        if key in compared:
            columns.append(Column(f"{key}_change", f"Δ {measure(key).label}", "change"))
            columns.append(Column(f"{key}_relative", f"Δ {measure(key).label}, relative", "percent"))
    columns += [*(Column(kind, kind) for kind in kinds), Column("seed", "seed", "number")]
    columns += [Column("epochs", "epoch kept"), Column("parameters", "parameters", "count")]
    columns += [Column("seconds", "training", "seconds"), Column("id", "id", "id")]
    rows = []
    for run in group.runs:
        training, size = run.record.training, run.record.model
        cells: list[Cell] = [_marked(run, base)]
        for key in scores:
            value = _score(run, key)
            cells.append(value)
            if key in compared and base:
                cells += _change(value, _score(base, key), run is base)
        cells += [run.record.components[kind].name for kind in kinds]
        cells += [run.record.seed, run.kept, None if size is None else size.parameters]
        cells += [None if training is None else training.seconds, run.id]
        rows.append(tuple(cells))
    notes = [] if len(group.runs) == 1 else ["A difference between single runs may be chance: each is one seed."]
    if base:
        notes.insert(
            0, f"Δ is the change against the baseline {base.label}; relative: divided by the baseline's value."
        )
    imported = [run.label for run in group.runs if run.record.kind == "imported"]
    notes += [f"Imported predictions: {', '.join(imported)}."] if imported else []
    if shared:
        notes.append("The same in all runs: " + ", ".join(f"{kind} {components[kind].name}" for kind in shared) + ".")
    result = group.result
    return Table(
        id=name,
        caption=f"{_count(len(group.runs), 'run')} on {result.tested_on}, {len(result.class_names)} classes.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def differences(group: Comparison, name: str) -> Table | None:
    """The settings in which the runs differ, beyond what `comparison` has columns for; None when they do not."""
    keys = [key for key in telling(run.settings for run in group.runs) if key not in _IN_COMPARISON]
    if not keys:
        return None
    return Table(
        id=name,
        caption="Settings in which the runs differ, the seed left out; empty where a run has no such setting. Options "
        "that not all of the runs' components have are left out where they are the same for all runs of a component.",
        columns=(_RUN, *(Column(key, key) for key in keys)),
        rows=tuple(
            (_marked(run, group.baseline), *(_setting(run.settings, key) for key in keys)) for run in group.runs
        ),
    )


def class_comparison(group: Comparison, name: str) -> Table:
    """F1 of each class, run by run."""
    classes = group.result.class_names
    return Table(
        id=name,
        caption=f"F1 by class and run on {group.result.tested_on}.",
        columns=(
            Column("run", apart("run", classes)),
            *(Column(f"f1_{one}", one, "score") for one in classes),
            Column("macro_f1", apart("macro-F1", classes), "score"),
        ),
        rows=tuple(
            (_marked(run, group.baseline), *(_class_f1(run, one) for one in classes), _score(run, "macro_f1"))
            for run in group.runs
        ),
    )


def class_changes(group: Comparison, name: str) -> Table:
    """Change of each class's F1 against the baseline."""
    assert group.baseline is not None
    base, classes = group.baseline, group.result.class_names
    return Table(
        id=name,
        caption=f"Change of F1 by class against the baseline {base.label}.",
        columns=(Column("run", apart("run", classes)), *(Column(f"change_{one}", one, "change") for one in classes)),
        rows=tuple(
            (run.label, *(_class_f1(run, one) - _class_f1(base, one) for one in classes))
            for run in group.runs
            if run is not base
        ),
    )


def without_result(runs: Sequence[RunView]) -> Table:
    """Runs that have no result to compare, and why."""
    rows = []
    for run in runs:
        why = LEFT if run.status == "running" and not run.at_work else run.failure
        rows.append((run.label, run.id, run.status, len(run.history), why))
    return Table(
        id="without-result",
        caption="Runs without a result.",
        columns=(
            _RUN,
            Column("id", "id", "id"),
            Column("status", "status"),
            Column("epochs", "epochs done", "count"),
            Column("reason", "reason"),
        ),
        rows=tuple(rows),
    )


def _score(run: RunView, key: str) -> float:
    assert run.result is not None
    value = run.result.metrics.get(key)
    return float("nan") if value is None else value


def _class_f1(run: RunView, name: str) -> float:
    assert run.result is not None
    return run.result.f1(name)


def _have(runs: Sequence[RunView], key: str) -> bool:
    return any(run.result is not None and run.result.metrics.get(key) is not None for run in runs)


def _change(value: float, base: float, is_baseline: bool) -> list[Cell]:
    if is_baseline:
        return [None, None]
    return [value - base, (value - base) / base if base else None]


def _marked(run: RunView, baseline: RunView | None) -> str:
    return f"{run.label} (baseline)" if run is baseline else run.label


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _setting(settings: dict[str, Any], key: str) -> str | None:
    return text(settings[key]) if key in settings else None
