"""Tables and text as HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ferbench.tables.table import Table


def table_html(table: Table) -> str:
    """A table with its caption above and its notes below."""
    sides = [f' style="text-align:{"right" if column.numeric else "left"}"' for column in table.columns]

    def row(tag: str, cells: Iterable[str]) -> str:
        aligned = zip(sides, cells, strict=True)
        return "".join(["<tr>", *(f"<{tag}{side}>{escape(cell)}</{tag}>" for side, cell in aligned), "</tr>"])

    head = row("th", [column.label for column in table.columns])
    body = "".join(row("td", cells) for cells in table.shown())
    above = "".join(f"<p>{escape(note)}</p>" for note in table.above)
    below = "".join(f"<p><small>{escape(note)}</small></p>" for note in table.notes)
    return (
        f"<div><p><b>{escape(table.caption)}</b></p>{above}<table><thead>{head}</thead><tbody>{body}</tbody></table>"
        f"{below}</div>"
    )


def preformatted(text: str) -> str:
    """Text in lines, as it is."""
    return f"<pre>{escape(text)}</pre>"
