"""Finding tables in a text that somebody pasted: a report of scikit-learn, Markdown, HTML, LaTeX, JSON or CSV, with
whatever stands around them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from ferbench.audit.headings import Row, column_of, row_of
from ferbench.audit.printed import ACCURACY, BALANCED, MEASURES, MICRO
from ferbench.data.expressions import expression_named
from ferbench.errors import UserError
from ferbench.tables.reading import delimiter, records_of

LAYOUT = (
    "the first line names the columns class, precision, recall, f1, support; then one line a class, and averages; as "
    "CSV, JSON, a Markdown, HTML or LaTeX table, or as scikit-learn prints its classification_report"
)

Line = tuple[int, list[str]]

_RULE = re.compile(r"\s*:?[-=─═━_+]+:?\s*")
_NUMERIC = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+|nan)%?|[-–—]|n/a", re.IGNORECASE)
_COUNT = re.compile(r"\d{1,3}(,\d{3})+|\d+(\.0)?")  # scikit-learn writes 2.0 where no image is right
_BAR = re.compile(r"\d%\|.*\|\s*\d+/\d+|[█▏▎▍▌▋▊▉]|\[[=>.]{5,}\]|\d(it|s|ms)/(s|it|step)")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LOGGED = re.compile(
    r"^\s*(?:\[?\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?\]?|\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?)?"
    r"[\s:|-]*(?:\[?(?:INFO|DEBUG|WARNING)\]?(?::\w+)?)?\s*[:|-]?\s?"
)
_NESTED = 40  # levels of JSON


@dataclass(frozen=True)
class Grid:
    """One table as cells.

    Attributes:
        lines: with their numbers in the text, the header first; of a confusion matrix without names there is none.
        last: the number of its last line.
        notes: what was passed over.
        prose: the lines around it that belong to no table.
        counts: whether it is a confusion matrix as numpy prints it.
    """

    lines: list[Line]
    last: int = 0
    notes: list[str] = field(default_factory=list)
    prose: list[Line] = field(default_factory=list)
    counts: bool = False


def grids_of(text: str, name: str) -> list[Grid]:
    """All tables that a text holds.

    Args:
        text: whatever was pasted.
        name: of the file, for errors.

    Raises:
        UserError: it has none.
    """
    plain = _ANSI.sub("", text)
    for read in (_json, _html, _latex):
        if found := read(plain):
            return found
    lines = _unquoted([line.rstrip() for line in plain.splitlines()])
    found = [*_piped(lines), *_reports(lines, name), *_matrices(lines)]
    found += _delimited(lines, name, {number for grid in found for number in range(grid.lines[0][0], grid.last + 1)})
    found = [grid for grid in found if len(grid.lines) > 1] or list(_listed(lines))
    if not found:
        # A file without any known column: what it has is for the error to say.
        rest = [(number, row) for number, row in records_of(plain, name) if any(cell.strip() for cell in row)]
        if len(rest) < 2:
            raise UserError(f"{name} has no rows", LAYOUT)
        return [Grid(rest, rest[-1][0])]
    found.sort(key=lambda grid: grid.lines[0][0])
    within = {number for grid in found for number in range(grid.lines[0][0], grid.last + 1)}
    start = 0
    for place, grid in enumerate(found):
        # What stands above the first table may be about it as well; what stands below one is about that one.
        end = found[place + 1].lines[0][0] if place + 1 < len(found) else len(lines) + 1
        begin = start if place == 0 else grid.last
        for number in range(begin + 1, end):
            if number not in within and number <= len(lines) and lines[number - 1].strip():
                grid.prose.append((number, [lines[number - 1]]))
    return found


def _unquoted(lines: list[str]) -> list[str]:
    """Without what a log, a quotation or a comment writes in front of every line."""
    filled = [line for line in lines if line.strip()]
    for mark in (r"\s*>\s?", r"\s*#\s?", r"\s*//\s?"):
        if sum(re.match(mark, line) is not None for line in filled) > 0.7 * len(filled):
            lines = [re.sub(f"^{mark}", "", line) for line in lines]
    logged = [_LOGGED.match(line) for line in filled]
    if sum(match is not None and bool(re.search(r"\w", match[0])) for match in logged) > 0.5 * len(filled):
        lines = [_LOGGED.sub("", line) for line in lines]
    return ["" if _BAR.search(line) or line.strip().startswith("```") else line for line in lines]


def has_scores(cells: Sequence[str]) -> bool:
    """Whether these are the names of columns, some of them scores."""
    return any(column_of(cell) in (*MEASURES, "accuracy", "either") for cell in cells)


def _piped(lines: Sequence[str]) -> Iterator[Grid]:
    """Lines of cells between pipes, without emphasis, a table for each run of them."""
    grid: list[Line] = []
    blank = False
    for number, line in enumerate([*lines, ""], start=1):
        line = line.replace("│", "|").replace("┃", "|").replace("║", "|")
        if "|" in line:
            if blank and grid and has_scores(_cells(line)):
                yield Grid(grid, grid[-1][0])
                grid = []
            cells = _cells(line)
            if not all(_RULE.fullmatch(cell) or not cell.strip() for cell in cells):
                grid.append((number, cells))
            blank = False
        elif (
            line.strip()
            and not _RULE.fullmatch(line.strip())
            and not re.fullmatch(r"[\s+|┌┐└┘├┤┬┴┼─═╒╕╘╛╞╡╪╤╧]+", line)
        ):
            if len(grid) > 1:
                yield Grid(grid, grid[-1][0])
            grid = []
        else:
            blank = True
    if len(grid) > 1:
        yield Grid(grid, grid[-1][0])


def _cells(line: str) -> list[str]:
    inside = re.sub(r"^\s*\||(?<!\\)\|\s*$", "", line)
    cells = [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inside)]
    return [_bare(cell) for cell in cells]


def _bare(cell: str) -> str:
    return re.sub(r"^\s*([*_`]+)(.*?)\1\s*$", r"\2", re.sub(r"<[^<>]{1,40}>", " ", cell))


def _reports(lines: Sequence[str], name: str) -> Iterator[Grid]:
    """Columns set apart by blanks, as scikit-learn and pandas print them."""
    number = 0
    while number < len(lines):
        header = _header(lines[number])
        grid = None if header is None else _report(lines, number, header, name)
        if grid is None:
            number += 1
        else:
            yield grid
            number = grid.last


def _header(line: str) -> list[str] | None:
    """The names of columns in a line without any delimiter but blanks; None where it has none."""
    if "|" in line or line.count(",") > 1 or line.count(";") or re.search(r"\d[.,]\d", line):
        return None
    if "\t" in line.strip() and column_of(line.strip("\n").split("\t")[0]) in ("class", None):
        return None  # cells between tabs
    text = re.sub(r"\b(f1?)[ -]+(score|measure)\b", r"\1-\2", line.strip(), flags=re.IGNORECASE)
    for cells in (re.split(r"\s{2,}", text), text.split()):
        known = [column_of(cell) for cell in cells]
        scores = [column for column in known if column in (*MEASURES, "accuracy", "either")]
        named = [column for column in known if column is not None]
        if len(scores) == 1 and not (len(cells) == 2 and known[0] == "class"):
            continue
        if scores and 2 * len(named) > len(cells) and len(cells) > 1:
            return cells if known[0] == "class" else ["class", *cells]
    return None


def _report(lines: Sequence[str], begin: int, header: list[str], name: str) -> Grid | None:
    """The lines below a header: a name, which may have blanks, and the numbers behind it."""
    columns = len(header) - 1
    grid: list[Line] = [(begin + 1, header)]
    blank = ended = False
    for number in range(begin + 1, len(lines)):
        line = lines[number]
        words = line.split()
        if not words or _RULE.fullmatch(line.strip()):
            blank = True
            ended = ended or (len(grid) > 1 and _is_last(grid[-1][1][0]))
            continue
        if _header(line) is not None or line.lstrip().startswith("|"):
            break
        place = len(words)
        while place > max(0, len(words) - columns) and _NUMERIC.fullmatch(words[place - 1]):
            place -= 1
        title, numbers = " ".join(words[:place]), words[place:]
        if not title and len(numbers) == columns and columns > 1 and _COUNT.fullmatch(numbers[0]):
            title, numbers = numbers[0], numbers[1:]
        known = row_of(title)
        prose = title.endswith((":", "=")) or any(_NUMERIC.fullmatch(word) for word in words[:place][1:2] if ended)
        if len(numbers) < columns:
            beside = known is None and blank
            if prose or ended or not numbers or len(grid) == 1 or beside or (known is not None and not known.kinds):
                break
            spread = None if known is None or not _is_single(known) else _spread(numbers, header)
            if spread is None:
                counts = f"{len(numbers)} numbers for {columns} columns"
                raise UserError(
                    f"{name}, line {number + 1}: {counts}", "give every line as it was printed, or write CSV"
                )
            numbers = spread
        elif ended or prose:
            break
        grid.append((number + 1, [title, *numbers]))
        blank = False
    return Grid(grid, grid[-1][0]) if len(grid) > 1 else None


def _is_last(title: str) -> bool:
    """Whether scikit-learn ends its report with a row of this name."""
    return re.fullmatch(r"(weighted|samples) avg|avg ?/ ?total", title.strip(), re.IGNORECASE) is not None


def _is_single(known: Row) -> bool:
    """Whether an average is one number, whatever column it stands in."""
    return known.measure is not None or not {*known.kinds} - {ACCURACY, BALANCED, MICRO}


def _spread(numbers: list[str], header: Sequence[str]) -> list[str] | None:
    """Where the numbers of an average with gaps stand: a count below the support, one score below the last of them."""
    columns = [column_of(cell) for cell in header[1:]]
    cells = [""] * len(columns)
    left = list(numbers)
    if "support" in columns and len(left) > 1 and _COUNT.fullmatch(left[-1]):
        cells[columns.index("support")] = left.pop()
    places = [place for place, column in enumerate(columns) if column != "support"]
    if len(left) == 1:
        cells[columns.index("f1") if "f1" in columns else places[-1]] = left[0]
    elif len(left) == len(places):
        for place, written in zip(places, left, strict=True):
            cells[place] = written
    else:
        return None
    return cells


def _matrices(lines: Sequence[str]) -> Iterator[Grid]:
    """Rows of counts in brackets, as numpy prints a confusion matrix."""
    text = "\n".join(lines)
    for match in re.finditer(r"\[\s*(\[[\d\s,.]+\]\s*,?\s*){2,}\]", text):
        first = text.count("\n", 0, match.start()) + 1
        rows = [re.findall(r"\d+(?:\.\d*)?", row) for row in re.findall(r"\[([\d\s,.]+)\]", match[0])]
        if all(len(row) == len(rows) for row in rows):
            last = first + match[0].count("\n")
            yield Grid([(first, row) for row in rows], last, counts=True)


def _listed(lines: Sequence[str]) -> Iterator[Grid]:
    """A number for each expression, a line each: ``Happy: 89.5 %``."""
    rows: list[Line] = []
    for number, line in enumerate(lines, start=1):
        plain = re.sub(r"[*_`>]|^\s*[-•·]\s+|<[^<>]{1,20}>", " ", line).strip()
        match = re.fullmatch(r"(.*?)\s*[:=]\s*(\d*[.,]?\d+\s*%?)", plain)
        if match is None:
            continue
        title = re.sub(
            r"^(?:test|class)?\s*(accuracy|acc|recall|precision|f1)(?:[ -]score)?\s*(?:of|for)?\s+",
            "",
            match[1],
            flags=re.IGNORECASE,
        )
        if expression_named(title) is not None:
            rows.append((number, [title, match[2].replace(" ", "")]))
    if len(rows) > 2:
        said = re.search(r"\b(precision|f1)\b", "\n".join(lines[rows[0][0] - 1 : rows[-1][0]]), re.IGNORECASE)
        measure = said[1].lower() if said else "accuracy"
        yield Grid([(rows[0][0], ["class", measure]), *rows], rows[-1][0])


def _delimited(lines: Sequence[str], name: str, taken: set[int]) -> Iterator[Grid]:
    """CSV with commas, semicolons or tabs."""
    number = 0
    while number < len(lines):
        cells = _fields(lines[number])
        below = next((line for line in lines[number + 1 :] if line.strip()), "")
        if number + 1 in taken or len(cells) < 2 or not _heads(cells, _fields(below, lines[number])):
            number += 1
            continue
        end = number + 1
        while end < len(lines) and end + 1 not in taken:
            following = next((line for line in lines[end:] if line.strip()), "")
            row = _fields(following, lines[number])
            is_row = len(row) > 1 and any(map(_NUMERIC.fullmatch, row))
            # Without a blank line in between it is for the reader of CSV to say what is wrong with it.
            if has_scores(row[1:]) or (
                not is_row and (not lines[end].strip() or (len(row) < 2 and '"' not in following))
            ):
                break
            end += 1
        text = "\n".join(lines[number:end])
        rows = records_of("\n" * number + text, name)
        rows = [(at, row) for at, row in rows if any(cell.strip() for cell in row)]
        if len(rows) > 1 and all(len(row) == len(rows[0][1]) + 1 for _, row in rows[1:]):
            rows[0] = (rows[0][0], ["class", *rows[0][1]])
        yield Grid(rows, rows[-1][0])
        number = max(end, number + 1)


def _heads(cells: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a line names columns, or classes above rows of scores."""
    if any(re.fullmatch(r"\s*[\d.]+%?\s*", cell) for cell in cells):
        return False
    return has_scores(cells) or (len(below) > 1 and has_scores(below[:1]) and any(map(_NUMERIC.fullmatch, below[1:])))


def _fields(line: str, header: str | None = None) -> list[str]:
    between = delimiter(line if header is None else header)
    return [cell.strip() for cell in line.split(between)]


class _Tables(HTMLParser):
    """The cells of every table of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[Line]] = []
        self.around: list[Line] = []
        self._depth = 0
        self._cell: list[str] | None = None
        self._span = 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._depth += 1
            self.tables.append([])
        elif tag == "tr" and self._depth:
            self.tables[-1].append((self.getpos()[0], []))
        elif tag in ("td", "th") and self._depth and self.tables[-1]:
            self._close()
            self._cell = []
            span = dict(attrs).get("colspan") or "1"
            self._span = min(int(span), 20) if span.isdigit() else 1

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr"):
            self._close()
        elif tag == "table":
            self._close()
            self._depth = max(0, self._depth - 1)

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)
        elif not self._depth:
            self.around += [(self.getpos()[0], [line]) for line in data.splitlines() if line.strip()]

    def _close(self) -> None:
        if self._cell is not None and self.tables and self.tables[-1]:
            text = " ".join("".join(self._cell).split())
            self.tables[-1][-1][1].extend([text] + [""] * (self._span - 1))
        self._cell = None


def _html(text: str) -> list[Grid]:
    if not re.search(r"<table\b", text, re.IGNORECASE):
        return []
    parser = _Tables()
    parser.feed(text)
    found = []
    for table in parser.tables:
        rows = [(number, cells) for number, cells in table if any(cell.strip() for cell in cells)]
        if len(rows) > 1:
            found.append(Grid(rows, rows[-1][0]))
    if len(found) == 1:
        found[0].prose.extend(parser.around)
    return found


def _latex(text: str) -> list[Grid]:
    """Rows of cells between ampersands that end in two backslashes."""
    if not re.search(r"(?<!\\)&.*?\\\\", text, re.DOTALL):
        return []
    blank = lambda match: "\n" * match[0].count("\n")  # noqa: E731
    text = re.sub(r"(?<!\\)%.*", "", text)
    bodies = list(re.finditer(r"\\begin\{(tabular[x*]?|longtable|array)\}(.*?)\\end\{\1\}", text, re.DOTALL))
    spans = [(match.start(2), match.end(2)) for match in bodies] or [(0, len(text))]
    found = []
    for start, end in spans:
        body = re.sub(r"^(\s*(\[[^\]]*\]|\{[^{}]*\}))+", blank, text[start:end]) if bodies else text[start:end]
        body = re.sub(
            r"\\(?:(?:top|mid|bottom|h|c|cmid)(?:rule|line)(?:\([^)]*\))?(?:\{[^}]*\})?(?:\[[^\]]*\])?)", " ", body
        )
        rows: list[Line] = []
        number = text.count("\n", 0, start) + 1
        for row in body.split("\\\\"):
            at = number + row.count("\n", 0, len(row) - len(row.lstrip()))
            number += row.count("\n")
            cells = [cell for written in re.split(r"(?<!\\)&", row) for cell in _spanned(written)]
            if len(cells) > 1 and any(cell.strip() for cell in cells):
                rows.append((at, cells))
        if len(rows) > 1:
            found.append(Grid(rows, rows[-1][0]))
    if len(found) == 1:
        around = text[: spans[0][0]] + text[spans[0][1] :]
        found[0].prose.extend((1, [_untexed(line)]) for line in around.splitlines() if line.strip())
    return found


def _spanned(cell: str) -> list[str]:
    """A cell of LaTeX, with an empty one for each further column that it spans."""
    span = re.search(r"\\multicolumn\s*\{(\d{1,2})\}", cell)
    return [_untexed(cell), *[""] * (int(span[1]) - 1 if span else 0)]


def _untexed(cell: str) -> str:
    cell = re.sub(r"^\s*\[[^\]]*\]", "", cell)
    cell = re.sub(r"\\multi(?:column|row)\s*\{[^{}]*\}\s*(?:\{[^{}]*\}|\[[^\]]*\])?", "", cell)
    for _ in range(4):
        cell = re.sub(
            r"\\(?:text|math)?(?:bf|it|tt|rm|sc|sf|series|emph|uline|underline)\w*\s*\{([^{}]*)\}", r"\1", cell
        )
        cell = re.sub(r"\\(?:emph|underline|textbf|textit|cellcolor\{[^{}]*\}|makecell)\s*\{([^{}]*)\}", r"\1", cell)
    cell = re.sub(r"\\(?:bfseries|itshape|centering|small|tiny|bf|it)\b", "", cell)
    cell = (
        cell.replace("\\%", "%")
        .replace("\\&", "&")
        .replace("\\_", "_")
        .replace("\\#", "#")
        .replace("\\,", "")
        .replace("~", " ")
    )
    return re.sub(r"[${}]", "", cell).replace("_1", "1").strip()


def _json(text: str) -> list[Grid]:
    """What ``classification_report(output_dict=True)`` or pandas gives, as JSON or as Python prints it."""
    start, end = text.find("{"), text.rfind("}")
    records = text.find("[")
    if 0 <= records < start and text.rfind("]") > end:
        start, end = records, text.rfind("]")
    if start < 0 or end < start or len(text[start:end]) < 10:
        return []
    readers: tuple[Callable[[str], Any], ...] = (json.loads, ast.literal_eval)
    for read in readers:
        try:
            value = read(re.sub(r"\b(?:np\.)?(?:float|int)\d*\(([^()]*)\)", r"\1", text[start : end + 1]))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        rows = _of_value(value, _NESTED)
        if rows is not None:
            return [Grid([(1, row) for row in rows], text.count("\n") + 1)]
    return []


def _of_value(value: Any, depth: int) -> list[list[str]] | None:
    """A table from nested values: rows by name, columns by name, or a list of rows."""
    if depth == 0:
        return None
    if isinstance(value, list) and len(value) > 1 and all(isinstance(row, dict) for row in value):
        names = list(dict.fromkeys(str(key) for row in value for key in row))
        rows = [[_text(row.get(name)) for name in names] for row in value]
        return [names, *rows] if has_scores(names) else None
    if not isinstance(value, dict):
        return None
    inner = {str(key): row for key, row in value.items() if isinstance(row, dict)}
    if len(inner) > 1:
        names = list(dict.fromkeys(str(key) for row in inner.values() for key in row))
        if has_scores(names):
            rows = [["class", *names]]
            for key, row in value.items():
                if isinstance(row, dict):
                    rows.append([str(key), *(_text(row.get(name)) for name in names)])
                elif isinstance(row, int | float) and not isinstance(row, bool):
                    place = next((k for k, name in enumerate(names) if column_of(name) == "f1"), 0)
                    rows.append([str(key), *(_text(row) if k == place else "" for k in range(len(names)))])
            return rows
        if has_scores(list(inner)):  # columns by name
            return [
                ["class", *inner],
                *([name, *(_text(column.get(name)) for column in inner.values())] for name in names),
            ]
    for part in value.values():
        found = _of_value(part, depth - 1)
        if found is not None:
            return found
    return None


def _text(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return repr(value) if isinstance(value, float) else str(value)
