"""Tables of scores as people pass them on: CSV, a Markdown table, or the text that scikit-learn prints."""

from __future__ import annotations

import re

from ferbench.errors import UserError
from ferbench.tables.reading import records_of

LAYOUT = (
    "the first line names the columns class, precision, recall, f1, support; then one line a class, and averages; as "
    "CSV, as a Markdown table, or as scikit-learn prints its classification_report"
)

_HEADER = re.compile(r"\s*precision\s+recall\s+f1-score(\s+support)?\s*", re.IGNORECASE)
#: What the last line of a report is called, of scikit-learn below 0.20 too.
_LAST = re.compile(r"(weighted|samples) avg|avg / total", re.IGNORECASE)
_RULE = re.compile(r"\s*:?-+:?\s*")
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+|nan)%?", re.IGNORECASE)


def lines_of(text: str, name: str) -> list[tuple[int, list[str]]]:
    """Lines that are not empty with their numbers, as cells; the header first.

    Args:
        text: the table.
        name: of the file, for errors.

    Raises:
        UserError: it has no such lines.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lstrip().startswith("|"):
        lines = _markdown(text)
    elif any(_HEADER.fullmatch(line) for line in text.splitlines()):
        lines = _report(text, name)
    else:
        lines = records_of(text, name)
    lines = [(number, row) for number, row in lines if any(cell.strip() for cell in row)]
    if len(lines) < 2:
        raise UserError(f"{name} has no rows", LAYOUT)
    return lines


def _markdown(text: str) -> list[tuple[int, list[str]]]:
    """The cells between pipes, without emphasis; lines without a pipe, such as a caption, are none of the table."""
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        if "|" not in line:
            continue
        inside = re.sub(r"^\s*\||(?<!\\)\|\s*$", "", line)
        cells = [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inside)]
        if not all(_RULE.fullmatch(cell) for cell in cells):
            lines.append((number, [re.sub(r"^\s*([*_`]+)(.*?)\1\s*$", r"\2", cell) for cell in cells]))
    return lines


def _report(text: str, name: str) -> list[tuple[int, list[str]]]:
    """scikit-learn's report: names, which may have blanks, and the numbers behind them; a title may stand above, and
    text below, after a blank line."""
    lines: list[tuple[int, list[str]]] = []
    over = False
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            over = bool(lines) and _LAST.fullmatch(lines[-1][1][0]) is not None
        if not words or not (lines or _HEADER.fullmatch(line)):
            continue
        if not lines:
            lines.append((number, ["class", *words]))
            continue
        columns = len(lines[0][1]) - 1
        place = len(words)
        while place > max(0, len(words) - columns) and _NUMERIC.fullmatch(words[place - 1]):
            place -= 1
        title, numbers = " ".join(words[:place]), words[place:]
        if len(numbers) < columns and over and not _HEADER.fullmatch(line):
            continue
        if len(numbers) < columns:
            # What it says of accuracy alone stands below F1 and support.
            if title != "accuracy" or len(numbers) != columns - 2:
                counts = f"{len(numbers)} numbers for {columns} columns"
                raise UserError(f"{name}, line {number}: {counts}", "give every line as it was printed, or write CSV")
            numbers = ["", "", *numbers]
        lines.append((number, [title, *numbers]))
    return lines
