"""``ferbench ensemble``: the averaged predictions of finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.naming import warn_of_names
from ferbench.cli.places import results_option
from ferbench.display import keep_working
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.records.run import Run


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RunType(), metavar="RUN RUN...")
@click.option("--name", help="Name of the ensemble, which is a run like others.")
@click.option(
    "--weights", metavar="W,W,...", help="How much each run counts, in the order of the runs; default: all alike."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Only the result.")
@results_option
@plugin_option
def ensemble(
    runs: Sequence[str],
    name: str | None,
    weights: str | None,
    as_json: bool,
    quiet: bool,
    results: Path,
    plugin: Sequence[str],
) -> None:
    """Average the class probabilities of finished runs, for validation and test.

    A RUN is a name, the first digits of an id, or the path of a run directory. Predictions are joined by sample id and
    class name. The ensemble is a run of its own: the leaderboard and reports have it beside its members.

    \b
    ferbench ensemble cnn-s0 cnn-s1 cnn-s2 --name cnn-ensemble
    ferbench ensemble small large --weights 1,2
    """
    from ferbench.experiment.settings import check_run_name
    from ferbench.plugin.discovery import load_registry
    from ferbench.runs.ensemble import gather, make
    from ferbench.runs.find import find_run
    from ferbench.runs.members import read_member

    if name is not None:
        check_run_name(name)
    keep_working()
    made = gather([read_member(find_run(results, run)) for run in runs], _numbers(weights))
    directory, reused = make(made, results, name, lambda: load_registry(plugin))
    record = directory.load()
    if name is not None:
        warn_of_names(results, [(name, directory.path.name, record.identity.config_id)])
    assert record.ensemble is not None
    if as_json:
        about = {"run": directory.path.name, "name": record.name, "reused": reused, "directory": str(directory.path)}
        ids = {"training_id": record.identity.training_id, "config_id": record.identity.config_id}
        members = [member.plain() for member in record.ensemble.members]
        splits = {entry.split: {"evaluation": key, **entry.plain()} for key, entry in record.evaluations.items()}
        echo_json({**about, **ids, "members": members, "evaluations": splits})
        return
    _show(directory.path.name, record, reused=reused)
    if not quiet:
        click.echo(f"\nrecord: {directory.path}")


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"--weights {text}: not numbers", "write one number for each run: --weights 1,2") from error


def _show(run: str, record: Run, *, reused: bool) -> None:
    from ferbench.cli.results import show_result

    by_split = {entry.split: entry for entry in record.evaluations.values()}
    entry = by_split["test" if "test" in by_split else "validation"]
    named = () if record.ensemble is None else record.ensemble.members
    members = [f"{member.name or member.run} × {member.weight:.3g}" for member in named]
    synthetic = "synthetic images" if record.data.synthetic else ""
    facts = [f"{entry.split}, n = {entry.n:,}", synthetic, "reused" if reused else ""]
    show_result(run, f"ensemble of {', '.join(members)}", facts, entry)
