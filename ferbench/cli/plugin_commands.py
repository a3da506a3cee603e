"""Commands that installed plugins add."""

from __future__ import annotations

from collections.abc import Mapping

import click

from ferbench.errors import UserError


def offered() -> Mapping[str, str]:
    """Summaries by name; one that two plugins offer stands with each one's distribution. Broken plugins keep quiet."""
    from ferbench.cli import COMMANDS
    from ferbench.cli.completion import silent_registry

    registry = silent_registry(())
    ambiguous = registry.ambiguous()
    summaries = {}
    for component in registry.components("command"):
        qualified = component.name in COMMANDS or ("command", component.name) in ambiguous
        summaries[component.qualified_name if qualified else component.name] = component.spec.summary
    return summaries


def find(name: str) -> click.Command | None:
    """The command of that name, imported; None when no plugin offers it.

    Raises:
        UserError: two plugins offer it, its plugin is broken, or ``build`` names no command.
    """
    from ferbench.cli.completion import silent_registry

    registry = silent_registry(())
    owner, _, bare = name.rpartition(":")
    if not owner and all(component.name != bare for component in registry.components("command")):
        return None
    component = registry.find("command", name)
    command = component.builder()
    if not isinstance(command, click.Command):
        raise UserError(
            f"command '{name}' of plugin {component.plugin.title} cannot be used: '{component.spec.build}' is "
            f"{type(command).__name__}, no click.Command",
            "let `build` name a function that @click.command() decorates",
        )
    return command
