"""``ferbench run``: train and evaluate one combination of plugins, or a grid of them."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.combinations import Combination, name_runs, plan_all, resolve_all, single_update
from ferbench.cli.completion import SettingType, plugin_option
from ferbench.cli.devices import asked_devices, devices_option, shared_batch
from ferbench.cli.fold_results import cross_validations, show_cross_validations
from ferbench.cli.json_output import echo_json
from ferbench.cli.naming import warn_of_names
from ferbench.cli.places import cache_option, results_option
from ferbench.cli.recipe_options import (
    add_trackers,
    asked_settings,
    asked_start,
    recipe_options,
    set_option,
    skip_faulty_option,
    start_option,
)
from ferbench.cli.results import show_comparison, show_outcome
from ferbench.errors import UserError
from ferbench.kinds import SECTIONS
from ferbench.plugin.culprit import in_a_line
from ferbench.plugin.faults import one_line

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan
    from ferbench.plugin.discovery import Registry
    from ferbench.runs.directory import RunDirectory


@click.command()
@recipe_options("Repeat any of these flags to make a grid.")
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, help="Training seed; repeatable.")
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="K",
    help="Run every fold of K, as training.folds=K does: data.fold = 1/K … K/K.",
)
@set_option
@click.option(
    "--grid", "axes", type=SettingType(), multiple=True, metavar="KEY=V1,V2", help="Try several values of a field."
)
@start_option
@devices_option
@click.option("--name", help="Name of the run; a grid numbers its runs.")
@skip_faulty_option
@click.option("--dry-run", is_flag=True, help="Show what would be run, with ids and estimates; may pack, never trains.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan or the results as JSON.")
@click.option("--report/--no-report", "with_report", default=True, help="Write a report page; default: yes.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only results.")
@results_option
@cache_option
@plugin_option
def run(
    dry_run: bool,
    as_json: bool,
    with_report: bool,
    quiet: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
    devices: int | None,
    **asked: Any,
) -> None:
    """Train a combination of plugins and test it once.

    RECIPE is a TOML file; flags win over --set, --set over the recipe, the recipe over the defaults. Repeating a
    component flag or --seed, or giving --grid, runs every combination. A run that is done already is reused. With
    --from, the settings of that run come before the recipe's; to go on with a run as it is, see 'ferbench resume'.

    \b
    ferbench run --dataset fer2013 --data DIR --model basic-cnn --set training.epochs=10
    ferbench run RECIPE.toml --seed 0 --seed 1 --grid training.batch_size=64,128
    ferbench run --from my-run@best --sampler adaptive --set training.epochs=5
    ferbench run RECIPE.toml --devices 2
    """
    devices = asked_devices(devices)
    from ferbench.plugin.discovery import load_registry

    combinations = asked_combinations(load_registry(plugin), results, devices=devices, **asked)
    plan_all(combinations, results, cache, quiet=quiet or as_json)
    _warn_of_names(combinations, results)
    if dry_run:
        from ferbench.cli.dry_run import show_plan

        show_plan(combinations, as_json=as_json)
        return
    places = (results, cache, plugin)
    outcomes = execute_all(combinations, *places, quiet=quiet or as_json, tables=not as_json)
    page = write_report(outcomes, results, plugin) if with_report else None
    if as_json:
        about = {} if page is None else {"report": str(page)}
        for several in cross_validations(combinations, outcomes):
            for number in several.members:
                outcomes[number]["cross_validation"] = several.to_json()
        echo_json([one | about for one in outcomes])
    elif page is not None:
        click.echo(f"report: {page}")
    if any(outcome["status"] in ("failed", "diverged") for outcome in outcomes):
        sys.exit(1)


def _warn_of_names(combinations: Sequence[Combination], results: Path) -> None:
    plans = [one.plan for one in combinations if one.plan is not None]
    named = [(plan.resolved.recipe.name, plan) for plan in plans]
    warn_of_names(
        results, [(name, plan.directory(results).path.name, plan.config_id) for name, plan in named if name is not None]
    )


def asked_combinations(
    registry: Registry,
    results: Path,
    *,
    recipe: Path | None,
    tracker_names: Sequence[str],
    data: Sequence[str],
    seeds: Sequence[int],
    folds: int | None,
    sets: Sequence[str],
    axes: Sequence[str],
    start: str | None,
    devices: int | None,
    name: str | None,
    skip_faulty: bool,
    **component_names: Sequence[str],
) -> list[Combination]:
    """The combinations that recipe and flags of ``ferbench run`` ask for, resolved.

    Args:
        registry: the plugins.
        results: where the run that ``--from`` names is looked for.
        recipe: the TOML file.
        tracker_names: ``--tracker``.
        data: ``--data``.
        seeds: ``--seed``.
        folds: ``--folds``.
        sets: ``--set``.
        axes: ``--grid``.
        start: ``--from``.
        devices: ``--devices``.
        name: ``--name``.
        skip_faulty: ``--skip-faulty``.
        component_names: the flags of components, as ``model_names``.

    Raises:
        UserError: something of it is wrong, or no combination makes sense.
    """
    from ferbench.experiment.folds import axis
    from ferbench.experiment.settings import read_recipe
    from ferbench.experiment.start import continued

    raw = read_recipe(recipe) if recipe is not None else {}
    found = asked_start(raw, start, results)
    if found is not None:
        raw = {**continued(found.directory.read(), raw, registry), "from": found.given}
    add_trackers(raw, tracker_names)
    components = {section: component_names[f"{section}_names"] for section in SECTIONS}
    fields: dict[str, Sequence[Any]] = {
        "training.seed": seeds,
        "runtime.devices": [] if devices is None else [devices],
        "data.fold": axis(folds) if folds is not None else [],
    }
    settings = asked_settings(raw, components, data, sets=sets, axes=axes, fields=fields, skip_faulty=skip_faulty)
    name_runs(settings, name)
    combinations = resolve_all(settings, registry)
    for combination in combinations:
        combination.start = found
    return combinations


def execute_all(
    combinations: Sequence[Combination],
    results: Path,
    cache: Path,
    plugins: Sequence[str],
    *,
    quiet: bool,
    tables: bool,
) -> list[dict[str, Any]]:
    """Run what is to be run; a run that fails does not stop the others."""
    outcomes = []
    warned: set[str] = set()
    for number, combination in enumerate(combinations, start=1):
        position = f"{number}/{len(combinations)} " if len(combinations) > 1 else ""
        places, alone = (results, cache, plugins), len(combinations) == 1
        outcome = _execute(combination, places, position, warned, quiet=quiet, alone=alone)
        outcomes.append(outcome)
        if tables:
            show_outcome(outcome, quiet=quiet)
    if tables and len(combinations) > 1:
        show_comparison(outcomes)
        show_cross_validations(cross_validations(combinations, outcomes))
    return outcomes


def _execute(
    combination: Combination,
    places: tuple[Path, Path, Sequence[str]],
    position: str,
    warned: set[str],
    *,
    quiet: bool,
    alone: bool,
) -> dict[str, Any]:
    if combination.plan is None or combination.skip:
        return {"status": "skipped", "reason": combination.skip, "label": combination.label}
    plan, (results, cache, plugins) = combination.plan, places
    directory = plan.directory(results)
    if combination.done:
        record = _named(directory, directory.read(), plan)
        return _outcome(record, plan, directory.path, reused=True)
    with contextlib.ExitStack() as stack:

        def observer_for(record: dict[str, Any]) -> Any:
            warning = single_update(plan)
            if warning is not None and warning not in warned:
                warned.add(warning)
                click.echo(warning, err=True)
            if plan.resolved.recipe.runtime.devices > 1 and not quiet:
                click.echo(shared_batch(plan), err=True)
            return stack.enter_context(_progress(position + _title(plan), record, quiet=quiet))

        try:
            if plan.resolved.recipe.runtime.devices > 1:
                from ferbench.distributed.launch import execute as execute_together

                record = execute_together(plan, results, observer_for, cache=cache, plugins=plugins)
            else:
                from ferbench.training.run import execute

                record = execute(plan, results, observer_for)
        except UserError as error:
            if alone:
                raise
            return {
                "status": "failed",
                "reason": error.message,
                "run": directory.path.name,
                "name": None,
                "label": plan.label,
            }
        except KeyboardInterrupt:
            click.echo(f"interrupted: the same command goes on with run {directory.path.name}", err=True)
            raise
        except Exception as error:
            if alone:
                raise
            traceback.print_exc()
            return {
                "status": "failed",
                "reason": in_a_line(error),
                "run": directory.path.name,
                "name": None,
                "label": plan.label,
            }
    return _outcome(_named(directory, record, plan), plan, directory.path, reused=False)


def _named(directory: RunDirectory, record: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """The record of a run that was there already, in whole or in part, under the name that is asked for now."""
    name = plan.resolved.recipe.name
    if name is not None and record.get("name") != name:
        if record.get("name") is not None:
            so_far = one_line(str(record["name"]))
            click.echo(f"run {directory.path.name}, so far named {so_far}, is now named {name}", err=True)
        record["name"] = name
        directory.write(record)
    return record


def write_report(outcomes: Sequence[dict[str, Any]], results: Path, plugins: Sequence[str] = ()) -> Path | None:
    """Write the page on these runs; None when there is nothing to show or no room for it, which loses no result."""
    from ferbench.report.contents import read_runs
    from ferbench.report.export import report_path, write_page
    from ferbench.report.page import compose
    from ferbench.report.sections import find_sections
    from ferbench.runs.directory import RunDirectory, run_path

    shorts = dict.fromkeys(outcome["run"] for outcome in outcomes if "run" in outcome)
    directories = [run for run in (RunDirectory(run_path(results, short)) for short in shorts) if run.exists()]
    if not directories:
        return None
    try:
        path = report_path(results, directories)
        write_page(compose(read_runs(directories), find_sections(plugins)), path)
    except UserError as error:
        click.echo(f"no report was written: {error.message}\n  → {error.remedy}", err=True)
        return None
    return path


def _title(plan: Plan) -> str:
    name = plan.resolved.recipe.name
    return f"{plan.directory(Path()).path.name}  {plan.label}" + (f"  ({name})" if name else "")


def _progress(title: str, record: dict[str, Any], *, quiet: bool) -> Any:
    from ferbench.cli.progress import LineProgress, LiveProgress

    epochs = record["recipe"]["training"]["epochs"]
    if sys.stderr.isatty() and not quiet and epochs:
        return LiveProgress(title, epochs)
    return LineProgress(title, epochs, quiet=quiet)


def _outcome(record: dict[str, Any], plan: Plan, path: Path, *, reused: bool) -> dict[str, Any]:
    """A run's result as plain values, for tables and ``--json``."""
    outcome: dict[str, Any] = {
        "run": path.name,
        "name": record.get("name"),
        "status": record["status"],
        "reused": reused,
        "directory": str(path),
        "training_id": plan.training_id,
        "config_id": plan.config_id,
        "label": plan.label,
        "synthetic": record["data"]["synthetic"],
        "fold": record["data"]["fold"],
        "skipped_faulty": record["data"]["skipped_faulty"],
        "excluded": record["data"].get("excluded") or {},
    }
    if record["status"] != "done":
        return {**outcome, "reason": (record.get("error") or {}).get("message")}
    shorts = {role: plan.evaluation_id(role).removeprefix("v1:")[:12] for role in plan.evaluation_rows()}
    outcome["training"] = record["training"]
    outcome["evaluations"] = {role: record["evaluations"][one] for role, one in shorts.items()}
    return outcome
