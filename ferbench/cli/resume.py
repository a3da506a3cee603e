"""``ferbench resume``: go on with runs that were stopped, named by id instead of by their recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.devices import asked_devices, devices_option
from ferbench.cli.places import cache_option, results_option
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.plugin.discovery import Registry
    from ferbench.records.run import Run


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RunType(), metavar="RUN...")
@click.option("--data", multiple=True, metavar="[NAME=]DIR", help="Where the dataset's files are now.")
@devices_option
@click.option("--quiet", "-q", is_flag=True, help="No progress, only results.")
@results_option
@cache_option
@plugin_option
def resume(
    runs: Sequence[str],
    data: Sequence[str],
    devices: int | None,
    quiet: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
) -> None:
    """Go on with runs where they stopped.

    The same as giving their 'ferbench run' command again: a run goes on from its last checkpoint, and one that is done
    is only shown. A run whose plugins or data have changed since cannot go on; the error says what changed. With
    another number of --devices its numbers are comparable, not the same to the bit.

    \b
    ferbench resume my-run
    """
    devices = asked_devices(devices)
    from ferbench.cli.packed import preparer
    from ferbench.cli.run import conduct
    from ferbench.experiment.differences import unlike
    from ferbench.experiment.prepare import plan_all, resolve_all
    from ferbench.experiment.settings import split_paths
    from ferbench.experiment.start import recorded_start
    from ferbench.plugin.discovery import load_registry
    from ferbench.runs.find import find_run

    directories = [find_run(results, name) for name in dict.fromkeys(runs)]
    records = [directory.load() for directory in directories]
    path, paths = split_paths(data)
    settings = []
    for record in records:
        asked = {key: value for key, value in record.recipe.plain().items() if value is not None}
        asked["data"] = {key: value for key, value in record.recipe.data.items() if value is not None}
        if path is not None:
            asked["data"]["path"] = path
        if paths:
            asked["data"]["paths"] = {**(asked["data"].get("paths") or {}), **paths}
        if devices is not None:
            asked["runtime"] = {**record.recipe.runtime, "devices": devices}
        settings.append(asked)
    registry = load_registry(plugin)
    for directory, record in zip(directories, records, strict=True):
        _refuse_lacking_plugins(directory.path.name, record, registry)
    prepares = preparer(registry, results, cache, quiet=quiet)
    combinations = resolve_all(settings, prepares)
    for record, combination in zip(records, combinations, strict=True):
        combination.start = recorded_start(results, record)
    plan_all(combinations, prepares, results)
    for directory, record, combination in zip(directories, records, combinations, strict=True):
        if combination.error is not None:
            raise combination.error
        plan = combination.plan
        if plan is not None and plan.training_id != record.identity.training_id:
            keys = ", ".join(unlike(record.identity.covers, plan.identity))
            raise UserError(
                f"run {directory.path.name} cannot go on: it is no longer the same experiment ({keys})",
                "put that back as it was, or start a new run with 'ferbench run'",
            )
    conduct(combinations, results, cache, plugin, quiet=quiet)


def _refuse_lacking_plugins(run: str, record: Run, registry: Registry) -> None:
    """Name the local plugins of a run that were not given again.

    Raises:
        UserError: there are some.
    """
    local = {component.distribution for component in record.components.values() if component.version == "local"}
    lacking = sorted(local - {plugin.distribution for plugin in registry.plugins})
    if lacking:
        raise UserError(
            f"run {run} needs the local plugin {', '.join(lacking)}, which was not given",
            f"give its file or module, such as {' '.join(f'--plugin {name}.py' for name in lacking)}",
        )
