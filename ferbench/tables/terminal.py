"""A table as plain lines for a terminal. Thousands of rows are laid out in a moment, where rich takes seconds."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from ferbench.tables.table import Table, shown
from ferbench.wording import one_line

_GAP = 2

#: Among ``spare``: the lowest and highest seed in brackets, of all columns.
BRACKETS = "(lowest–highest)"


def to_terminal(table: Table, width: int | None, *, spare: Sequence[str] = ()) -> list[str]:
    """Header, rows, and where it applies a line that names the columns left out.

    Cells are never cut or folded: when no more columns may go, lines are longer than the terminal.

    Args:
        table: its caption and notes are not shown.
        width: columns of the terminal; None: everything is shown.
        spare: keys of the columns that are left out when the terminal is too narrow, first to go first; `BRACKETS`
            among them.
    """
    header = [_measured(column.label) for column in table.columns]
    rows, widths = _laid_out(table, header, brief=False)
    kept = list(range(len(widths)))
    left_out = []
    for key in spare:
        if width is None or sum(widths[place] + _GAP for place in kept) - _GAP <= width:
            break
        if key == BRACKETS:
            several = rows
            rows, widths = _laid_out(table, header, brief=True)
            if rows != several:
                left_out.append("lowest and highest seed")
        for place in [place for place in kept if table.columns[place].key == key]:
            kept.remove(place)
            left_out.append(table.columns[place].label)
    right = [column.numeric for column in table.columns]

    def line(cells: Sequence[tuple[str, int]]) -> str:
        padded = []
        for place in kept:
            text, wide = cells[place]
            blanks = " " * (widths[place] - wide)
            padded.append(blanks + text if right[place] else text + blanks)
        return (" " * _GAP).join(padded).rstrip()

    lines = [line(header), *(line(row) for row in rows)]
    if left_out:
        lines.append(f"left out for want of width: {', '.join(map(one_line, left_out))}")
    return lines


def _laid_out(
    table: Table, header: list[tuple[str, int]], *, brief: bool
) -> tuple[list[list[tuple[str, int]]], list[int]]:
    """The cells with their widths, and the width of each column."""
    known: dict[str, tuple[str, int]] = {}
    rows = []
    for row in table.rows:
        texts = (shown(cell, column.kind, brief=brief) for cell, column in zip(row, table.columns, strict=True))
        rows.append([known.get(text) or known.setdefault(text, _measured(text)) for text in texts])
    return rows, [max(cell[1] for cell in column) for column in zip(header, *rows, strict=True)]


def _measured(text: str) -> tuple[str, int]:
    narrow = text.replace("–", "-").replace("−", "-")  # in most numbers, and as wide as ASCII
    if narrow.isascii() and narrow.isprintable():
        clean = " ".join(text.split())
        return clean, len(clean)
    clean = one_line(text)
    return clean, cell_len(clean)
