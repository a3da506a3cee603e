"""The tables that set runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ferbench.experiment.differences import SEED, differing, telling
from ferbench.kinds import OF_RUNS
from ferbench.metrics.measures import measure
from ferbench.report.contents import Comparison, RunView
from ferbench.tables.table import Cell, Column, Table, apart, table_of
from ferbench.tables.values import text

_RUN = Column("run", "run")
_KINDS = tuple(section for section in OF_RUNS if section != "dataset")
_IN_COMPARISON = (*_KINDS, SEED)
#: Why a run that died without a word has no result.
LEFT = "no process is at work on it any more"
#: The metrics of tables that set runs side by side.
SCORES = ("accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "worst_class_f1")
_SCORES = (*SCORES, "valence_rmse", "arousal_rmse", "valence_ccc", "arousal_ccc")


def comparison(group: Comparison, name: str) -> Table:
    """The runs side by side, with the change against the baseline where there is one."""
    base, result, several = group.baseline, group.result, len(group.runs) > 1
    unlike, components = differing([run.settings for run in group.runs]), group.runs[0].record.components
    there = [kind for kind in _KINDS if any(kind in run.record.components for run in group.runs)]
    shared = [kind for kind in there[1:] if kind not in unlike] if several else []
    fields: list[tuple[Column, Callable[[RunView], Cell]]] = [(_RUN, lambda run: _marked(run, base))]
    for key in _SCORES:
        if any(run.scored.metrics.get(key) is not None for run in group.runs):
            fields.append((Column(key, measure(key).label, "score"), partial(_score, key=key)))
            if base and key in ("accuracy", "macro_f1"):
                fields += _changes(key, base)
    fields += [(Column(kind, kind), partial(_component, kind=kind)) for kind in there if kind not in shared]
    fields += [
        (Column("seed", "seed", "number"), lambda run: run.record.seed),
        (Column("epochs", "epoch kept"), lambda run: run.kept),
        (
            Column("parameters", "parameters", "count"),
            lambda run: run.record.model.parameters if run.record.model else None,
        ),
        (
            Column("seconds", "training", "seconds"),
            lambda run: run.record.training.seconds if run.record.training else None,
        ),
        (Column("id", "id", "id"), lambda run: run.id),
    ]
    notes = []
    if base:
        notes.append(f"Δ is the change against the baseline {base.label}; relative: divided by the baseline's value.")
    if several:
        notes.append("A difference between single runs may be chance: each is one seed.")
    notes += dict.fromkeys(filter(None, (run.test_reads for run in group.runs)))
    imported = [run.label for run in group.runs if run.record.kind == "imported"]
    notes += [f"Imported predictions: {', '.join(imported)}."] if imported else []
    if shared:
        notes.append("The same in all runs: " + ", ".join(f"{kind} {components[kind].name}" for kind in shared) + ".")
    runs = f"{len(group.runs):,} run" + ("s" if several else "")
    return table_of(
        name, f"{runs} on {result.tested_on}, {len(result.class_names)} classes.", group.runs, fields, notes
    )


def _changes(key: str, base: RunView) -> list[tuple[Column, Callable[[RunView], Cell]]]:
    """How far a run is from the baseline in a metric; empty for the baseline."""
    label, before = f"Δ {measure(key).label}", _score(base, key)

    def change(run: RunView) -> float | None:
        return None if run is base else _score(run, key) - before

    def relative(run: RunView) -> float | None:
        return None if run is base or not before else (_score(run, key) - before) / before

    return [
        (Column(f"{key}_change", label, "change"), change),
        (Column(f"{key}_relative", f"{label}, relative", "percent"), relative),
    ]


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
            (_marked(run, group.baseline), *(text(run.settings[k]) if k in run.settings else None for k in keys))
            for run in group.runs
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
            *(Column(f"f1_{cls}", cls, "score") for cls in classes),
            Column("macro_f1", apart("macro-F1", classes), "score"),
        ),
        rows=tuple(
            (_marked(run, group.baseline), *(run.scored.f1(cls) for cls in classes), _score(run, "macro_f1"))
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
        columns=(Column("run", apart("run", classes)), *(Column(f"change_{cls}", cls, "change") for cls in classes)),
        rows=tuple(
            (run.label, *(run.scored.f1(cls) - base.scored.f1(cls) for cls in classes))
            for run in group.runs
            if run is not base
        ),
    )


def without_result(runs: Sequence[RunView]) -> Table:
    """Runs that have no result to compare, and why."""
    fields: list[tuple[Column, Callable[[RunView], Cell]]] = [
        (_RUN, lambda run: run.label),
        (Column("id", "id", "id"), lambda run: run.id),
        (Column("status", "status"), lambda run: run.status),
        (Column("epochs", "epochs done", "count"), lambda run: len(run.history)),
        (
            Column("reason", "reason"),
            lambda run: LEFT if run.status == "running" and not run.at_work else run.failure,
        ),
    ]
    return table_of("without-result", "Runs without a result.", runs, fields)


def _score(run: RunView, key: str) -> float:
    value = run.scored.metrics.get(key)
    return float("nan") if value is None else value


def _component(run: RunView, kind: str) -> str | None:
    used = run.record.components.get(kind)
    return None if used is None else used.name


def _marked(run: RunView, baseline: RunView | None) -> str:
    return f"{run.label} (baseline)" if run is baseline else run.label
