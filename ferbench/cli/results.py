"""What a run's scores look like on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.table import Table

from ferbench.cli.tables import fitting, show, table, terminal_width
from ferbench.experiment.differences import beside_title
from ferbench.runs.remarks import remarks
from ferbench.tables.table import apart, shown
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.api.conduct import Outcome
    from ferbench.records.evaluation import EvaluationEntry

_COLUMNS = ("class", "precision", "recall", "F1", "support")


def per_class_table(evaluation: EvaluationEntry) -> Table:
    """Precision, recall, F1 and support by class, then macro and weighted averages and accuracy."""
    per_class, metrics = evaluation.per_class, evaluation.metrics
    total = f"{sum(scores.support for scores in per_class.values()):,}"
    rows = [
        (name, *(shown(value, "score") for value in (by.precision, by.recall, by.f1)), f"{by.support:,}")
        for name, by in per_class.items()
    ]
    macro = [shown(metrics[key], "score") for key in ("macro_precision", "macro_recall", "macro_f1")]
    # The mean of recall weighted by support is the accuracy.
    weighted = [shown(metrics[key], "score") for key in ("weighted_precision", "accuracy", "weighted_f1")]
    made = table(_COLUMNS, rows, whole=_COLUMNS, right=_COLUMNS[1:])
    if made.row_count:
        made.rows[-1].end_section = True
    made.add_row(apart("macro average", per_class), *macro, total)
    made.add_row(apart("weighted average", per_class), *weighted, total)
    made.add_row(apart("accuracy", per_class), "", "", shown(metrics["accuracy"], "score"), total)
    return made


def show_scores(evaluation: EvaluationEntry) -> None:
    """Print `per_class_table`, how well valence and arousal were predicted, where they were, and `remarks`."""
    metrics = evaluation.metrics
    show([per_class_table(evaluation)], terminal_width())
    affect = [name for name in ("valence", "arousal") if metrics.get(f"{name}_rmse") is not None]
    if affect:
        click.echo()
    for name in affect:
        ccc = metrics.get(f"{name}_ccc")
        agreement = "" if ccc is None else f"CCC {ccc:.4f}, "
        click.echo(f"{name}: {agreement}RMSE {metrics[f'{name}_rmse']:.4f}")
    for line in remarks(evaluation):
        click.echo(f"\n{one_line(line)}")


def _judged(outcome: Outcome) -> tuple[str, EvaluationEntry]:
    """The split that the result is judged on, test, or validation for a fold; and its scores."""
    role = "test" if "test" in outcome.evaluations else "validation"
    return role, outcome.evaluations[role]


def show_outcome(outcome: Outcome, *, quiet: bool) -> None:
    label, directory, record = outcome.combination.label, outcome.directory, outcome.record
    if outcome.status != "done" or directory is None or record is None or record.training is None:
        where = f"{label} was" if directory is None else f"run {directory.path.name}"
        click.echo(one_line(f"{where} {outcome.status}: {outcome.reason}"), err=True)
        return
    role, evaluation = _judged(outcome)
    training, data = record.training, record.data
    about = [f"{role}, n = {evaluation.n:,}"]
    if training.epochs:
        about.append(f"epoch {training.best_epoch} of {training.epochs}")
        about.append(f"selected by validation {training.select}")
    else:
        about.append("weights as they were built, without training")
    tta = evaluation.options["tta"]
    if tta != "none":
        about.append(f"test-time augmentation: {tta}")
    if data.synthetic:
        about.append("synthetic images")
    if faulty := data.skipped_faulty:
        about.append("1 faulty sample left out" if faulty == 1 else f"{faulty:,} faulty samples left out")
    if taken := sum(data.excluded.values()):
        about.append("1 sample excluded" if taken == 1 else f"{taken:,} samples excluded")
    if outcome.reused:
        about.append("reused")
    click.echo(f"{directory.path.name}  {one_line(label)}\n{one_line('; '.join(about))}\n")
    show_scores(evaluation)
    if not quiet:
        click.echo(f"\nrecord: {directory.path}\n")


def show_comparison(outcomes: Sequence[Outcome]) -> None:
    """The runs of a grid side by side, in the order of the grid, with a column for each setting that varies."""
    rows = []
    varied = list(beside_title(outcomes[0].combination.varied))
    for outcome in outcomes:
        combination = outcome.combination
        run = "" if outcome.directory is None else outcome.directory.path.name
        about = [run, combination.label, *beside_title(combination.varied).values()]
        if outcome.status == "done":
            role, evaluation = _judged(outcome)
            values = [f"{evaluation.metrics[key]:.4f}" for key in ("accuracy", "macro_f1", "balanced_accuracy")]
            rows.append([*about, role, f"{evaluation.n:,}", *values])
        else:
            rows.append([*about, outcome.status, "", "", "", ""])
    numbers = ("n", "accuracy", "macro-F1", "balanced accuracy")
    columns = ["run", "combination", *varied, "split", *numbers]
    width = terminal_width()
    show(fitting(columns, rows, width, spare=["balanced accuracy", "split", "n", *varied], right=numbers), width)
