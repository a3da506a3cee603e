"""``ferbench run``: train and evaluate one combination of plugins, or a grid of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.api.conduct import Outcome, refuse_shared, run_all
from ferbench.api.given import MOST_WORKERS
from ferbench.cli.completion import SettingType, plugin_option
from ferbench.cli.devices import devices_option
from ferbench.cli.fold_results import cross_validations, pooled_plain, show_cross_validations, show_unpooled
from ferbench.cli.grid_progress import GridProgress, SeveralProgress
from ferbench.cli.json_output import echo_json
from ferbench.cli.naming import warn_of_digits
from ferbench.cli.packed import preparer
from ferbench.cli.places import cache_option, results_option
from ferbench.cli.recipe_options import (
    recipe_options,
    set_option,
    short_forms,
    skip_faulty_option,
    start_option,
    take_short_forms,
)
from ferbench.display import keep_working
from ferbench.errors import UserError
from ferbench.experiment.fold_axis import EVERY_PERSON
from ferbench.kinds import SECTIONS
from ferbench.training.torchrun import asked_devices

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan
    from ferbench.experiment.prepare import Combination, Preparer


class FoldsType(click.ParamType):
    """A number of folds, or ``person``."""

    name = "folds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == EVERY_PERSON:
            return EVERY_PERSON
        if not str(value).isdecimal() or int(value) < 2:
            self.fail(f"{value!r} is no number of folds, 2 or more, nor '{EVERY_PERSON}'", param, ctx)
        return int(value)


@click.command()
@recipe_options("Repeat any of these flags to make a grid.")
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, help="Training seed; repeatable.")
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="K",
    help="Validate every fold of K and test none, as training.folds=K does: data.fold = 1/K … K/K.",
)
@click.option(
    "--test-folds",
    type=FoldsType(),
    metavar="K|person",
    help="Test every fold of K, cut by person where people are known, or leave one person out; validation is cut from "
    "the rest. As training.test_folds=K does: data.test_fold = 1/K … K/K.",
)
@short_forms("Repeat it, or the two below, to make a grid.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="M",
    help="Time a few batches, and set training.epochs, alike for all runs, so that they end within M minutes here.",
)
@set_option
@click.option(
    "--grid", "axes", type=SettingType(), multiple=True, metavar="KEY=V1,V2", help="Try several values of a field."
)
@start_option
@devices_option
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=1,
    metavar="N",
    help="Train N runs of a grid at once, each on its share of the CPU threads and, in turn, a GPU; default: 1.",
)
@click.option("--name", help="Name of the run; in a grid with what varies: NAME-cnn4-s0.")
@click.option(
    "--variant", "variants", multiple=True, metavar="NAME", help="Run this one of the recipe's variants; repeatable."
)
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
    workers: int,
    minutes: float | None,
    **asked: Any,
) -> None:
    """Train a combination of plugins and test it once.

    RECIPE is a TOML file; flags win over --set, --set over the recipe, the recipe over the defaults. Repeating a
    component flag or --seed, or giving --grid, runs every combination. A run that is done already is reused. With
    --from, the settings of that run come before the recipe's; to go on with a run as it is, see 'ferbench resume'.

    \b
    ferbench run --dataset fer2013 --data DIR --model basic-cnn --epochs 10
    ferbench run RECIPE.toml --seed 0 --seed 1 --grid training.batch_size=64,128
    ferbench run --from my-run@best --sampler adaptive --set training.epochs=5
    ferbench run RECIPE.toml --seed 0 --seed 1 --seed 2 --seed 3 --workers 2
    ferbench run RECIPE.toml --devices 2
    ferbench run RECIPE.toml --minutes 30
    """
    devices = asked_devices(devices)
    from ferbench.experiment.prepare import plan_all
    from ferbench.plugin.discovery import load_registry

    prepares = preparer(load_registry(plugin), results, cache, quiet=quiet or as_json)
    if minutes is not None:
        asked["epochs"] = (_epochs_in(minutes, prepares, workers, devices=devices, **asked),)
    combinations = combinations_of(prepares, devices=devices, **asked)
    refuse_shared(combinations, workers)
    plan_all(combinations, prepares, results)
    for name in dict.fromkeys(combination.asked_name for combination in combinations if combination.asked_name):
        warn_of_digits(name)
    if dry_run:
        from ferbench.cli.dry_run import show_plan

        show_plan(combinations, as_json=as_json, workers=workers)
        return
    shown = {"quiet": quiet or as_json, "tables": not as_json, "with_report": with_report}
    conduct(combinations, results, cache, plugin, workers=workers, **shown)


def _epochs_in(minutes: float, prepares: Preparer, workers: int, **asked: Any) -> int:
    """As many epochs as fit into ``minutes`` for all that is asked for, which is said.

    Raises:
        UserError: the number of epochs is given too, or one does not fit.
    """
    said = [text for text in (*asked["sets"], *asked["axes"]) if text.partition("=")[0].strip() == "training.epochs"]
    said += [f"--epochs {asked['epochs'][0]}"] if asked["epochs"] else []
    if said:
        raise UserError(f"--minutes chooses training.epochs, and {said[0]} does too", "leave one of them out")
    from ferbench.processes.workers import threads_each
    from ferbench.training.estimate import Estimator
    from ferbench.training.time_budget import fitting_epochs

    quiet = replace(prepares, warn=lambda line: None)  # what there is to warn of is said when they are planned to run
    plans: dict[int, dict[str, Plan]] = {1: {}, 2: {}}
    for epochs, of_it in plans.items():
        for place, one in enumerate(combinations_of(quiet, **{**asked, "epochs": (epochs,)})):
            if one.resolved is None:
                continue
            try:
                of_it[str(place)] = quiet.plan(one.resolved, one.start, one.teacher)
            except UserError:  # which is said when it is skipped
                continue
    unlike = {plan.training_id: place for place, plan in plans[1].items() if place in plans[2]}  # trained once each
    once, twice = ([plans[epochs][place] for place in unlike.values()] for epochs in (1, 2))
    ways = min(workers, len(once)) or 1
    chosen = fitting_epochs(minutes, once, twice, ways, Estimator(threads_each(ways)))
    click.echo(
        f"training.epochs = {chosen:,}, to end within {minutes:g} minutes; to do the same again: --epochs {chosen}",
        err=True,
    )
    return chosen


def combinations_of(
    prepares: Preparer,
    *,
    tracker_names: Sequence[str],
    seeds: Sequence[int],
    folds: int | None,
    test_folds: int | str | None,
    devices: int | None,
    **asked: Any,
) -> list[Combination]:
    """The combinations that the flags of ``ferbench run`` ask for, checked as far as that needs no data.

    Args:
        prepares: prepares them.
        tracker_names: ``--tracker``.
        seeds: ``--seed``.
        folds: ``--folds``.
        test_folds: ``--test-folds``.
        devices: ``--devices``.
        asked: the flags of components, as ``model_names``, and short forms of settings; others go to
            `ferbench.experiment.request`.

    Raises:
        UserError: something of it is wrong, or no combination makes sense.
    """
    from ferbench.experiment.fold_axis import axis
    from ferbench.experiment.request import asked_combinations

    components = {section: asked.pop(f"{section}_names") for section in SECTIONS}
    fields: dict[str, Sequence[Any]] = {
        "training.seed": seeds,
        "runtime.devices": [] if devices is None else [devices],
        "data.fold": axis(folds) if folds is not None else [],
        "data.test_fold": axis(test_folds) if test_folds is not None else [],
        **take_short_forms(asked, {"--set": asked["sets"], "--grid": asked["axes"]}),
    }
    return asked_combinations(prepares, components, trackers=tracker_names, fields=fields, **asked)


def conduct(
    combinations: Sequence[Combination],
    results: Path,
    cache: Path,
    plugins: Sequence[str],
    *,
    quiet: bool,
    workers: int = 1,
    tables: bool = True,
    with_report: bool = True,
) -> None:
    """Run what is to be run, show it, and end with exit code 1 where something failed."""
    keep_working()
    shown = SeveralProgress if workers > 1 and len(combinations) > 1 else GridProgress
    with (
        shown(len(combinations), quiet=quiet, tables=tables) as progress,
        redirect_stdout(sys.stderr),  # what models print while they are trained is no result
    ):
        outcomes = run_all(combinations, results, cache, plugins, progress, workers)
    several = cross_validations(outcomes)
    if tables and len(combinations) > 1:
        from ferbench.cli.results import show_comparison

        show_comparison(outcomes)
        show_cross_validations(several)
        show_unpooled(outcomes)
    page = write_report(outcomes, results, plugins) if with_report else None
    if not tables:
        plain = [outcome.plain() for outcome in outcomes]
        about = {} if page is None else {"report": str(page)}
        for validation in several:
            for number in validation.members:
                plain[number]["cross_validation"] = validation.to_json()
        for outcome, about_it in zip(outcomes, plain, strict=True):
            if outcome.combination.settings.get("data", {}).get("test_fold"):
                about_it["pooled"] = None if outcome.pooled is None else pooled_plain(outcome.pooled)
        echo_json([outcome | about for outcome in plain])
    elif page is not None:
        click.echo(f"report: {page}")
    if any(outcome.status in ("failed", "diverged") for outcome in outcomes):
        sys.exit(1)


def write_report(outcomes: Sequence[Outcome], results: Path, plugins: Sequence[str] = ()) -> Path | None:
    """Write the page on these runs; None when there is nothing to show or no room for it, which loses no result."""
    from ferbench.report.contents import read_runs
    from ferbench.report.export import report_path, write_page
    from ferbench.report.page import compose
    from ferbench.report.sections import find_sections

    pooled = {outcome.pooled.path: outcome.pooled for outcome in outcomes if outcome.pooled is not None}
    asked = {
        outcome.directory.path: outcome.directory for outcome in outcomes if outcome.directory is not None
    } | pooled
    directories = [directory for directory in asked.values() if directory.exists()]
    if not directories:
        return None
    try:
        path = report_path(results, directories)
        write_page(compose(read_runs(directories), find_sections(plugins)), path)
    except UserError as error:
        click.echo(f"no report was written: {error.message}\n  → {error.remedy}", err=True)
        return None
    return path
