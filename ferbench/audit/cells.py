"""The numbers in a published table's cells: scores with their decimals and their unit, and counts of images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ferbench.audit.printed import Cell, Printed
from ferbench.errors import UserError

Unit = Literal["auto", "percent", "fraction"]

EMPTY = {"", "-", "–", "—", "--", "---", "n/a", "na", "none", "null", "/", "\\", "x"}
_NUMBER = re.compile(r"([+-]?)(\d*)(?:[.](\d*))?(?:e([+-]?\d{1,3}))?")
_AROUND = re.compile(r"^[\s*_`$†‡↑↓]+|[\s*_`$†‡↑↓]+$")


@dataclass(frozen=True, slots=True)
class Score:
    """A number whose unit may not be known yet.

    Attributes:
        value: as it is written.
        step: one unit of its last decimal.
        percent: whether its cell, row or column says so; None: nothing does.
    """

    value: Fraction
    step: Fraction
    percent: bool | None


def score(written: str, percent: bool | None, decimals: int | None, where: str) -> Score | None:
    """The number in a cell; None where there is none.

    Raises:
        UserError: something else is there.
    """
    text = _AROUND.sub("", written).lower().replace("−", "-")
    if text in EMPTY:
        return None
    if re.search(r"(%|pct)$", text):
        text, percent = re.sub(r"(%|pct)$", "", text).strip(), True
    if "," in text and "." not in text:
        text = text.replace(",", ".")
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        remedy = "write one number in each cell, and nothing where none was published"
        if "±" in text or "+-" in text or "\\pm" in text:
            remedy = "means over several runs cannot be audited; give the table of one run"
        raise UserError(f"{where}: '{written.strip()[:40]}' is not a number", remedy)
    fraction = (match[3] or "")[:30]
    exponent = int(match[4] or 0)
    if abs(exponent) > 30 or len(match[2]) > 30:
        raise UserError(f"{where}: '{written.strip()[:40]}' is not a score", "scores are from 0 to 1, or 0 to 100 %")
    value = Fraction(int(f"{match[2]}{fraction}" or 0)) * Fraction(10) ** (exponent - len(fraction))
    places = max(len(fraction) - exponent, 0 if decimals is None else decimals)
    return Score(-value if match[1] == "-" else value, Fraction(1, 10) ** places, percent)


def support(written: str, where: str) -> int | None:
    """The count in a cell; None where there is none.

    Raises:
        UserError: something else is there.
    """
    text = _AROUND.sub("", written).lower()
    if text in EMPTY or text == "nan":
        return None
    plain = re.sub(r"(?<=\d)[, '’\u00a0\u202f](?=\d{3}(?:\D|$))", "", text)
    if re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})+", plain) and not plain.endswith(".000"):
        plain = plain.replace(".", "")
    match = re.fullmatch(r"(\d{1,12})(?:\.0*)?", plain)
    if match is None:
        raise UserError(
            f"{where}: the support '{written.strip()[:40]}' is not a count", "give a whole number of images"
        )
    return int(match[1])


def in_unit(
    raw: Mapping[Cell, Score], classes: Iterable[str], unit: Unit
) -> tuple[dict[Cell, Printed], Literal["percent", "fraction"]]:
    """Everything as fractions of 1, and the unit that most of the table is in.

    What a cell or a name says holds. Beyond that a column of classes has one unit, and an average that of its column,
    unless its number can only be of the other one: 69.16 below fractions, 0.69 below percentages.
    """
    known = set(classes)
    columns: dict[str, list[Fraction]] = {}
    for cell, own in raw.items():
        if cell.row in known and own.percent is None:
            columns.setdefault(cell.measure, []).append(own.value)
    above = [value for values in columns.values() for value in values if value > 1]
    marked = [own for own in raw.values() if own.percent]
    every = bool(marked) and len(marked) == len(raw)
    of_table = _is_percent([value for values in columns.values() for value in values]) if columns else every
    of_column = {measure: _is_percent(values) if any(values) else of_table for measure, values in columns.items()}
    scores = {}
    percents = 0
    for cell, own in raw.items():
        if own.percent is not None:
            percent = own.percent
        elif unit != "auto":
            percent = unit == "percent"
        elif cell.row in known:
            percent = of_column[cell.measure]
        else:
            percent = of_column.get(cell.measure, of_table)
            # An average of percentages above 3 is above 1, and no average of fractions is.
            if percent and own.value <= 1 and own.value.denominator > 1 and min(above, default=Fraction(0)) > 3:
                percent = False
            elif not percent and own.value > 2:
                percent = True
        percents += percent
        hundredth = Fraction(1, 100) if percent else Fraction(1)
        scores[cell] = Printed(own.value * hundredth, own.step * hundredth)
    return scores, "percent" if 2 * percents > len(raw) else "fraction"


def _is_percent(values: Iterable[Fraction]) -> bool:
    """Whether numbers are percentages: a single one a little above 1 is a fraction that is wrong."""
    listed = list(values)
    above = sum(value > 1 for value in listed)
    return above > 0 and (max(listed) > 2 or 2 * above > len(listed))
