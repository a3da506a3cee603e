"""``ferbench plugins new``: a plugin that works as it is written, to start from."""

from __future__ import annotations

from pathlib import Path

import click

from ferbench.cli.places import PlaceType
from ferbench.kinds import WITH_SCAFFOLD


@click.command("new")
@click.argument("kind", type=click.Choice(WITH_SCAFFOLD))
@click.argument("name")
@click.option(
    "--output",
    type=PlaceType(),
    default=Path(),
    metavar="DIR",
    help="Where the package's folder, or the file, is put; default: here.",
)
@click.option("--single-file", is_flag=True, help="Write one file for --plugin instead of a package.")
def new_plugin(kind: str, name: str, output: Path, single_file: bool) -> None:
    """Write a plugin with a component of KIND called NAME, to start from.

    A package: pyproject.toml with the entry point, a light plugin.py, the implementation, tests that hold it to the
    rules of its kind, and a README. It works as it is written.
    """
    from ferbench.cli.completion import silent_registry
    from ferbench.scaffold.plugin import check_name, data_flag, write_plugin

    check_name(kind, name, silent_registry(()))
    target, *files = write_plugin(kind, name, output, single_file)
    click.echo(f"{target}")
    for file in files:
        click.echo(f"  {file.relative_to(target)}")
    data = data_flag(kind)
    click.echo("Next:")
    if single_file:
        click.echo(f"  ferbench plugins check {name} --kind {kind} --plugin {target}{data}")
    else:
        click.echo(f"  pip install -e '{target}[test]'")
        click.echo(f"  pytest {target}")
        click.echo(f"  ferbench plugins check {name} --kind {kind}{data}")
