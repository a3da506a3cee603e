"""``ferbench resume``: go on with runs that were stopped, named by id instead of by their recipe."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.devices import devices_option
from ferbench.cli.places import cache_option, results_option
from ferbench.cli.recipe_options import sets_option, tracker_option
from ferbench.errors import UserError
from ferbench.training.torchrun import asked_devices

if TYPE_CHECKING:
    from ferbench.experiment.recorded import Reaching
    from ferbench.experiment.settings import Tables
    from ferbench.plugin.discovery import Registry
    from ferbench.records.run import Run


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RunType(), metavar="RUN...")
@click.option("--data", multiple=True, metavar="[NAME=]DIR", help="Where the dataset's files are now.")
@sets_option("Say again what a record does not decide, such as model.weights=PATH.")
@tracker_option
@devices_option
@click.option("--quiet", "-q", is_flag=True, help="No progress, only results.")
@results_option
@cache_option
@plugin_option
def resume(
    runs: Sequence[str],
    data: Sequence[str],
    sets: Sequence[str],
    tracker_names: Sequence[str],
    devices: int | None,
    quiet: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
) -> None:
    """Go on with runs where they stopped.

    The same as giving their 'ferbench run' command again, but for what a record does not decide, since anybody may have
    written it: trackers, permissions, and files and servers that you have not named yourself before. One line says what
    was left out, and the command that brings it back. A run goes on from its last checkpoint, and one that is done is
    only shown. A run whose plugins or data have changed since cannot go on; the error says what changed. With another
    number of --devices its numbers are comparable, not the same to the bit.

    \b
    ferbench resume my-run
    """
    devices = asked_devices(devices)
    from ferbench.cli.packed import preparer
    from ferbench.cli.run import conduct
    from ferbench.experiment.differences import unlike
    from ferbench.experiment.prepare import plan_all, resolve_all
    from ferbench.experiment.recorded import flags_for, left_out_line
    from ferbench.experiment.start import recorded_start
    from ferbench.experiment.teacher import recorded_teacher
    from ferbench.plugin.discovery import load_registry
    from ferbench.runs.find import find_run

    directories = [find_run(results, name) for name in dict.fromkeys(runs)]
    records = [directory.load() for directory in directories]
    registry = load_registry(plugin)
    for directory, record in zip(directories, records, strict=True):
        _refuse_lacking_plugins(directory.path.name, record, registry)
    prepares = preparer(registry, results, cache, quiet=quiet)
    settings = []
    for directory, record in zip(directories, records, strict=True):
        run = directory.path.name
        asked, left = _asked(run, record, registry, data, sets, tracker_names)
        if devices is not None:
            asked["runtime"] = {**asked.get("runtime", {}), "devices": devices}
        if left:
            given = [part for place in data for part in ("--data", place)]
            given += [part for text in sets for part in ("--set", text)]
            given += [part for text in tracker_names for part in ("--tracker", text)]
            given += [part for one in plugin for part in ("--plugin", one)]
            given += [] if results == Path("results") else ["--results", str(results)]
            again = shlex.join(["ferbench", "resume", run, *flags_for(left, record), *given])
            prepares.warn(left_out_line(run, left, f"say {again}"))
        settings.append(asked)
    combinations = resolve_all(settings, prepares)
    for record, combination in zip(records, combinations, strict=True):
        combination.start = recorded_start(results, record)
        combination.teacher = recorded_teacher(results, record)
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


def _asked(
    run: str, record: Run, registry: Registry, data: Sequence[str], sets: Sequence[str], trackers: Sequence[str]
) -> tuple[Tables, list[Reaching]]:
    """The settings of a run with what the command says laid over them, and what is left out of its record.

    Raises:
        UserError: a setting is named that the record decides by itself.
    """
    from ferbench.experiment.recorded import reaching, recorded_tables, taken, tracker_tables
    from ferbench.experiment.settings import assignments, split_paths

    given = assignments(sets)
    open_ones = {".".join(one.path[:2]) for one in reaching(recorded_tables(record), registry)}
    for key in given:
        if key not in open_ones:
            raise UserError(
                f"--set {key}: run {run} goes on with the settings that it began with",
                f"leave it out, or start a new run with 'ferbench run --from {run} --set {key}=…'",
            )
    told = {*given, *(["data.path", "data.paths"] if data else []), *(["trackers"] if trackers else [])}
    asked, left = taken(record, registry, told)
    for key, value in given.items():
        section, _, field = key.partition(".")
        asked.setdefault(section, {})[field] = value
    path, paths = split_paths(data)
    places = asked.setdefault("data", {})
    if path is not None:
        places["path"] = path
    if paths:
        places["paths"] = {**(places.get("paths") or {}), **paths}
    if trackers:
        asked["trackers"] = tracker_tables(trackers)
    return asked, left


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
