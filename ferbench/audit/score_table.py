"""Reading a table of scores per class, laid out like scikit-learn's classification report or as people write it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice, product
from pathlib import Path

from ferbench.audit.beside import Matrix, beside, matrix_of
from ferbench.audit.cells import Score, Unit, in_unit, score, support
from ferbench.audit.headings import PER_CLASS, Row, are_classes, column_of, row_of, says_percent
from ferbench.audit.layouts import LAYOUT, Grid, grids_of
from ferbench.audit.printed import (
    ACCURACY,
    BALANCED,
    MACRO,
    MEASURES,
    MICRO,
    SAMPLES,
    WEIGHTED,
    Cell,
    Printed,
    PublishedTable,
)
from ferbench.audit.problem import harmonic_mean
from ferbench.audit.prose import averages_in
from ferbench.data.expressions import expression_named
from ferbench.errors import UserError
from ferbench.tables.reading import read_text

#: More images or classes than this would take longer than anybody waits.
MOST_IMAGES = 200_000
MOST_CLASSES = 1000
_LARGEST_FILE = 2_000_000  # bytes
_MOST_READINGS = 24
_NAMES = {MACRO: "macro average", WEIGHTED: "weighted average", MICRO: "micro average"}
_NAMES |= {ACCURACY: "accuracy", BALANCED: "balanced accuracy"}
_LEFT_OUT, _OF_PRINTED = "", "printed"


@dataclass
class _Row:
    """One line of a table.

    Attributes:
        title: its name.
        line: its number in the text.
        meaning: what that means; None: a class.
        scores: by measure.
        support: its number of images.
        undefined: measures that say "not a number".
        prose: whether it is text around the table.
        below: whether it is no text above the table.
        key: what its cells are called before it is decided which average it is.
    """

    title: str
    line: int
    meaning: Row | None
    scores: dict[str, Score]
    support: int | None = None
    undefined: set[str] = field(default_factory=set)
    prose: bool = False
    below: bool = True
    key: str = ""


def read_table(path: Path, *, unit: Unit = "auto", decimals: int | None = None) -> PublishedTable:
    """Read a published table.

    Args:
        path: a report of scikit-learn, CSV with commas, semicolons or tabs, JSON, or a Markdown, HTML or LaTeX table,
            with text around it or without.
        unit: of the scores; ``auto``: percent where a name or a cell says so, or the numbers of a column are above 1.
        decimals: with how many decimals scores were printed, for files that lost their trailing zeros. None: as many
            as each one shows, which is never wrong but may say less.

    Raises:
        UserError: the file holds no such table, or several.
    """
    return parse_table(read_text(path, path.name, _LARGEST_FILE), path.name, unit=unit, decimals=decimals)


def read_tables(path: Path, *, unit: Unit = "auto", decimals: int | None = None) -> list[tuple[str, PublishedTable]]:
    """Like `read_table`, of all tables in a file, each with what it is called."""
    return parse_tables(read_text(path, path.name, _LARGEST_FILE), path.name, unit=unit, decimals=decimals)


def parse_table(text: str, name: str, *, unit: Unit = "auto", decimals: int | None = None) -> PublishedTable:
    """Like `read_table`, of a text; ``name`` is what errors call it."""
    found = parse_tables(text, name, unit=unit, decimals=decimals)
    if len(found) > 1:
        places = ", ".join(title.removeprefix(f"{name}, ") for title, _ in found)
        raise UserError(f"{name} has {len(found)} tables of scores: {places}", "keep one of them in the file")
    return found[0][1]


def parse_tables(
    text: str, name: str, *, unit: Unit = "auto", decimals: int | None = None
) -> list[tuple[str, PublishedTable]]:
    """Like `read_tables`, of a text; tables without scores by class are passed over where there are others."""
    found: list[tuple[str, PublishedTable]] = []
    strange: UserError | None = None
    matrices: list[Matrix] = []
    grids = grids_of(text, name)
    for grid in grids:
        where = name if len(grids) == 1 else f"{name}, line {grid.lines[0][0]}"
        if (matrix := matrix_of(grid)) is not None:
            matrices.append(matrix)
            continue
        parts = _understood(grid, name)
        if parts is None:
            strange = strange or _no_scores(grid, name)
            continue
        for part, heading in parts:
            found.append((f"{where}{heading}", _table(part, name, unit, decimals)))
    if len(found) == 1 and len(matrices) == 1 and matrices[0].counts is not None:
        found = [(name, beside(found[0][1], matrices[0]))]
    elif matrices:
        found += [(name if len(grids) == 1 else f"{name}, line {own.line}", own.table()) for own in matrices]
    if not found:
        assert strange is not None
        raise strange
    return found


def _no_scores(grid: Grid, name: str) -> UserError:
    header = grid.lines[0][1]
    if _scores_of(header):
        titles = [cells[0] for _, cells in grid.lines[1:] if cells]
        what = f"{name} is not a table of scores by class: its rows are {_some(titles)}"
        return UserError(what, "give a row for each class, such as happy; scores of models or runs cannot be audited")
    return UserError(f"{name} is not a table of scores by class: its columns are {_some(header)}", LAYOUT)


def _understood(grid: Grid, name: str) -> list[tuple[Grid, str]] | None:
    """A table with its classes in rows and one number a measure; several where its columns are models."""
    lines = grid.lines
    while len(lines) > 2 and sum(bool(cell.strip()) for cell in lines[0][1]) < 2:
        lines = lines[1:]  # a title that spans the columns
    grid = replace(grid, lines=lines)
    header = lines[0][1]
    turned_by = {column_of(cells[0]) for _, cells in lines[1:] if cells} & {*MEASURES, "support"}
    columns = {column_of(cell) for cell in header} & {*MEASURES, "support"}
    if len(turned_by) > 1 and len(header) > 2 and not columns:
        turned = [list(row) for row in zip(*_square([cells for _, cells in lines]), strict=True)]
        turned[0][0] = "class"
        return [(replace(grid, lines=[(lines[0][0], row) for row in turned]), "")]
    if not _scores_of(header):
        return _models(grid)
    if not columns & {*MEASURES} and not _has_classes(grid):
        return None  # accuracies of models, say
    place = _names_at([column_of(cell) for cell in header], [cells for _, cells in lines[1:]])
    titles = [cells[place] for _, cells in lines[1:] if place < len(cells)]
    known = sum(expression_named(_plain(title)) is not None for title in titles)
    return [(grid, "")] if known > 1 or are_classes(header[place], titles) else None


def _has_classes(grid: Grid) -> bool:
    """Whether the rows are classes by what their column is called, or by their own names."""
    header, *lines = grid.lines
    if any(column_of(cell) == "class" and cell.strip().lower() != "name" for cell in header[1]):
        return True
    named = [cells[0] for _, cells in lines if cells and expression_named(_plain(cells[0])) is not None]
    return len(named) > 1


def _models(grid: Grid) -> list[tuple[Grid, str]] | None:
    """A table whose rows are expressions and whose columns are models with one number each, as recalls are given."""
    header, *lines = grid.lines
    width = len(header[1])
    named = [cells[0] for _, cells in lines if cells and expression_named(_plain(cells[0])) is not None]
    if len(named) < 3 or 2 * len(named) < len(lines) or width < 2:
        return None
    parts = []
    for place in range(1, width):
        cells = [own[place] if place < len(own) else "" for _, own in lines]
        if column_of(header[1][place]) in ("support", "other", "class") or not any(map(_is_number, cells)):
            continue
        supports = [k for k in range(1, width) if column_of(header[1][k]) == "support"]
        title = header[1][place].strip() or f"column {place + 1}"
        percent = " (%)" if says_percent(title) else ""
        rows = [(header[0], ["class", f"recall{percent}", *(["support"] if supports else [])])]
        for (number, own), written in zip(lines, cells, strict=True):
            rows.append((number, [own[0], written, *(own[k] if k < len(own) else "" for k in supports[:1])]))
        note = f"'{title}' does not say which score it is; read as the classes' recall, or accuracy of each class"
        parts.append((replace(grid, lines=rows, notes=[*grid.notes, note]), f", {title}"))
    return parts or None


def _square(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    width = max(map(len, rows))
    return [[*row, *[""] * (width - len(row))] for row in rows]


def _scores_of(header: Sequence[str]) -> list[str]:
    return [cell for cell in header if column_of(cell) in (*MEASURES, PER_CLASS, "either")]


def _plain(title: str) -> str:
    """A class's name without what Markdown and LaTeX write around it, a number in front, or a picture."""
    plain = re.sub(r"[*`$\\{}]|^\s*\d+\s*[.:)\-–]\s*(?=\D)", "", title)
    return re.sub(r"[^\w\s&+|/.,()'\-]", "", plain).strip() or title.strip()


def _is_number(written: str) -> bool:
    try:
        return score(written, None, None, "") is not None
    except UserError:
        return False


def _columns(grid: Grid, name: str) -> tuple[dict[str, int], dict[str, bool | None], list[str]]:
    """Where each column is, whether its name says percent, and which columns are not read."""
    header, *lines = grid.lines
    meanings = [column_of(title) for title in header[1]]
    place = _names_at(meanings, [cells for _, cells in lines])
    either = "precision" if {"recall", "f1"} & {*meanings} and "precision" not in meanings else PER_CLASS
    columns, percent = {"class": place}, {}
    strange = []
    for number, (title, meaning) in enumerate(zip(header[1], meanings, strict=True)):
        known = either if meaning == "either" else meaning
        if number == place or known == "class":
            continue
        if known is None or known == "other":
            strange.append(title.strip() or f"number {number + 1}")
            continue
        if known in columns:
            if known == PER_CLASS:
                continue
            raise UserError(f"{name} has two columns for {known}", "keep one of them")
        columns[known] = number
        percent[known] = True if says_percent(title) else None
    if PER_CLASS in columns and "recall" in columns:
        strange.append(header[1][columns.pop(PER_CLASS)].strip())
    return columns, percent, [f"columns not read: {_some(strange)}"] if strange else []


def _names_at(meanings: Sequence[str | None], rows: Sequence[Sequence[str]]) -> int:
    """Which column has the names of the classes: not one that only counts them."""

    def worded(place: int) -> int:
        return sum(place < len(row) and bool(row[place].strip()) and not _is_number(row[place]) for row in rows)

    named = [place for place, meaning in enumerate(meanings) if meaning == "class"]
    if named:
        return max(named, key=lambda place: (worded(place) > 0, -place))
    if worded(0) or meanings[0] is None:
        second = len(meanings) > 1 and meanings[1] is None and worded(1) == len(rows) and not worded(0)
        return 1 if second else 0
    return 0


def _some(words: Sequence[str]) -> str:
    shown = ", ".join(word.strip()[:30] or "(no name)" for word in words[:8])
    return f"{shown}, …" if len(words) > 8 else shown


def _table(grid: Grid, name: str, unit: Unit, decimals: int | None) -> PublishedTable:
    columns, percent, notes = _columns(grid, name)
    notes = [*grid.notes, *notes]
    rows = list(_rows(grid, columns, percent, decimals, name, notes))
    _refuse_repeated(rows, name)
    for number, averages in averages_in(grid.prose):
        for title, scores in averages:
            meaning = row_of(title)
            if meaning is not None and meaning.kinds:
                below = number > grid.last
                rows.append(_Row(title, number, meaning, dict(scores), prose=True, below=below))
    for place, row in enumerate(rows):
        row.key = row.title if row.meaning is None else f"\0{place}"
    raw = {Cell(row.key, measure): own for row in rows for measure, own in row.scores.items()}
    printed, shown = in_unit(raw, [row.key for row in rows if row.meaning is None], unit)
    first, *others = islice(_readings(rows, printed, shown, tuple(notes), columns, name), _MOST_READINGS)
    return replace(first, otherwise=tuple(others))


def _rows(
    grid: Grid,
    columns: Mapping[str, int],
    percent: Mapping[str, bool | None],
    decimals: int | None,
    name: str,
    notes: list[str],
) -> Iterator[_Row]:
    for number, cells in grid.lines[1:]:
        title = _titled(cells, columns["class"])
        where = f"{name}, line {number}"
        if not title and not any(cell.strip() for cell in cells):
            continue
        if len(_scores_of(cells)) > 1:
            continue  # the header once more
        meaning = row_of(title) if title else None
        if meaning is not None and not meaning.kinds:
            notes.append(f"row not read: {title}")
            continue
        of_row: dict[str, Score] = {}
        undefined = set()
        for column in (*MEASURES, PER_CLASS):
            written = cells[columns[column]] if column in columns and columns[column] < len(cells) else ""
            measure = "recall" if column == PER_CLASS else column
            if written.strip().lower() == "nan":
                if meaning is None:
                    undefined.add(measure)
                continue
            # An average may be in percent, as its name says, below classes in fractions.
            says = percent.get(column) or (True if meaning is not None and says_percent(title) else None)
            own = score(written, says, decimals, f"{where}, {measure}")
            if own is not None:
                of_row[measure] = own
        written = cells[columns["support"]] if "support" in columns and columns["support"] < len(cells) else ""
        if meaning is None:
            yield _Row(title, number, None, of_row, support(written, where), undefined)
            continue
        copied = of_row and _same_number(written, of_row)  # pandas repeats the accuracy in every column
        try:
            images = None if copied else support(written, where)
        except UserError:
            images = None  # the mean of the supports, say
        yield _Row(title, number, meaning, of_row, images)


def _titled(cells: Sequence[str], place: int) -> str:
    return _plain(cells[place]) if place < len(cells) and cells[place].strip() else ""


def _refuse_repeated(rows: Sequence[_Row], name: str) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.meaning is not None:
            continue
        if row.title in seen:
            raise UserError(
                f"{name}, line {row.line}: '{row.title}' is there twice", "leave one line for each class and average"
            )
        seen.add(row.title)


def _same_number(written: str, scores: Mapping[str, Score]) -> bool:
    try:
        same = score(written, None, None, "")
    except UserError:
        return False
    return same is not None and same.value in {own.value for own in scores.values()}


def _readings(
    rows: Sequence[_Row],
    printed: Mapping[Cell, Printed],
    unit: str,
    notes: tuple[str, ...],
    columns: Mapping[str, int],
    name: str,
) -> Iterator[PublishedTable]:
    """The ways in which a table may be meant, the likeliest first: which average a row is, what a row without a known
    name is, and what text around the table says."""
    choices: list[tuple[str | None, ...]] = []
    for place, row in enumerate(rows):
        if row.meaning is None:
            choices.append(kinds := _of_nameless(rows, place))
            if not kinds:
                raise UserError(
                    f"{name}, line {row.line} has numbers and no name", "name the class, or remove the line"
                )
        else:
            kinds = row.meaning.kinds
            # An average below the table that it does not have itself is a part of it.
            own = len(kinds) == 1 and not any(
                other.meaning is not None and kinds[0] in other.meaning.kinds for other in rows if not other.prose
            )
            more = (_OF_PRINTED,) if len(kinds) > 1 and not row.prose else ()
            choices.append((*kinds, _LEFT_OUT) if row.prose and not (own and row.below) else (*kinds, *more))
    per_class = [True, False] if PER_CLASS in columns and len(columns) > 3 else [True]
    made = False
    problem: UserError | None = None
    for whole in per_class:
        for chosen in product(*choices):
            try:
                table = _assembled(rows, chosen, printed, unit, notes, whole)
                if table is None:
                    continue
                table = _checked(table, name)
            except UserError as error:
                problem = problem or error
                continue
            made = True
            yield table
    if not made:
        raise problem or UserError(f"{name} has averages that contradict their names", LAYOUT)


def _of_nameless(rows: Sequence[_Row], place: int) -> tuple[str | None, ...]:
    """What a row may be whose name is no known average: a class, or the average of those above it."""
    row = rows[place]
    nobody = () if not row.title else (None,)
    classes = [other for other in rows if other.meaning is None]
    base = [other for other in classes if other.support != row.support]
    averages = (WEIGHTED, MACRO, MICRO, _LEFT_OUT)
    if len(base) < 2 or any(other.support is None for other in base) or not row.scores:
        return nobody
    whole = sum(other.support or 0 for other in classes)
    if any(other.meaning is not None and other.support == whole for other in rows):
        return nobody  # the averages count it
    edge = classes[0] is row or classes[-1].support == row.support
    if edge and row.support is not None and row.support == sum(other.support or 0 for other in base) > 0:
        return (*nobody, *averages) if expression_named(row.title) else (*averages, *nobody)
    if row.support is not None or classes[-1].support is not None:
        return nobody
    between = all(
        min(known) <= own.value <= max(known)
        for measure, own in row.scores.items()
        if (known := [other.scores[measure].value for other in base if measure in other.scores])
    )
    return (MACRO, WEIGHTED, MICRO, *nobody, _LEFT_OUT) if between else (*nobody, _LEFT_OUT)


def _assembled(
    rows: Sequence[_Row],
    chosen: Sequence[str | None],
    printed: Mapping[Cell, Printed],
    unit: str,
    notes: tuple[str, ...],
    per_class: bool,
) -> PublishedTable | None:
    """The table by one choice for every row; None where that cannot be meant."""
    classes = [(row, kind) for row, kind in zip(rows, chosen, strict=True) if kind is None]
    supports = {row.title: row.support for row, _ in classes}
    scores = {cell: value for cell, value in printed.items() if cell.row in supports}
    undefined = frozenset(Cell(row.title, measure) for row, _ in classes for measure in row.undefined)
    totals: dict[Cell, int] = {}
    said = list(notes)
    several = False
    if not per_class:
        scores = {cell: value for cell, value in scores.items() if cell.measure != "recall"}
        said.append("the classes' accuracy is not their recall, and not read")
    for row, kind in zip(rows, chosen, strict=True):
        if kind is None:
            continue
        own = {cell.measure: value for cell, value in printed.items() if cell.row == row.key}
        if kind == _LEFT_OUT:
            why = "is another number than the table gives" if row.prose else "is neither a class nor an average of them"
            said.append(f"line {row.line} not read: '{row.title}' {why}")
            continue
        if kind == _OF_PRINTED:
            if not _from_printed(row, own, printed, supports):
                return None
            said.append(f"'{row.title}' read as computed from the numbers that are printed")
            continue
        if kind == SAMPLES or (kind == MICRO and len({value.value for value in own.values()}) > 1):
            if len(row.meaning.kinds if row.meaning else ()) != 1:
                return None
            several = True
            continue
        placed = _placed(row, kind, own)
        if placed is None:
            return None
        for cell, value in placed.items():
            same = scores.get(cell)
            if same is not None:
                if same.interval("nearest").meet(value.interval("nearest")).empty:
                    if row.prose or len(row.meaning.kinds if row.meaning else (1, 2)) > 1:
                        return None
                    raise UserError(f"'{row.title}' is there twice", "leave one line for each class and average")
                value = min(same, value, key=lambda one: one.step)
            scores[cell] = value
        if row.support is not None and row.support * len(supports) != sum(known or 0 for known in supports.values()):
            totals.setdefault(Cell(kind, "support"), row.support)
        if row.meaning is None or (len(row.meaning.kinds) > 1 and placed):
            said.append(f"{repr(row.title) if row.title else f'line {row.line}'} read as the {_NAMES[kind]}")
    if several:
        said.append("micro averages differ or are beside averages over samples: images may have several classes")
    return PublishedTable(
        tuple(supports),
        tuple(supports.values()),
        totals,
        scores,
        undefined,
        "percent" if unit == "percent" else "fraction",
        tuple(said),
        several=several,
    )


def _from_printed(
    row: _Row, own: Mapping[str, Printed], printed: Mapping[Cell, Printed], supports: Mapping[str, int | None]
) -> bool:
    """Whether an average was computed from the rounded numbers above it: their mean, by support or not, or F1 of the
    average precision and recall."""
    for measure, value in own.items():
        column = {name: one.value for name in supports if (one := printed.get(Cell(name, measure))) is not None}
        means = []
        if len(column) == len(supports):
            means.append(sum(column.values(), Fraction()) / len(column))
            weights = {name: known or 0 for name, known in supports.items()}
            if sum(weights.values()):
                weighted = sum((weights[name] * one for name, one in column.items()), Fraction())
                means.append(weighted / sum(weights.values()))
        if measure == "f1" and "precision" in own and "recall" in own:
            means.append(harmonic_mean(own["precision"].value, own["recall"].value))
        if not any(abs(mean - value.value) <= value.step for mean in means):
            return False
    return bool(own)


def _placed(row: _Row, kind: str, own: Mapping[str, Printed]) -> dict[Cell, Printed] | None:
    """The cells of an average; None where its numbers cannot be of this kind."""
    measure = None if row.meaning is None else row.meaning.measure
    if measure is not None and own:
        value = own.get(measure) or (next(iter(own.values())) if len(own) == 1 else None)
        own = {} if value is None else {measure: value}
    if kind in (MACRO, WEIGHTED):
        return {Cell(kind, of): value for of, value in own.items()}
    if len({value.value for value in own.values()}) > 1:
        if kind in (ACCURACY, BALANCED) and row.meaning is not None and len(row.meaning.kinds) == 1:
            raise UserError(
                f"'{row.title}' has several numbers", f"the {kind} is one number; leave the other cells empty"
            )
        return None
    if not own:
        return {}
    finest = min(own.values(), key=lambda value: value.step)
    return {Cell(kind, "recall" if kind == BALANCED else "f1"): finest}


def _checked(table: PublishedTable, name: str) -> PublishedTable:
    if len(table.classes) < 2:
        raise UserError(f"{name} has {len(table.classes) or 'no'} class rows, not two or more", LAYOUT)
    if len(table.classes) > MOST_CLASSES:
        raise UserError(f"{name} has more than {MOST_CLASSES:,} classes", "audit a part of them as a table of its own")
    if not table.scores:
        raise UserError(f"{name} gives no score", "give at least one precision, recall, F1, average or accuracy")
    images = sum(known or 0 for known in table.supports)
    if max(images, *table.totals.values(), 0) > MOST_IMAGES:
        raise UserError(f"{name} is about more than {MOST_IMAGES:,} images", "check the column of supports")
    if images == 0 and (None not in table.supports or 0 in table.totals.values()):
        raise UserError(f"{name} is about no images: its supports are 0", "check the column of supports")
    missing = [place for place, known in enumerate(table.supports) if known is None]
    if len(missing) == 1 and len(set(table.totals.values())) == 1:
        rest = next(iter(table.totals.values())) - images
        if rest >= 0:
            supports = tuple(rest if known is None else known for known in table.supports)
            note = f"support of {table.classes[missing[0]]} taken as the rest: {rest}"
            return replace(table, supports=supports, totals={}, notes=(*table.notes, note))
    return table
