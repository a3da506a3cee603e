"""``ferbench evaluate``: finished weights on another dataset, another split, or with test-time options."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
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
from ferbench.errors import UserError
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.data.fit import StoredForm
    from ferbench.experiment.resolve import ResolvedRecipe
    from ferbench.plugin.discovery import Registry
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.records.run import Run
    from ferbench.runs.directory import RunDirectory
    from ferbench.tables.table import Table
    from ferbench.training.retest import Retest

PARTS = ("test", "validation", "train", "all")

#: What the run's record says, or what has no meaning without training.
_OF_TRAINING = ("image_size", "channels", "num_classes")
_SECTIONS = ("dataset", "data", "evaluation", "runtime")


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
@sets_option("Set a field of dataset, data, evaluation or runtime, e.g. evaluation.tta=flip.")
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
    ferbench evaluate my-run --dataset ck-plus --data DIR --split all
    """
    from ferbench.ids import short
    from ferbench.plugin.discovery import load_registry
    from ferbench.runs.find import find_run

    directory = find_run(results, run)
    record = directory.load()
    from ferbench.training.restore import refuse_without_weights, restore

    refuse_without_weights(directory, record)
    registry = load_registry(plugin)
    resolved = _resolved(record, registry, dataset, data, sets, skip_faulty, part)
    from ferbench.training.retest import retest, retest_id
    from ferbench.training.runtime import choose_device, prepare

    runtime = resolved.recipe.runtime
    device = choose_device(runtime.device)
    prepare(device, runtime.threads, deterministic=True)
    trained = restore(directory, registry, device)
    for warning in trained.warnings:
        click.echo(one_line(f"warning: {warning}; results may differ"), err=True)
    keep_working()
    prepared = None if dataset is None or trained.doubt else trained.form
    test = _test(record, resolved, part, cache, prepared, strict=strict, quiet=quiet or as_json)
    there = short(retest_id(record, test, trained)) in record.evaluations
    assert record.training is not None
    with redirect_stdout(sys.stderr):  # what the model prints is no result
        name = retest(directory, trained, test, record.training.batch_size or 1)
    entry = directory.load().evaluations[name]
    sliced = _sliced(directory, name, columns, slice_table)
    if as_json:
        from ferbench.tables.formats import to_json_value

        about: dict[str, Any] = {"run": directory.path.name, "name": record.name, "evaluation": name, "reused": there}
        slices = {table.columns[0].label: to_json_value(table) for table in sliced}
        about |= {"trained_on": record.data.dataset, **({"slices": slices} if slices else {})}
        echo_json({**about, **entry.plain()})
        return
    _show(record, entry, test, run=directory.path.name, reused=there)
    for table in in_terminal(sliced):
        click.echo(f"\n{table}")
    if not quiet:
        click.echo(f"\nrecord: {directory.path / 'evaluations' / name}")


def _sliced(directory: RunDirectory, evaluation: str, columns: tuple[str, ...], more: Path | None) -> list[Table]:
    """A table for each column that the samples are sliced by."""
    if not columns:
        return []
    from ferbench.ranking.slice_columns import sliced_by
    from ferbench.report.per_sample import slice_table
    from ferbench.tables.table import ids_of

    given = directory.predictions(evaluation)
    classes, label = given.probabilities.shape[1], directory.path.name
    sliced = sliced_by(given.ids, given.columns, columns, more)
    ids = ids_of(sliced)
    return [slice_table(name, values, given, classes, label, f"by-{ids[name]}") for name, values in sliced.items()]


def _resolved(
    record: Run,
    registry: Registry,
    dataset: str | None,
    places: Sequence[str],
    sets: Sequence[str],
    skip_faulty: bool,
    part: str,
) -> ResolvedRecipe:
    """The dataset and options as a recipe; its other components are defaults that nobody asks for."""
    from ferbench.experiment.request import asked_settings
    from ferbench.experiment.resolve import resolve
    from ferbench.experiment.settings import split_assignment, suggestion

    for text in sets:
        section, _, field = split_assignment(text, "--set")[0].partition(".")
        if section not in _SECTIONS:
            raise UserError(
                f"--set {text}: [{section}] has no say in an evaluation", suggestion(section, _SECTIONS, "sections")
            )
        if section == "data" and field in _OF_TRAINING:
            raise UserError(f"--set {text}: the run's record says what its model expects", "leave it out")
        if (section, field) == ("runtime", "devices"):
            raise UserError(f"--set {text}: an evaluation of finished weights uses one device", "leave it out")
    base: dict[str, Any] = {}
    if dataset is None:
        base["dataset"] = record.recipe.plain()["dataset"]
        base["data"] = {key: value for key, value in record.recipe.data.items() if key not in _OF_TRAINING}
        if part in ("test", "all"):
            base["data"].pop("fold", None)
    chosen = {"dataset": [] if dataset is None else [dataset]}
    (settings,) = asked_settings(base, chosen, places, sets=sets, skip_faulty=skip_faulty)
    return resolve(settings, registry)


def _as_trained(own: StoredForm, trained: StoredForm, given: Mapping[str, Any]) -> StoredForm:
    """What a pack makes of another dataset's images: what it made of the training images, unless options say otherwise.

    Args:
        own: what the other dataset asks for.
        trained: what was made of the training images.
        given: the options of the other dataset that the user gave.
    """
    asked = {*given, *(key for member in given.values() if isinstance(member, dict) for key in member)}
    kept = own if "color" in asked else replace(own, channels=trained.channels)
    if trained.size is None:
        return kept
    if "size" not in asked:
        kept = replace(kept, size=trained.size, follows=kept.follows and kept.size == trained.size)
    return kept if "fit" in asked else replace(kept, fit=trained.fit, follows=kept.follows and trained.fit == kept.fit)


def _test(
    record: Run,
    resolved: ResolvedRecipe,
    part: Any,
    cache: Path,
    trained: StoredForm | None,
    *,
    strict: bool,
    quiet: bool,
) -> Retest:
    from ferbench.cli.packed import packed
    from ferbench.data.class_mapping import match_classes
    from ferbench.data.splits import choose_protocol
    from ferbench.data.tested_rows import asked_classes, choose_rows
    from ferbench.experiment.plan import split_request
    from ferbench.plugin.specs import DatasetSpec
    from ferbench.runs.learnt import same_protocol
    from ferbench.runs.remarks import counted
    from ferbench.training.retest import Retest

    spec = resolved.components["dataset"].component.spec
    assert isinstance(spec, DatasetSpec)
    given = resolved.recipe.components["dataset"].options
    form = None if trained is None else lambda own: _as_trained(own, trained, given)
    pack = packed(resolved, cache, quiet=quiet, form=form)
    request = split_request(resolved.recipe.data)
    mapping = match_classes(record.data.class_names, asked_classes(pack, request))
    protocol = choose_protocol(spec.protocols, request.protocol, pack.dataset).name
    home = same_protocol(record.data, pack.dataset, protocol)
    rows = choose_rows(pack, spec.protocols, request, part, mapping, home=home)
    if strict and rows.left_out:
        raise UserError(
            f"'{pack.dataset}' has {sum(rows.left_out.values()):,} samples of classes that the model does not know: "
            f"{counted(rows.left_out)}",
            "leave out --strict to test without them, or choose classes with --set data.classes",
        )
    return Retest(pack, part, rows, mapping, spec.synthetic, resolved.recipe.evaluation)


def _show(record: Run, entry: EvaluationEntry, test: Retest, *, run: str, reused: bool) -> None:
    from ferbench.cli.results import show_result

    facts = [
        f"{test.part}, n = {entry.n:,}",
        f"protocol {test.rows.protocol}",
        "" if entry.is_plain else f"test-time augmentation: {entry.options['tta']}",
        f"images stored {entry.options['stored']}" if "stored" in entry.options else "",
        "synthetic images" if test.synthetic else "",
        f"{test.pack.skipped:,} faulty samples left out" if test.pack.skipped else "",
        f"images stored as {test.pack.form}" if test.pack.dataset != record.data.dataset else "",
        "reused" if reused else "",
    ]
    show_result(run, f"trained on {record.data.dataset}, tested on {test.pack.dataset}", facts, entry)
