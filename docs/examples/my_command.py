"""`ferbench my-command` says how many runs there are of each model."""

import json
from collections import Counter
from pathlib import Path

import click

import ferbench


@ferbench.hookimpl
def ferbench_commands() -> list[ferbench.CommandSpec]:
    return [ferbench.CommandSpec("my-command", build="my_command:my_command", summary="Counts the runs of each model")]


@click.command("my-command")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), help="Where the runs are.")
def my_command(results: Path) -> None:
    """Count the runs of each model."""
    records = [json.loads(file.read_text(encoding="utf-8")) for file in results.glob("runs/*/run.json")]
    if not records:
        raise ferbench.UserError(f"there are no runs in {results}", "make one with 'ferbench run'")
    for model, count in Counter(record["components"]["model"]["name"] for record in records).most_common():
        click.echo(f"{model}: {count}")
