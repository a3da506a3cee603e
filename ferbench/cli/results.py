"""What a run's scores look like on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table

from ferbench.cli.tables import fitting, show, table, terminal_width
from ferbench.plugin.faults import one_line
from ferbench.runs.remarks import remarks
from ferbench.tables.table import apart

_COLUMNS = ("class", "precision", "recall", "F1", "support")


def per_class_table(per_class: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, float]) -> Table:
    """Precision, recall, F1 and support by class, then macro and weighted averages and accuracy.

    Args:
        per_class: scores by class name, as ``metrics.json`` has them.
        metrics: scalar metrics by name.
    """
    total = f"{sum(int(scores['support']) for scores in per_class.values()):,}"
    rows = [
        (name, *(f"{scores[key]:.4f}" for key in ("precision", "recall", "f1")), f"{scores['support']:,}")
        for name, scores in per_class.items()
    ]
    macro = [f"{metrics[key]:.4f}" for key in ("macro_precision", "macro_recall", "macro_f1")]
    # The mean of recall weighted by support is the accuracy.
    weighted = [f"{metrics[key]:.4f}" for key in ("weighted_precision", "accuracy", "weighted_f1")]
    made = table(_COLUMNS, rows, whole=_COLUMNS, right=_COLUMNS[1:])
    if made.row_count:
        made.rows[-1].end_section = True
    made.add_row(apart("macro average", per_class), *macro, total)
    made.add_row(apart("weighted average", per_class), *weighted, total)
    made.add_row(apart("accuracy", per_class), "", "", f"{metrics['accuracy']:.4f}", total)
    return made


def show_scores(evaluation: Mapping[str, Any]) -> None:
    """Print `per_class_table`, how well valence and arousal were predicted, where they were, and `remarks`."""
    from ferbench.records.evaluation import EvaluationEntry

    metrics = evaluation["metrics"]
    show([per_class_table(evaluation["per_class"], metrics)], terminal_width())
    found = [name for name in ("valence", "arousal") if metrics.get(f"{name}_rmse") is not None]
    if found:
        click.echo()
    for name in found:
        ccc = metrics.get(f"{name}_ccc")
        agreement = "" if ccc is None else f"CCC {ccc:.4f}, "
        click.echo(f"{name}: {agreement}RMSE {metrics[f'{name}_rmse']:.4f}")
    for line in remarks(EvaluationEntry.model_validate(evaluation)):
        click.echo(f"\n{one_line(line)}")


def _measured(outcome: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The split that the result is judged on: test, or validation for a fold."""
    role = "test" if "test" in outcome["evaluations"] else "validation"
    return role, outcome["evaluations"][role]


def show_outcome(outcome: dict[str, Any], *, quiet: bool) -> None:
    if outcome["status"] != "done":
        where = f"run {outcome['run']}" if "run" in outcome else f"{outcome['label']} was"
        click.echo(one_line(f"{where} {outcome['status']}: {outcome['reason']}"), err=True)
        return
    role, evaluation = _measured(outcome)
    training = outcome["training"]
    about = [f"{role}, n = {evaluation['n']:,}"]
    if training["epochs"]:
        about.append(f"epoch {training['best_epoch']} of {training['epochs']}")
        about.append(f"selected by validation {training['select']}")
    else:
        about.append("weights as they were built, without training")
    tta = evaluation["options"]["tta"]
    if tta != "none":
        about.append(f"test-time augmentation: {tta}")
    if outcome["synthetic"]:
        about.append("synthetic images")
    if faulty := outcome["skipped_faulty"]:
        about.append("1 faulty sample left out" if faulty == 1 else f"{faulty:,} faulty samples left out")
    if taken := sum(outcome["excluded"].values()):
        about.append("1 sample excluded" if taken == 1 else f"{taken:,} samples excluded")
    if outcome["reused"]:
        about.append("reused")
    click.echo(f"{outcome['run']}  {one_line(outcome['label'])}\n{one_line('; '.join(about))}\n")
    show_scores(evaluation)
    if not quiet:
        click.echo(f"\nrecord: {outcome['directory']}\n")


def show_comparison(outcomes: Sequence[dict[str, Any]]) -> None:
    """The runs of a grid side by side, in the order of the grid."""
    rows = []
    for outcome in outcomes:
        if outcome["status"] == "done":
            role, evaluation = _measured(outcome)
            metrics = evaluation["metrics"]
            values = [f"{metrics[key]:.4f}" for key in ("accuracy", "macro_f1", "balanced_accuracy")]
            rows.append([outcome["run"], outcome["label"], role, f"{evaluation['n']:,}", *values])
        else:
            rows.append([outcome.get("run", ""), outcome["label"], outcome["status"], "", "", "", ""])
    numbers = ("n", "accuracy", "macro-F1", "balanced accuracy")
    columns = ["run", "combination", "split", *numbers]
    width = terminal_width()
    show(fitting(columns, rows, width, spare=["balanced accuracy", "split", "n"], right=numbers), width)
