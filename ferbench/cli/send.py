"""``ferbench runs send``: let a tracker have runs that it has not heard of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.option_values import assignments
from ferbench.cli.places import results_option


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RunType(), metavar="RUN...")
@click.option("--tracker", required=True, metavar="NAME", help="What is sent to.")
@click.option("--set", "sets", multiple=True, metavar="OPTION=VALUE", help="An option of the tracker. Repeatable.")
@results_option
@plugin_option
def send(runs: Sequence[str], tracker: str, sets: tuple[str, ...], results: Path, plugin: Sequence[str]) -> None:
    """Send runs that have ended to a tracker, epoch by epoch, as it would have heard of them.

    For a tracker that was left out while a run was trained, since it did not answer, or that nobody asked for then.

    \b
    ferbench runs send my-run --tracker mlflow --set uri=http://tracking.example:5000
    """
    from ferbench.experiment.resolve import ChosenComponent
    from ferbench.plugin.discovery import load_registry
    from ferbench.runs.find import find_run
    from ferbench.training import trackers

    component = load_registry(plugin).find("tracker", tracker)
    chosen = ChosenComponent(component, component.options().validate(assignments(component, sets), "tracker"))
    for run in dict.fromkeys(runs):
        directory = find_run(results, run)
        trackers.send(directory, chosen)
        click.echo(f"sent: run {directory.path.name}, {len(directory.epochs())} epochs, to {component.where}")
