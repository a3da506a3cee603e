"""Tables for people: fitted to a terminal; in a file or pipe one line a row, nothing cut."""

from __future__ import annotations

import io
import sys
from collections.abc import Collection, Iterable, Sequence

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ferbench.wording import one_line

_ENDLESS = 100_000
_FOLDED = 32  # columns that a folded cell has at least


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None when it is none."""
    return Console().width if sys.stdout.isatty() else None


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    whole: Collection[str] = (),
    right: Collection[str] = (),
) -> Table:
    """A table without borders.

    Args:
        columns: the headers; all empty: there is no header.
        rows: the cells as plain text.
        whole: columns that are never wrapped.
        right: columns that are aligned to the right.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(columns))
    for column in columns:
        made.add_column(
            Text(one_line(column)),
            no_wrap=column in whole,
            overflow="fold",
            justify="right" if column in right else "left",
        )
    for row in rows:
        bad = any(cell in ("broken", "clash", "slow") for cell in row)
        made.add_row(*(Text(one_line(cell)) for cell in row), style="red" if bad else None)
    return made


def fitting(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    *,
    spare: Sequence[str] = (),
    right: Collection[str] = (),
    folded: str | None = None,
) -> list[RenderableType]:
    """A table whose cells are never cut, with a line that names the columns left out to make it so.

    Args:
        columns: the headers.
        rows: the cells as plain text.
        width: columns of the terminal; None: everything is shown.
        spare: what is left out when the terminal is too narrow, first to go first. When that is not enough, lines are
            longer than the terminal.
        right: columns that are aligned to the right.
        folded: the one column whose cells may take several lines, where it still has room for some words.
    """
    shown = list(columns)
    left_out: list[str] = []
    measure = Console(width=_ENDLESS)
    while True:
        places = [columns.index(column) for column in shown]
        whole = [column for column in shown if column != folded]
        made = table(shown, [[row[p] for p in places] for row in rows], whole=whole, right=right)
        for column in made.columns:
            column.max_width = None if str(column.header) != folded else _FOLDED
        natural = measure.measure(made).maximum
        for column in made.columns:
            column.max_width = None
        candidates = [column for column in spare if column in shown]
        if width is None or natural <= width or not candidates:
            break
        shown.remove(candidates[0])
        left_out.append(candidates[0])
    made.min_width = natural
    if not left_out:
        return [made]
    return [made, Text(f"left out for want of width: {', '.join(left_out)}", style="dim")]


def show(parts: Sequence[RenderableType], width: int | None) -> None:
    """Print ``parts`` fitted to ``width`` columns; None: as wide as they are, without trailing blanks."""
    if width is not None:
        for part in parts:
            wide = part.min_width if isinstance(part, Table) and part.min_width else 0
            Console(width=max(width, wide), highlight=False).print(part, crop=False)
        return
    text = io.StringIO()
    console = Console(file=text, width=_ENDLESS, highlight=False, color_system=None)
    for part in parts:
        console.print(part)
    click.echo("\n".join(line.rstrip() for line in text.getvalue().splitlines()))
