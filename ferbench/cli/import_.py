"""``ferbench import``: predictions of other software as a result beside ferbench's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.cli.completion import ComponentType, RunType, SettingType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.naming import warn_of_names
from ferbench.cli.places import cache_option, results_option
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.runs.imported import KnownTestSet


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.csv")
@click.option("--like", type=RunType(), metavar="RUN", help="The test set that this run was measured on.")
@click.option("--dataset", type=ComponentType("dataset"), metavar="NAME", help="Or: the test set of this dataset.")
@click.option("--data", type=click.Path(), multiple=True, metavar="[NAME=]DIR", help="Where the dataset's files are.")
@click.option(
    "--set",
    "sets",
    type=SettingType(),
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a field of dataset or data, e.g. data.protocol=official.",
)
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
    from ferbench.experiment.settings import check_run_name
    from ferbench.runs.find import find_run
    from ferbench.runs.imported import import_predictions, known_test_set, read_predictions

    if like is not None and dataset is not None:
        raise UserError("--like and --dataset each name a test set", "give one of them")
    if like is None and dataset is None:
        raise UserError(
            "which test set are they of?",
            "say --like RUN for that of a finished run, or --dataset NAME with --data DIR",
        )
    chosen = name or file.stem
    check_run_name(chosen)
    if like is not None:
        test = known_test_set(find_run(results, like))
    else:
        test = _of_dataset(str(dataset), data, sets, cache, plugin, quiet=quiet or as_json)
    given = read_predictions(file, test)
    reason = f"declared: {contaminated}" if contaminated else ""
    directory, reused = import_predictions(
        results, given, test, name=chosen, model=model, seed=seed, contaminated=reason
    )
    record = directory.load()
    warn_of_names(results, [(chosen, directory.path.name, record.identity.config_id)])
    ((evaluation, entry),) = record.evaluations.items()
    if as_json:
        about = {"run": directory.path.name, "name": chosen, "evaluation": evaluation, "reused": reused}
        echo_json({**about, **entry.plain()})
        return
    from ferbench.cli.results import show_scores
    from ferbench.wording import one_line

    facts = [f"test set of {test.dataset} ({test.protocol}), n = {entry.n:,}"]
    facts += ["classes without probabilities"] if given.hard else []
    facts += ["reused"] if reused else []
    click.echo(f"{directory.path.name}  {one_line(chosen)}, imported\n{one_line('; '.join(facts))}\n")
    show_scores(entry)
    if not quiet:
        click.echo(f"\nrecord: {directory.path}")


def _of_dataset(
    dataset: str, places: Sequence[str], sets: Sequence[str], cache: Path, plugins: Sequence[str], *, quiet: bool
) -> KnownTestSet:
    """The test set of a dataset, packed as for a run."""
    import numpy as np

    from ferbench.cli.packed import packed
    from ferbench.data.class_mapping import match_classes
    from ferbench.data.splits import SplitRequest
    from ferbench.data.tested_rows import asked_classes, choose_rows
    from ferbench.experiment.resolve import resolve
    from ferbench.experiment.settings import grid, place, split_paths
    from ferbench.plugin.discovery import load_registry
    from ferbench.plugin.specs import DatasetSpec
    from ferbench.runs.imported import KnownTestSet

    path, paths = split_paths(places)
    fields = {"data.path": [] if path is None else [path]}
    (settings,) = grid({}, sets=sets, components={"dataset": [dataset]}, fields=fields)
    place([settings], paths)
    resolved = resolve(settings, load_registry(plugins))
    spec = resolved.components["dataset"].component.spec
    assert isinstance(spec, DatasetSpec)
    pack = packed(resolved, cache, quiet=quiet)
    request = SplitRequest(**resolved.recipe.data.model_dump(include=set(SplitRequest.__dataclass_fields__)))
    class_names = asked_classes(pack, request)
    rows = choose_rows(pack, spec.protocols, request, "test", match_classes(class_names, class_names))
    return KnownTestSet(
        np.asarray(pack.ids[rows.rows]),
        rows.labels,
        class_names,
        rows.digest,
        pack.dataset,
        rows.protocol,
        spec.synthetic,
        pack.facts(rows.rows),
    )
