"""Reading a table of scores per class, laid out like scikit-learn's classification report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from ferbench.audit.layouts import LAYOUT, lines_of
from ferbench.audit.printed import (
    ACCURACY,
    AVERAGES,
    BALANCED,
    MACRO,
    MEASURES,
    MICRO,
    WEIGHTED,
    Cell,
    Printed,
    PublishedTable,
)
from ferbench.errors import UserError
from ferbench.tables.reading import read_text

Unit = Literal["auto", "percent", "fraction"]

#: More images or classes than this would take longer than anybody waits.
MOST_IMAGES = 200_000
MOST_CLASSES = 1000
_LARGEST_FILE = 2_000_000  # bytes

_COLUMNS = {
    "class": "class label labels emotion expression category name",
    "precision": "precision prec p ppv",
    "recall": "recall rec r sensitivity tpr",
    "f1": "f1 f fscore f1score fmeasure f1measure",
    "support": "support supports n count images samples",
}
_COLUMN = {word: column for column, words in _COLUMNS.items() for word in words.split()}
_ROWS = {
    "macroavg": MACRO,
    "macroaverage": MACRO,
    "macro": MACRO,
    "macrof": MACRO,  # Macro-F1
    "unweightedavg": MACRO,
    "unweightedaverage": MACRO,
    "weightedavg": WEIGHTED,
    "weightedaverage": WEIGHTED,
    "weighted": WEIGHTED,
    "weightedf": WEIGHTED,
    "avgtotal": WEIGHTED,  # what scikit-learn printed below 0.20
    "microavg": MICRO,
    "microaverage": MICRO,
    "micro": MICRO,
    "accuracy": ACCURACY,
    "acc": ACCURACY,
    "overallaccuracy": ACCURACY,
    "testaccuracy": ACCURACY,
    "balancedaccuracy": BALANCED,
    "total": "total",
    "sum": "total",
}
_EMPTY = {"", "-", "–", "—", "n/a", "na", "none", "null"}
_NUMBER = re.compile(r"([+-]?)(\d*)(?:[.](\d*))?(?:e([+-]?\d{1,3}))?")
_PERCENT = r"%|percent|pct"


@dataclass(frozen=True, slots=True)
class _Score:
    """A number whose unit is not known yet."""

    value: Fraction
    step: Fraction
    percent: bool | None


def read_table(path: Path, *, unit: Unit = "auto", decimals: int | None = None) -> PublishedTable:
    """Read a published table.

    Args:
        path: CSV with commas, semicolons or tabs, a Markdown table, or what scikit-learn prints.
        unit: of the scores; ``auto``: percent where a column's name or a cell says so, or a number is above 1.
        decimals: with how many decimals scores were printed, for files that lost their trailing zeros. None: as many
            as each one shows, which is never wrong but may say less.

    Raises:
        UserError: the file is no such table.
    """
    return parse_table(read_text(path, path.name, _LARGEST_FILE), path.name, unit=unit, decimals=decimals)


def parse_table(text: str, name: str, *, unit: Unit = "auto", decimals: int | None = None) -> PublishedTable:
    """Like `read_table`, of a text; ``name`` is what errors call it."""
    header, *lines = lines_of(text, name)
    columns, percent, notes = _columns(header, name, [cells[0] for _, cells in lines])
    place = columns["class"]
    raw: dict[Cell, _Score] = {}
    supports: dict[str, int | None] = {}
    totals: dict[Cell, int] = {}
    undefined = set()
    seen: set[str] = set()
    for number, cells in lines:
        title = cells[place].strip() if place < len(cells) else ""
        where = f"{name}, line {number}"
        if not title:
            raise UserError(f"{where} has numbers and no name", "name the class, or remove the line")
        row = _ROWS.get(re.sub(r"[^a-z]", "", title.lower()), title)
        if row in seen:
            raise UserError(f"{where}: '{title}' is there twice", "leave one line for each class and average")
        seen.add(row)
        is_class = row not in AVERAGES and row != "total"
        of_row: dict[str, _Score] = {}
        for measure in MEASURES:
            written = cells[columns[measure]] if measure in columns and columns[measure] < len(cells) else ""
            if written.strip().lower() == "nan":
                if is_class:
                    undefined.add(Cell(row, measure))
            elif written.strip().lower() not in _EMPTY:
                # An average may be in percent, as its name says, below classes in fractions.
                says = percent[measure] or (None if is_class else _says_percent(title))
                of_row[measure] = _score(written, says, decimals, f"{where}, {measure}")
        written = cells[columns["support"]] if "support" in columns and columns["support"] < len(cells) else ""
        if is_class:
            supports[row] = _support(written, where)
            raw |= {Cell(row, measure): score for measure, score in of_row.items()}
            continue
        copied = row == ACCURACY and of_row and _same_number(written, of_row)  # pandas repeats it in every column
        total = None if copied else _support(written, where)
        if total is not None:
            totals[Cell(row, "support")] = total
        raw |= _average(row, of_row, where)
        if row == "total" and of_row:
            notes.append(f"scores of '{title}' not read: it does not say which average they are")
    scores, shown = _in_unit(raw, unit)
    return _checked(
        PublishedTable(
            tuple(supports), tuple(supports.values()), totals, scores, frozenset(undefined), shown, tuple(notes)
        ),
        name,
    )


def _columns(
    header: tuple[int, list[str]], name: str, titles: Sequence[str]
) -> tuple[dict[str, int], dict[str, bool | None], list[str]]:
    """Where each column is, whether its name says percent, and which columns are not read.

    Args:
        header: number and cells of the first line.
        name: of the file.
        titles: the first cells of the other lines.
    """
    columns: dict[str, int] = {}
    percent: dict[str, bool | None] = {}
    strange = []
    for place, title in enumerate(header[1]):
        words = title.strip().lower()
        known = _meaning(words)
        if known is None and place == 0 and not words:
            known = "class"  # pandas leaves the index without a name
        if known is None:
            strange.append(title.strip() or f"number {place + 1}")
            continue
        if known in columns:
            raise UserError(f"{name} has two columns for {known}", "keep one of them")
        columns[known] = place
        percent[known] = _says_percent(words)
    if "class" not in columns or not set(MEASURES) & set(columns):
        turned = len({_meaning(title) for title in titles} & {*MEASURES}) > 1
        remedy = "exchange lines and columns, as pandas.DataFrame(report).T does" if turned else LAYOUT
        raise UserError(f"{name} is no table of scores by class: its columns are {_some(header[1])}", remedy)
    return columns, percent, [f"columns not read: {_some(strange)}"] if strange else []


def _says_percent(title: str) -> bool | None:
    """True where a name says so; None: it may be or not."""
    return True if re.search(_PERCENT, title.lower()) else None


def _meaning(title: str) -> str | None:
    """Which column a name means."""
    return _COLUMN.get(re.sub(r"[^a-z0-9]", "", re.sub(_PERCENT, "", title.lower())))


def _some(words: Sequence[str]) -> str:
    shown = ", ".join(word.strip()[:30] or "(no name)" for word in words[:8])
    return f"{shown}, …" if len(words) > 8 else shown


def _score(written: str, percent: bool | None, decimals: int | None, where: str) -> _Score:
    text = written.strip().strip("*").strip().lower().replace("−", "-")
    if text.endswith("%"):
        text, percent = text[:-1].strip(), True
    if "," in text and "." not in text:
        text = text.replace(",", ".")
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        remedy = "write one number in each cell, and nothing where none was published"
        if "±" in text or "+-" in text:
            remedy = "means over several runs cannot be audited; give the table of one run"
        raise UserError(f"{where}: '{written.strip()[:40]}' is not a number", remedy)
    fraction = (match[3] or "")[:30]
    exponent = int(match[4] or 0)
    if abs(exponent) > 30 or len(match[2]) > 30:
        raise UserError(f"{where}: '{written.strip()[:40]}' is no score", "scores are from 0 to 1, or 0 to 100 %")
    value = Fraction(int(f"{match[2]}{fraction}" or 0)) * Fraction(10) ** (exponent - len(fraction))
    places = max(len(fraction) - exponent, 0 if decimals is None else decimals)
    return _Score(-value if match[1] == "-" else value, Fraction(1, 10) ** places, percent)


def _support(written: str, where: str) -> int | None:
    text = written.strip().strip("*").strip().lower()
    if text in _EMPTY or text == "nan":
        return None
    plain = re.sub(r"(?<=\d)[, '’\u00a0\u202f](?=\d{3}(?:\D|$))", "", text)
    match = re.fullmatch(r"(\d{1,12})(?:\.0*)?", plain)
    if match is None:
        raise UserError(f"{where}: the support '{written.strip()[:40]}' is no count", "give a whole number of images")
    return int(match[1])


def _same_number(written: str, scores: dict[str, _Score]) -> bool:
    try:
        return _score(written, None, None, "").value in {score.value for score in scores.values()}
    except UserError:
        return False


def _average(row: str, scores: dict[str, _Score], where: str) -> dict[Cell, _Score]:
    """The numbers of a row that is no class."""
    if row in (MACRO, WEIGHTED):
        return {Cell(row, measure): score for measure, score in scores.items()}
    values = {score.value for score in scores.values()}
    if row == MICRO and len(values) > 1:
        raise UserError(
            f"{where}: micro-averaged precision and recall differ, so images may have several classes or classes are "
            "left out",
            "audit a table in which every image has one class and every class one line",
        )
    if row == "total" or not scores:
        return {}
    if len(values) > 1:
        raise UserError(f"{where}: there are several numbers", f"the {row} is one number; leave the other cells empty")
    finest = min(scores.values(), key=lambda score: score.step)
    return {Cell(row, "recall" if row == BALANCED else "f1"): finest}


def _in_unit(raw: dict[Cell, _Score], unit: Unit) -> tuple[dict[Cell, Printed], Literal["percent", "fraction"]]:
    """Everything as fractions of 1, and the unit that most of the table is in."""
    open_ones = [score.value for score in raw.values() if score.percent is None]
    if unit == "auto":
        marked = len(open_ones) < len(raw)
        percent = any(value > 1 for value in open_ones) or (marked and not open_ones)
    else:
        percent = unit == "percent"
    scores = {}
    for cell, score in raw.items():
        hundredth = Fraction(1, 100) if (percent if score.percent is None else score.percent) else Fraction(1)
        scores[cell] = Printed(score.value * hundredth, score.step * hundredth)
    return scores, "percent" if percent or len(open_ones) * 2 < len(raw) else "fraction"


def _checked(table: PublishedTable, name: str) -> PublishedTable:
    if len(table.classes) < 2:
        raise UserError(f"{name} has {len(table.classes) or 'no'} class rows, not two or more", LAYOUT)
    if len(table.classes) > MOST_CLASSES:
        raise UserError(f"{name} has more than {MOST_CLASSES:,} classes", "audit a part of them as a table of its own")
    if not table.scores:
        raise UserError(f"{name} gives no score", "give at least one precision, recall, F1, average or accuracy")
    images = sum(support or 0 for support in table.supports)
    if max(images, *table.totals.values(), 0) > MOST_IMAGES:
        raise UserError(f"{name} is about more than {MOST_IMAGES:,} images", "check the column of supports")
    if images == 0 and (None not in table.supports or 0 in table.totals.values()):
        raise UserError(f"{name} is about no images: its supports are 0", "check the column of supports")
    missing = [place for place, support in enumerate(table.supports) if support is None]
    if len(missing) == 1 and len(set(table.totals.values())) == 1:
        rest = next(iter(table.totals.values())) - images
        if rest >= 0:
            supports = tuple(rest if support is None else support for support in table.supports)
            note = f"support of {table.classes[missing[0]]} taken as the rest: {rest}"
            return PublishedTable(
                table.classes, supports, {}, table.scores, table.undefined, table.unit, (*table.notes, note)
            )
    return table
