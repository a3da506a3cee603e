"""``ferbench plan``: register what will be compared before the test set is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ferbench.cli.completion import SettingType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import OutputType, PathType, cache_option, results_option
from ferbench.cli.recipe_options import set_option, skip_faulty_option


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...", type=PathType(dir_okay=False))
@click.option(
    "--output",
    "-o",
    type=OutputType(),
    metavar="FILE",
    help="Where the plan goes; default: plan.toml in the results directory, where leaderboards and reports find it.",
)
@click.option("--metric", default="macro_f1", show_default=True, help="What configurations are compared by.")
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, help="Training seed; repeatable.")
@set_option
@click.option(
    "--grid", "axes", type=SettingType(), multiple=True, metavar="KEY=V1,V2", help="Plan several values of a field."
)
@click.option(
    "--data",
    type=click.Path(),
    multiple=True,
    metavar="[NAME=]DIR",
    help="Where the dataset's files are; with several datasets, NAME=DIR for each.",
)
@skip_faulty_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@results_option
@cache_option
@plugin_option
def plan(
    recipes: tuple[Path, ...],
    output: Path | None,
    metric: str,
    seeds: Sequence[int],
    sets: Sequence[str],
    axes: Sequence[str],
    data: Sequence[str],
    skip_faulty: bool,
    as_json: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
) -> None:
    """Register what will be compared before the test set is read.

    Every combination of the recipes is planned: its configuration, seed and test set, and the metric. Refused where the
    test set was read already by one of them. Leaderboard and report then mark results as planned or exploratory, and
    say which planned runs are missing and whether the plan was changed.

    \b
    ferbench plan ours.toml theirs.toml --seed 0 --seed 1 --seed 2
    ferbench plan ours.toml theirs.toml --metric accuracy -o plan.toml
    """
    from ferbench.api.plan import check_plan_request, register, registered_lines
    from ferbench.cli.packed import preparer
    from ferbench.plugin.discovery import load_registry

    path = check_plan_request(recipes, metric, output, results)
    prepares = preparer(load_registry(plugin), results, cache, quiet=as_json)
    asked = {"data": data, "sets": sets, "axes": axes, "fields": {"training.seed": seeds}, "skip_faulty": skip_faulty}
    made = register(recipes, prepares, path, results, metric, **asked)
    if as_json:
        echo_json(made.plain())
        return
    for line in registered_lines(made):
        click.echo(line)
