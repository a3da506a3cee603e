"""``--format`` and ``--json``, and tables in the formats that people paste."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ferbench.tables.table import Table

FORMATS = ("terminal", "md", "csv", "json", "html", "latex")


def format_options(command: Any) -> Any:
    """``--format`` as ``form`` and ``--json`` as ``as_json``; `ferbench.cli.json_output.chosen_format` joins them."""
    form = click.option(
        "--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True, help="Print as."
    )
    return form(click.option("--json", "as_json", is_flag=True, help="Short for --format json.")(command))


def in_terminal(tables: Iterable[Table], spare: Sequence[str] = ()) -> list[str]:
    """Tables for the terminal that stdout is, each with its caption and notes.

    Args:
        tables: the tables.
        spare: keys of columns that a narrow terminal goes without, first to go first.
    """
    from ferbench.cli.tables import terminal_width
    from ferbench.tables.terminal import to_terminal
    from ferbench.wording import one_line

    width = terminal_width()
    return [
        "\n".join([one_line(table.caption), *to_terminal(table, width, spare=spare), *map(one_line, table.notes)])
        for table in tables
    ]


def print_tables(form: str, title: str, tables: Sequence[Table], lead: str = "") -> None:
    """Print tables as ``html``, ``md`` or ``latex``, below a sentence where there is one to lead them."""
    if form == "html":
        from ferbench.report.page import tables_page

        click.echo(tables_page(title, tables, lead=lead), nl=False)
        return
    from ferbench.tables.formats import paragraph, to_latex, to_markdown

    written = [to_markdown(table) if form == "md" else to_latex(table) for table in tables]
    click.echo("\n".join([*([paragraph(lead, form)] if lead else []), *written]), nl=False)
