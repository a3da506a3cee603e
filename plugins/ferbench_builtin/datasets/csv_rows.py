"""Rows of a CSV file in which every line is a row, so that a damaged one harms no other."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TextIO

from ferbench import UserError
from ferbench.data.delimiter import refuse_repeated

_LONGEST_LINE = 100_000

#: What stands between two fields: commas, or what spreadsheets of other countries and tools write.
_DELIMITERS = ",;\t"


#: The byte-order marks of UTF-16, as they come through.
_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")


def csv_rows(
    path: Path, columns: Sequence[str], *, headless: Sequence[str] | None = None
) -> Iterator[tuple[int, tuple[str, ...] | str]]:
    """The named columns of every row, in the order asked for.

    Columns are found by their names in the first line, whatever their case and surrounding blanks. Quoted
    fields, a byte-order mark and any line ending are understood; empty lines are passed over. Semicolons or tabs
    stand between the fields where they do so between the names. Bytes that are not UTF-8 come through as lone
    surrogates, which no number or known word contains.

    Args:
        path: the file.
        columns: names of the columns to give.
        headless: the columns of a file whose first line may be a row already: it is one where it names none of
            the columns.

    Yields:
        Line number (the first line is 1), and the fields, or what is wrong with the line.

    Raises:
        UserError: the file cannot be read, has other columns, or is no text in lines.
    """
    lines = text_lines(path)
    first = next(lines, (1, ""))
    wanted = [name.lower() for name in columns]
    names, delimiter = _header(first[1], wanted)
    if headless is not None and not set(wanted) & set(names):
        names = [name.lower() for name in headless]
        lines = chain([first], lines)
    refuse_repeated([name for name in names if name in wanted], str(path))
    if not set(wanted) <= set(names):
        found = ", ".join(ascii(name)[1:-1] for name in names[:16]) or "nothing"
        raise UserError(
            f"{path} should start with the columns {', '.join(columns)}; it has: {found[:200]}",
            "check that this is the file it is taken for",
        )
    places = [names.index(name) for name in wanted]
    for number, line in lines:
        if not line.strip():
            continue
        fields = _fields(line, delimiter)
        if isinstance(fields, str):
            yield number, fields
        elif len(fields) != len(names):
            yield number, f"{len(fields)} {'field' if len(fields) == 1 else 'fields'}, expected {len(names)}"
        else:
            yield number, tuple(fields[place] for place in places)


def csv_columns(path: Path, wanted: Sequence[str]) -> list[str]:
    """The names in the first line, in lower case and without surrounding blanks.

    Args:
        path: the file.
        wanted: names that it may have, by which it is seen what stands between them.

    Raises:
        UserError: the file cannot be read, or is no text in lines.
    """
    return _header(next(text_lines(path), (1, ""))[1], [name.strip().lower() for name in wanted])[0]


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Every line of a text file with its number (the first is 1), without its ending.

    Raises:
        UserError: the file cannot be read, or is no text in lines.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from _lines(path, file)
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}", "check the path and the permissions"
        ) from error


def _header(line: str, wanted: Sequence[str]) -> tuple[list[str], str]:
    """The names in a first line, and what stands between them: commas, unless some names are found without."""
    found = {delimiter: _names(line, delimiter) for delimiter in _DELIMITERS}
    delimiter = max(found, key=lambda one: len({*wanted} & {*found[one]}))
    return found[delimiter], delimiter


def _names(line: str, delimiter: str) -> list[str]:
    header = _fields(line, delimiter)
    return [] if isinstance(header, str) else [name.strip().lower() for name in header]


def _lines(path: Path, file: TextIO) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if number == 1 and line.startswith(_UTF_16):
            raise UserError(f"{path} is text in UTF-16", "save it as UTF-8")
        if len(line) == _LONGEST_LINE:
            raise UserError(
                f"{path}, row {number}: a line of {_LONGEST_LINE:,} characters or more",
                "check that this is the file it is taken for",
            )
        yield number, line.rstrip("\r\n")


def _fields(line: str, delimiter: str) -> list[str] | str:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return f"malformed CSV: {error}"
