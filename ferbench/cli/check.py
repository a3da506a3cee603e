"""``ferbench plugins check``: does a component do what its kind must?"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.completion import ComponentType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import PathType
from ferbench.kinds import BY_NAME

if TYPE_CHECKING:
    from ferbench.testing import Subject, Verdict

_MARKS = {"passed": "ok", "failed": "failed", "skipped": "skipped", "noted": "note"}
_COLOURS = {"passed": "green", "failed": "red"}


@click.command()
@click.argument("name", type=ComponentType())
@click.option("--kind", type=click.Choice(list(BY_NAME)), help="Only a component of this kind.")
@plugin_option
@click.option("--set", "sets", multiple=True, metavar="OPTION=VALUE", help="An option of the component. Repeatable.")
@click.option("--data", type=PathType(exists=True), help="The files of a dataset that reads some.")
@click.option("--image-size", type=click.IntRange(min=1), help="Input of a model in pixels; default: all it claims.")
@click.option("--classes", "class_names", help="Names of the task's classes, joined by commas; default: seven.")
@click.option("--model", type=ComponentType("model"), help="A model that gives what a loss needs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    name: str,
    kind: str | None,
    plugin: tuple[str, ...],
    sets: tuple[str, ...],
    data: Path | None,
    image_size: int | None,
    class_names: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Hold the component NAME (or DISTRIBUTION:NAME) to every rule of its kind.

    Prints a verdict for each rule; the exit code is 1 when one is broken. The same rules are tests in
    ferbench.testing.
    """
    from ferbench.cli.option_values import assignments
    from ferbench.errors import UserError
    from ferbench.plugin.component import UnusableComponent
    from ferbench.plugin.discovery import load_registry
    from ferbench.plugin.partners import check_partners
    from ferbench.testing import Subject

    registry = load_registry(plugin)
    component = registry.find(kind, name)
    partner = None if model is None else registry.find("model", model)
    if partner is not None:
        if component.kind != "loss":
            raise UserError(
                f"--model {model}: {component.where} is no loss, and has no use for a model", "leave it out"
            )
        check_partners(component, partner, registry)
    options = assignments(component, sets)
    with contextlib.suppress(UnusableComponent):  # which is a verdict; a wrong option is a mistake
        component.options().validate(options, component.kind)
    names = tuple(part.strip() for part in class_names.split(",")) if class_names else None
    chosen: dict[str, Any] = {} if names is None else {"class_names": names}
    verdicts = _verdicts(Subject(component, options, data, image_size, partner=partner, **chosen), quiet=as_json)
    broken = [verdict.rule for verdict in verdicts if verdict.status == "failed"]
    if as_json:
        record = {
            "name": component.name,
            "qualified_name": component.qualified_name,
            "kind": component.kind,
            "version": component.version,
            "passed": not broken,
            "rules": [{**asdict(verdict), "seconds": round(verdict.seconds, 3)} for verdict in verdicts],
        }
        echo_json(record)
    else:
        tried = sum(verdict.status in ("passed", "failed") for verdict in verdicts)
        summary = (
            f"{len(broken)} broken: {', '.join(broken)}" if broken else f"all {tried} rules that were tried are kept"
        )
        click.echo(f"{component.where}: {summary}")
    if broken:
        raise click.exceptions.Exit(1)


def _verdicts(subject: Subject, quiet: bool) -> list[Verdict]:
    import sys

    from ferbench.testing import check as verdicts_of

    coming = verdicts_of(subject)
    verdicts: list[Verdict] = []
    while True:
        with contextlib.redirect_stdout(sys.stderr):  # what the component prints is no verdict
            verdict = next(coming, None)
        if verdict is None:
            return verdicts
        verdicts.append(verdict)
        if not quiet:
            mark = click.style(f"{_MARKS[verdict.status]:8}", fg=_COLOURS.get(verdict.status))
            note = f" · {verdict.said}" if verdict.said else ""
            click.echo(f"{mark}{verdict.rule}: {verdict.summary}{note}")
