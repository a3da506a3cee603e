"""Packing a dataset, as commands show it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.api.places import start_finder
from ferbench.errors import UserError
from ferbench.storage import replace_file
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.data.fit import StoredForm
    from ferbench.data.pack import Pack
    from ferbench.data.sample import Fault
    from ferbench.experiment.prepare import Preparer
    from ferbench.experiment.resolve import ResolvedRecipe
    from ferbench.plugin.discovery import Registry

#: Faults of a dataset that are printed; beyond that, a file lists them all.
_FAULTS_SHOWN = 20
_IN_THE_ERROR = 3


def preparer(registry: Registry, results: Path, cache: Path, *, quiet: bool) -> Preparer:
    """What prepares the recipes of a command: it shows how datasets are packed, and what is wrong with them."""
    from ferbench.experiment.prepare import Preparer

    return Preparer(registry, lambda resolved: packed(resolved, cache, quiet=quiet), start_finder(results))


def packed(
    resolved: ResolvedRecipe,
    cache: Path,
    *,
    quiet: bool,
    form: Callable[[StoredForm], StoredForm] | None = None,
) -> Pack:
    """The pack of a recipe's dataset.

    Args:
        resolved: the recipe.
        cache: where packs are kept.
        quiet: no progress.
        form: gives what the pack makes of images from what the dataset asks for; None: just that.

    Raises:
        UserError: it cannot be read, or has faults, which are then listed on stderr.
    """
    from ferbench.audit.reference.known import reference_of, unlike_parts_of
    from ferbench.cli.progress import PackingProgress
    from ferbench.data.class_mapping import of_one_expression
    from ferbench.data.exclusions import matched
    from ferbench.data.image_tree import left_out_on_purpose_line
    from ferbench.data.packing import FaultyDataset
    from ferbench.experiment.dataset_pack import build_dataset, dataset_pack
    from ferbench.records.reference import unlike_line

    chosen = resolved.components["dataset"]
    name = chosen.component.name
    data = resolved.recipe.data
    dataset = build_dataset(chosen, data)
    try:
        with redirect_stdout(sys.stderr), PackingProgress(name, quiet=quiet) as progress:
            pack = dataset_pack(
                chosen,
                data,
                cache,
                progress,
                compared=progress.compared,
                dataset=dataset,
                form=form,
                preprocessing=resolved.components.get("preprocessing"),
            )
    except UserError as error:
        if isinstance(error, FaultyDataset):
            _list_faults(name, error.faults, cache)
        _warn_of_left_out(name, dataset.notes)
        raise
    _warn_of_left_out(name, pack.notes)
    if isinstance(edition := pack.notes.get("edition"), str) and not quiet:
        click.echo(one_line(f"{name}: {edition}"), err=True)
    if (line := left_out_on_purpose_line(pack.notes)) and not quiet:
        click.echo(one_line(f"{name}: {line}"), err=True)
    if not quiet and (reference := reference_of(pack)) is not None:
        beginning = "warning: " if reference.warning else ""
        click.echo(one_line(f"{beginning}{name}: {reference.statement}"), err=True)
    if not quiet and (line := unlike_line(unlike_parts_of(pack))):
        click.echo(one_line(f"warning: {name}: {line}"), err=True)
    if pack.skipped and not quiet:
        click.echo(f"{name}: {pack.skipped:,} samples left out, first {one_line(str(pack.faults[0]))}", err=True)
    if data.exclude is not None:
        matching = matched(data.exclude, pack.ids)
        if matching.found and (matching.missing or not quiet):  # of none, it is an error
            click.echo(one_line(matching.line(name)), err=True)
    for first, second in [] if quiet else of_one_expression(pack.class_names):
        line = f"{name}: '{first}' and '{second}' mean one expression; they are kept as two classes"
        click.echo(one_line(line), err=True)
    return pack


def _warn_of_left_out(name: str, notes: Mapping[str, Any]) -> None:
    from ferbench.data.image_tree import left_out_line

    if line := left_out_line(notes):
        click.echo(one_line(f"warning: {name}: {line}; convert them to PNG or JPEG to use them"), err=True)


def _list_faults(name: str, faults: Sequence[Fault], cache: Path) -> None:
    """Name the faults on stderr, those of one cause once, and all of them in a file where that leaves some out.

    The error that follows names the first three causes.
    """
    from ferbench.data.packing import by_cause, one_for_all

    causes = by_cause(faults)
    for same in causes[:_FAULTS_SHOWN] if len(causes) > _IN_THE_ERROR else []:
        click.echo(one_line(one_for_all(same)), err=True)
    if len(faults) > min(len(causes), _FAULTS_SHOWN):
        path = cache / "faults" / f"{name}.txt"
        replace_file(path, "".join(f"{one_line(str(fault))}\n" for fault in faults).encode())
        click.echo(f"all {len(faults):,} faults are listed in {path}", err=True)
