"""What a run's scores look like on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click
from rich.table import Table

from ferbench.cli.tables import fitting, show, table, terminal_width
from ferbench.experiment.differences import beside_title
from ferbench.runs.output_order import order_line
from ferbench.runs.remarks import remarks
from ferbench.runs.summary import noise_line
from ferbench.runs.symptoms import symptoms
from ferbench.tables.table import apart, shown
from ferbench.wording import number_of, one_line

if TYPE_CHECKING:
    from ferbench.api.conduct import Outcome
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.records.run import Run
    from ferbench.runs.directory import RunDirectory

_COLUMNS = ("class", "precision", "recall", "F1", "support")


def per_class_table(evaluation: EvaluationEntry) -> Table:
    """Precision, recall, F1 and support by class, then macro and weighted averages and accuracy; how often one
    annotator agrees with the others on a class, where that is known."""
    per_class, metrics, human = evaluation.per_class, evaluation.metrics, evaluation.annotators
    total = f"{sum(scores.support for scores in per_class.values()):,}"
    rows = [
        (
            name,
            *(shown(value, "score") for value in (by.precision, by.recall, by.f1)),
            f"{by.support:,}",
            *([] if human is None else [shown(human.per_class.get(name), "score")]),
        )
        for name, by in per_class.items()
    ]
    macro = [shown(metrics[key], "score") for key in ("macro_precision", "macro_recall", "macro_f1")]
    # The mean of recall weighted by support is the accuracy.
    weighted = [shown(metrics[key], "score") for key in ("weighted_precision", "accuracy", "weighted_f1")]
    columns = _COLUMNS if human is None else (*_COLUMNS, "one annotator")
    made = table(columns, rows, whole=columns, right=columns[1:])
    if made.row_count:
        made.rows[-1].end_section = True
    made.add_row(apart("macro average", per_class), *macro, total)
    made.add_row(apart("weighted average", per_class), *weighted, total)
    people = [] if human is None else [shown(human.agreement, "score")]
    made.add_row(apart("accuracy", per_class), "", "", shown(metrics["accuracy"], "score"), total, *people)
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
    for name, about in (evaluation.plugin_metrics or {}).items():
        value = metrics.get(name)
        missing = f"not there: {about.fault}" if about.fault else "not defined for these samples"
        better = "higher" if about.higher_is_better else "lower"
        line = missing if value is None else f"{shown(value, 'score')} ({better} is better)"
        click.echo(one_line(f"{name}: {line}"))
    for line in remarks(evaluation):
        click.echo(f"\n{one_line(line)}")


def show_result(run: str, title: str, facts: Iterable[str], evaluation: EvaluationEntry) -> None:
    """Print whose result it is, facts about it, of which empty ones are none, and `show_scores`."""
    click.echo(f"{run}  {one_line(title)}\n{one_line('; '.join(filter(None, facts)))}\n")
    show_scores(evaluation)


def show_outcome(outcome: Outcome, *, quiet: bool) -> None:
    """Print what became of a combination: its scores, or why it has none."""
    label, record = outcome.combination.label, outcome.record
    if not outcome.evaluations or record is None or record.training is None or outcome.directory is None:
        where = f"{label} was" if outcome.directory is None else f"run {outcome.directory.path.name}"
        click.echo(one_line(f"{where} {outcome.status}: {outcome.reason}"), err=True)
        return
    split, evaluation = outcome.judged
    training = record.training
    faulty, taken = record.data.skipped_faulty, sum(record.data.excluded.values())
    facts = [
        f"{split}, n = {evaluation.n:,}",
        f"epoch {training.best_epoch} of {training.epochs}; selected by validation {training.select}"
        if training.epochs
        else "fitted at once, without epochs"
        if training.fitted
        else "weights as they were built, without training",
        *evaluation.ways,
        "synthetic images" if record.data.synthetic else "",
        f"{number_of(faulty, 'faulty sample')} left out" if faulty else "",
        f"{number_of(taken, 'sample')} excluded" if taken else "",
        noise_line(record.data),
        "reused" if outcome.reused else "",
    ]
    show_result(outcome.directory.path.name, label, facts, evaluation)
    for line in symptoms(record, outcome.directory.epochs(), evaluation):
        click.echo(f"\n{one_line(line)}")
    show_order(outcome.directory, record)
    if not quiet:
        click.echo(f"\nrecord: {outcome.directory.path}\n")


def show_order(directory: RunDirectory, record: Run) -> None:
    """Say it where the outputs of foreign weights, or imported classes, are likely named in the wrong order."""
    if line := order_line(directory, record):
        click.echo(f"\n{one_line(line)}")


def show_pooled(directory: RunDirectory, *, reused: bool, quiet: bool) -> None:
    """Print the result of all folds together, how it spreads over them, and what folds that were cut at random say."""
    from ferbench.runs.partitions import cutting_line
    from ferbench.runs.pooled import spread_line

    record = directory.load()
    assert record.pooled is not None
    (entry, *_) = record.own_evaluations("test").values()
    facts = [
        f"{record.data.protocol}, seed {record.seed}, n = {entry.n:,}",
        *entry.ways,
        "synthetic images" if record.data.synthetic else "",
        "reused" if reused else "",
    ]
    show_result(directory.path.name, f"all {len(record.pooled.folds)} folds together", facts, entry)
    for line in filter(None, (spread_line(entry), cutting_line(record.data.protocol))):
        click.echo(f"\n{line}")
    if not quiet:
        click.echo(f"\nrecord: {directory.path}\n")


def show_comparison(outcomes: Sequence[Outcome]) -> None:
    """The runs of a grid side by side, in the order of the grid, with a column for each setting that varies."""
    rows = []
    varied = list(beside_title(outcomes[0].combination.varied))
    for outcome in outcomes:
        run = "" if outcome.directory is None else outcome.directory.path.name
        about = [run, outcome.combination.label, *beside_title(outcome.combination.varied).values()]
        if outcome.evaluations:
            split, evaluation = outcome.judged
            values = [f"{evaluation.metrics[key]:.4f}" for key in ("accuracy", "macro_f1", "balanced_accuracy")]
            rows.append([*about, split, f"{evaluation.n:,}", *values])
        else:
            rows.append([*about, outcome.status, "", "", "", ""])
    numbers = ("n", "accuracy", "macro-F1", "balanced accuracy")
    columns = ["run", "combination", *varied, "split", *numbers]
    width = terminal_width()
    show(fitting(columns, rows, width, spare=["balanced accuracy", "split", "n", *varied], right=numbers), width)
