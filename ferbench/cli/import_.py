"""``ferbench import``: predictions of other software as a result beside ferbench's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ferbench.cli.completion import ComponentType, RunType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.naming import warn_of_names
from ferbench.cli.places import PathType, cache_option, results_option
from ferbench.cli.recipe_options import sets_option


@click.command(name="import")
@click.argument("file", type=PathType(dir_okay=False), metavar="FILE.csv")
@click.option("--like", type=RunType(), metavar="RUN", help="The test set that this run was measured on.")
@click.option("--dataset", type=ComponentType("dataset"), metavar="NAME", help="Or: the test set of this dataset.")
@click.option("--data", type=click.Path(), multiple=True, metavar="[NAME=]DIR", help="Where the dataset's files are.")
@sets_option("Set a field of dataset or data, e.g. data.protocol=official.")
@click.option("--name", help="Name of the result; seeds of one name are one configuration.  [default: the file's]")
@click.option("--model", default="elsewhere", show_default=True, help="What made the predictions.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the training.")
@click.option(
    "--contaminated",
    metavar="REASON",
    help="It says nothing of unseen samples, and why: such as 'its epoch was chosen on test'. It gets no rank.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the result.")
@results_option
@cache_option
@plugin_option
def import_(
    file: Path,
    like: str | None,
    dataset: str | None,
    data: Sequence[str],
    sets: Sequence[str],
    name: str | None,
    model: str,
    seed: int,
    contaminated: str | None,
    as_json: bool,
    quiet: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
) -> None:
    """Take in predictions that other software made, so that they can be ranked and compared.

    FILE.csv has a column 'id' with the sample ids of a known test set and either a column 'predicted' with the class or
    a column for each class with its probability. A column 'true' is checked. Ids and classes must be exactly those of
    the test set.

    \b
    ferbench import predictions.csv --like my-run --name their-model
    ferbench import predictions.csv --dataset fer2013 --data DIR --set data.protocol=official
    """
    from ferbench.api.imports import import_predictions
    from ferbench.cli.packed import preparer
    from ferbench.experiment.settings import assignments
    from ferbench.plugin.discovery import load_registry

    run = import_predictions(
        file,
        like=like,
        dataset=dataset,
        data=data,
        settings=assignments(sets),
        name=name,
        model=model,
        seed=seed,
        contaminated=f"declared: {contaminated}" if contaminated else "",
        results=results,
        preparer=preparer(load_registry(plugin), results, cache, quiet=quiet or as_json),
    )
    record = run.record
    warn_of_names(results, [(str(record.name), run.id, record.identity.config_id)])
    ((evaluation, entry),) = record.evaluations.items()
    if as_json:
        about = {"run": run.id, "name": record.name, "evaluation": evaluation, "reused": run.reused}
        echo_json({**about, **entry.plain()})
        return
    from ferbench.cli.results import show_order, show_result

    facts = [
        f"test set of {record.data.dataset} ({record.data.protocol}), n = {entry.n:,}",
        "" if "log_loss" in entry.metrics else "classes without probabilities",
        "reused" if run.reused else "",
    ]
    show_result(run.id, f"{record.name}, imported", facts, entry)
    show_order(run.directory, record)
    if not quiet:
        click.echo(f"\nrecord: {run.path}")
