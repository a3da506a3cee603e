"""A table in the formats that people paste and programs read.

Text comes from records, which anybody may have written: every format keeps it text. People get numbers as
`ferbench.tables.table.shown` rounds them, programs exact ones.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ferbench.tables.table import Cell, Column, Spread, Table
from ferbench.wording import one_line

if TYPE_CHECKING:
    import pandas as pd

_PARTS = ("mean", "min", "max")
_ENDS = ("ci_low", "ci_high")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(table: Table) -> str:
    """RFC 4180 with exact numbers; column keys are the header.

    A column of spreads becomes ``KEY_mean``, ``KEY_min`` and ``KEY_max``, one with intervals has ``KEY_ci_low`` and
    ``KEY_ci_high`` too. Text that a spreadsheet would run as a
    formula gets an apostrophe in front.
    """
    header = [csv_text(key) for column in table.columns for key in _headers(column)]
    rows = (zip(row, table.columns, strict=True) for row in table.rows)
    return csv_lines(
        [header, *([_exact(value) for cell, column in row for value in _values(cell, column)] for row in rows)]
    )


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows of cells as CSV, a line each, as they are: see `csv_text` for cells that somebody else wrote."""
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = list(row)
        # The writer quotes no carriage return but where it ends lines, and readers end lines there.
        (quoted if any("\r" in cell for cell in cells if isinstance(cell, str)) else plain).writerow(cells)
    return text.getvalue()


def to_frame(table: Table) -> pd.DataFrame:
    """The table as a frame with the columns of `to_csv`, less the rows that summarise others.

    Whole numbers are ``Int64``, other numbers ``float64``, text is ``str``; an empty cell is missing.
    """
    import pandas as pd

    body = table.rows[: len(table.rows) - table.summary]
    headers = [(key, column) for column in table.columns for key in _headers(column)]
    rows = [
        [value for cell, column in zip(row, table.columns, strict=True) for value in _values(cell, column)]
        for row in body
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(headers)
    arrays = {}
    for (key, column), values in zip(headers, columns, strict=True):
        whole = all(value is None or isinstance(value, int) for value in values)
        dtype = "str" if not column.numeric else "Int64" if whole and column.kind in ("count", "number") else "float64"
        arrays[key] = pd.array([None if value != value else value for value in values], dtype=dtype)
    return pd.DataFrame(arrays)


def to_json_value(table: Table) -> dict[str, Any]:
    """The table as plain values: ``id``, ``caption``, ``columns``, ``rows`` by column key, ``summary`` rows, ``above``,
    ``notes``.

    A spread is ``{"mean", "min", "max"}``; ``KEY_ci`` is its interval ``[low, high]`` where there is one; an empty cell
    and a number that is none are None.
    """
    rows = []
    for row in table.rows:
        values: dict[str, Any] = {}
        for cell, column in zip(row, table.columns, strict=True):
            ends = cell.interval if isinstance(cell, Spread) else None
            values[column.key] = _json_cell(cell.mean if isinstance(cell, Spread) and not column.spread else cell)
            if ends is not None:
                values[f"{column.key}_ci"] = list(ends)
        rows.append(values)
    body = len(rows) - table.summary
    return {
        "id": table.id,
        "caption": table.caption,
        "columns": [
            {key: getattr(column, key) for key in ("key", "label", "kind", "about")} for column in table.columns
        ],
        "rows": rows[:body],
        "summary": rows[body:],
        "above": list(table.above),
        "notes": list(table.notes),
    }


def to_markdown(table: Table) -> str:
    """A pipe table as GitHub and most readers have it, below its caption and above its notes."""
    rows = [[_markdown(cell) for cell in row] for row in table.shown()]
    body = len(rows) - table.summary
    rows[body:] = [[f"**{cell}**" if cell else "" for cell in row] for row in rows[body:]]
    header = [_markdown(column.label) for column in table.columns]
    widths = [max(3, *(len(row[place]) for row in (header, *rows))) for place in range(len(header))]
    numeric = [column.numeric for column in table.columns]

    def line(cells: Iterable[str]) -> str:
        padded = (c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = ["-" * (w - 1) + ":" if right else "-" * w for w, right in zip(widths, numeric, strict=True)]
    above = [text for note in table.above for text in (_markdown(note), "")]
    lines = [f"**{_markdown(table.caption)}**", "", *above, line(header), line(rule), *(line(row) for row in rows)]
    for note in table.notes:
        lines += ["", _markdown(note)]
    return "\n".join(lines) + "\n"


def paragraph(text: str, form: str) -> str:
    """A sentence by itself, in ``md`` or ``latex``."""
    return f"{_markdown(text) if form == 'md' else _latex(text)}\n"


def to_latex(table: Table) -> str:
    """A floating ``table`` with booktabs rules, its caption and the label ``tab:ID``.

    Accented Latin letters are left to the engine (UTF-8 is what LaTeX reads since 2018); signs that its text fonts lack
    are written as commands, or as ``?`` where there is none.
    """
    numeric = ["r" if column.numeric else "l" for column in table.columns]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}[htbp]",
        r"  \centering",
        rf"  \caption{{{_latex(table.caption)}}}",
        rf"  \label{{tab:{table.id}}}",
        *(rf"  {{\footnotesize {_latex(note)}\par}}\smallskip" for note in table.above),
        rf"  \begin{{tabular}}{{{''.join(numeric)}}}",
        r"    \toprule",
        _latex_row(column.label for column in table.columns),
        r"    \midrule",
    ]
    rows = list(table.shown())
    for number, row in enumerate(rows):
        if number and number == len(rows) - table.summary:
            lines.append(r"    \midrule")
        lines.append(_latex_row(row))
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    # An empty line begins the paragraph below the table.
    lines += [line for note in table.notes for line in ("", rf"  \footnotesize {_latex(note)}")]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _headers(column: Column) -> list[str]:
    keys = [f"{column.key}_{part}" for part in _PARTS] if column.spread else [column.key]
    return [*keys, *(f"{column.key}_{end}" for end in _ENDS)] if column.interval else keys


def _values(cell: Cell, column: Column) -> tuple[Cell, ...]:
    parts: tuple[Cell, ...] = (cell.mean if isinstance(cell, Spread) else cell,)
    if column.spread:
        parts = (cell.mean, cell.low, cell.high) if isinstance(cell, Spread) else (cell,) * 3
    if column.interval:
        parts += (cell.interval if isinstance(cell, Spread) else None) or (None, None)
    return parts


def _exact(cell: Cell) -> str:
    if cell is None or cell != cell:
        return ""
    return csv_text(cell) if isinstance(cell, str) else repr(cell)


def csv_text(text: str) -> str:
    """Text in one line that no spreadsheet takes for a formula: with an apostrophe in front where one would."""
    clean = one_line(text)
    runs = text.startswith(_FORMULA) or unicodedata.normalize("NFKC", clean[:1]).startswith(_FORMULA)
    return f"'{clean}" if runs else clean


def _json_cell(cell: Cell) -> Any:
    if isinstance(cell, Spread):
        return {part: _json_cell(value) for part, value in zip(_PARTS, (cell.mean, cell.low, cell.high), strict=True)}
    # JSON has neither NaN nor infinity.
    return None if isinstance(cell, float) and not -float("inf") < cell < float("inf") else cell


# What CommonMark and its GitHub extensions give a meaning within a line, and the bar that ends a cell.
_MARKUP = re.compile(r"[\\`*_{}\[\]()#!|~<>&$^@]")
# What means something in text that is otherwise left as it is: underscores at the edge of a word, addresses, lists.
_ADDRESS = re.compile(r"(?i)(https?|ftp|mailto|www)([:.])")
_MEANING = re.compile(r"(?<![^\W_])_|_(?![^\W_])|\bwww\.|://|^[-+]|^\d+[.)]\s")


def _markdown(text: str) -> str:
    entities = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "\\|"}
    clean = one_line(text)
    if re.fullmatch(r"[\w.,: %+()−–-]*", clean) and not _MEANING.search(clean):
        return clean  # names such as macro_f1 and brackets alone mean nothing: left readable
    escaped = _MARKUP.sub(lambda sign: entities.get(sign[0], "\\" + sign[0]), clean)
    escaped = re.sub(r"^(\d*)([-+.)])", r"\1\\\2", escaped)  # a list
    return _ADDRESS.sub(lambda part: f"{part[1]}&#{ord(part[2])};", escaped)


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",  # the straight one needs T1 fonts
    "`": "{`}",  # in braces, so that two of them stay two
    "'": "{'}",
    "[": "{[}",  # after the end of a row it would begin an option, as * would
    "*": "{*}",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "×": r"$\times$",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "²": r"\textsuperscript{2}",
    "°": r"\textdegree{}",
    "…": r"\ldots{}",
    "·": r"$\cdot$",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "„": r"\quotedblbase{}",
    "€": r"\texteuro{}",
    "\N{NO-BREAK SPACE}": "~",
    "µ": r"\textmu{}",
    "▲": r"$\bigtriangleup$",  # the filled ones need amssymb
    "▼": r"$\bigtriangledown$",
    "●": r"$\bullet$",
    "Δ": r"$\Delta$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "κ": r"$\kappa$",
    "σ": r"$\sigma$",
}


def _latex(text: str) -> str:
    # Two hyphens would become a dash, and two brackets or apostrophes other signs.
    spaced = re.sub(r"-(?=-)", "-\0", unicodedata.normalize("NFC", one_line(text)))
    return "".join("{}" if character == "\0" else _latex_character(character) for character in spaced)


def _latex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isascii() or (character.isalpha() and unicodedata.name(character, "").startswith("LATIN ")):
        return character
    plain = unicodedata.normalize("NFKD", character)
    return "".join(_LATEX.get(letter, letter) for letter in plain) if plain.isascii() else "?"


def _latex_row(cells: Iterable[str]) -> str:
    return f"    {' & '.join(map(_latex, cells))} \\\\"
