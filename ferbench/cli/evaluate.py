"""``ferbench evaluate``: finished weights on another dataset, another split, or with test-time options."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.completion import ComponentType, RunType, plugin_option
from ferbench.cli.formats import in_terminal
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import cache_option, results_option
from ferbench.cli.recipe_options import sets_option
from ferbench.cli.slices import slice_options
from ferbench.display import keep_working
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.api.evaluate import EvaluationResult
    from ferbench.tables.table import Table

PARTS = ("test", "validation", "train", "all")


@click.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.option(
    "--dataset", type=ComponentType("dataset"), metavar="NAME", help="Test on this dataset; default: the run's own."
)
@click.option("--data", type=click.Path(), multiple=True, metavar="[NAME=]DIR", help="Where the dataset's files are.")
@click.option(
    "--split",
    "part",
    type=click.Choice(PARTS),
    default="test",
    show_default=True,
    help="Which part of the dataset; all: every sample, whatever its part.",
)
@click.option(
    "--postprocessing",
    type=ComponentType("postprocessing"),
    metavar="NAME",
    help="Do this to the predictions; what it fits, it fits on the run's validation.",
)
@click.option(
    "--probe",
    type=click.Choice(("knn", "linear")),
    help="Test a classifier on the frozen features, fitted on the run's training samples, in the model's place.",
)
@sets_option("Set a field of dataset, data, evaluation, postprocessing or runtime, e.g. evaluation.tta=flip.")
@click.option("--strict", is_flag=True, help="Refuse a dataset with samples of classes that the model does not know.")
@click.option("--skip-faulty", is_flag=True, help="Leave faulty samples out, and record how many.")
@slice_options("Show scores by the values of")
@click.option("--json", "as_json", is_flag=True, help="Print the evaluation as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the result.")
@results_option
@cache_option
@plugin_option
def evaluate(
    run: str,
    dataset: str | None,
    data: Sequence[str],
    part: Any,
    postprocessing: str | None,
    probe: Any,
    sets: Sequence[str],
    strict: bool,
    skip_faulty: bool,
    columns: tuple[str, ...],
    slice_table: Path | None,
    as_json: bool,
    quiet: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
) -> None:
    """Test the weights of a finished run without training.

    RUN is a run's name, the first digits of its id, or its directory. Without --dataset it is tested on the dataset and
    with the settings that it was trained with, as far as --set does not say otherwise. Classes are matched by name. The
    result joins the run's other evaluations; what was evaluated before is shown again.

    \b
    ferbench evaluate my-run --dataset raf-db --data DIR
    ferbench evaluate my-run --set evaluation.tta=flip
    ferbench evaluate my-run --postprocessing temperature
    ferbench evaluate my-run --probe linear
    ferbench evaluate my-run --dataset ck-plus --data DIR --split all
    """
    from ferbench.api.evaluate import Means
    from ferbench.api.evaluate import evaluate as evaluated
    from ferbench.cli.packed import packed
    from ferbench.experiment.settings import assignments
    from ferbench.plugin.discovery import load_registry

    keep_working()
    with redirect_stdout(sys.stderr):  # what the model prints is no result
        done = evaluated(
            run,
            dataset=dataset,
            data=data,
            split=part,
            postprocessing=postprocessing,
            probe=probe,
            settings=assignments(sets),
            strict=strict,
            skip_faulty=skip_faulty,
            results=results,
            means=Means(
                load_registry(plugin),
                lambda resolved, form: packed(resolved, cache, quiet=quiet or as_json, form=form),
                lambda line: click.echo(one_line(f"warning: {line}"), err=True),
            ),
        )
    sliced = _sliced(done, columns, slice_table)
    if as_json:
        from ferbench.tables.formats import to_json_value

        slices = {table.columns[0].label: to_json_value(table) for table in sliced}
        echo_json({**done.document(), **({"slices": slices} if slices else {})})
        return
    _show(done)
    for table in in_terminal(sliced):
        click.echo(f"\n{table}")
    if not quiet:
        click.echo(f"\nrecord: {done.run.path / 'evaluations' / done.id}")


def _sliced(done: EvaluationResult, columns: tuple[str, ...], more: Path | None) -> list[Table]:
    """A table for each column that the samples are sliced by."""
    if not columns:
        return []
    from ferbench.ranking.slice_columns import sliced_by
    from ferbench.report.per_sample import slice_table
    from ferbench.tables.table import ids_of

    given = done.run.directory.predictions(done.id)
    classes, label = given.probabilities.shape[1], done.run.id
    sliced = sliced_by(given.ids, given.columns, columns, more)
    ids = ids_of(sliced)
    return [slice_table(name, values, given, classes, label, f"by-{ids[name]}") for name, values in sliced.items()]


def _show(done: EvaluationResult) -> None:
    from ferbench.cli.results import show_result

    entry, test, trained_on = done.record, done.test, done.run.record.data.dataset
    facts = [
        f"{test.part}, n = {entry.n:,}",
        f"protocol {test.rows.protocol}",
        *entry.ways,
        f"images stored {entry.options['stored']}" if "stored" in entry.options else "",
        "synthetic images" if test.synthetic else "",
        f"{test.pack.skipped:,} samples left out" if test.pack.skipped else "",
        f"images stored as {test.pack.form}" if test.pack.dataset != trained_on else "",
        "reused" if done.reused else "",
    ]
    show_result(done.run.id, f"trained on {trained_on}, tested on {test.pack.dataset}", facts, entry)
