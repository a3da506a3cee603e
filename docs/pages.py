"""Writes the pages of the reference that are made from the code: ``python docs/pages.py``, or ``make docs``.

``tests/docs/test_pages.py`` fails where a page no longer says what the code does.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ferbench.cli import COMMANDS, cli
from ferbench.cli.component_page import describe, search_range, shown_value
from ferbench.plugin.discovery import load_registry
from ferbench.plugin.registry import KINDS

_REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by `make docs` from the code. Edits here are lost. -->\n"


def commands() -> str:
    """Every command with its help and options."""
    parts = [
        "# Commands\n",
        _NOTE,
        "What `ferbench COMMAND --help` says. Exit codes: 0 done, 1 failed, 2 the user's mistake, 128 and the number "
        "of the signal when one ended the command (130: Ctrl-C).\n",
    ]
    context = click.Context(cli, info_name="ferbench")
    added = load_registry(environ={"FERBENCH_PLUGINS": ""}).components("command")
    for name in [*COMMANDS, *(component.name for component in added)]:
        command = cli.get_command(context, name)
        assert command is not None
        parts.extend(_command(command, click.Context(command, info_name=name, parent=context), "##"))
    return "\n".join(parts)


def _command(command: click.Command, context: click.Context, heading: str) -> Iterator[str]:
    yield f"{heading} `{context.command_path}`\n"
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n"
    yield f"{_prose(command.help or '')}\n"
    shown = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if shown:
        yield _table(["option", "meaning"], [_parameter(option, context) for option in shown])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, click.Context(inner, info_name=name, parent=context), heading + "#")


def _parameter(option: click.Option, context: click.Context) -> list[str]:
    record = option.get_help_record(context)
    assert record is not None
    names, text = record
    flags, _, value = names.partition("  ") if "  " in names else (names, "", "")
    return [f"`{flags.strip()}`" + (f" {value}" if value else ""), text]


def _prose(text: str) -> str:
    """Help text as Markdown: click keeps lines after a ``\\b`` as they are; these become code."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            paragraphs.append("\n".join(f"    {line}" for line in paragraph.lstrip("\b\n").splitlines()))
        else:
            paragraphs.append(" ".join(paragraph.split()).replace("``", "`").replace("<", "\\<"))
    return "\n\n".join(paragraphs)


def options() -> str:
    """Every built-in component with its options."""
    parts = [
        "# Options of the built-in components\n",
        _NOTE,
        "What `ferbench plugins show NAME` says. An option is set in the recipe's section, or with "
        "`--set section.option=value`; the search range is what [`ferbench tune`](commands.md) tries by default.\n",
    ]
    registry = load_registry(environ={"FERBENCH_PLUGINS": ""})
    for kind in KINDS:
        components = registry.components(kind)
        if not components or kind in ("command", "report-section"):
            continue
        parts.append(f"## {kind.capitalize()}\n")
        for component in components:
            record = describe(component, component.options())
            parts += [f"### `{record['name']}`\n", f"{record['summary']}.\n"]
            rows = [_option(option) for option in record["options"]]
            columns = ["option", "type", "default", "bounds", "search range", "meaning"]
            parts.append(_table(columns, rows) if rows else "It has no options.\n")
    return "\n".join(parts)


def _option(option: dict[str, Any]) -> list[str]:
    default = "required" if option["required"] else f"`{shown_value(option['default'])}`"
    return [
        f"`{option['name']}`",
        option["type"],
        default,
        option["bounds"],
        search_range(option["tunable"]),
        option["description"],
    ]


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|").replace("<", "\\<")


#: The pages by file name.
PAGES = {"commands.md": commands, "options.md": options}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (_REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
