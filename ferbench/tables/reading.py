"""Tables that somebody else wrote, in CSV: the only reader of them.

One dialect: UTF-8 with or without a byte-order mark; commas, semicolons or tabs between the fields, whichever stands
between the names in the first line; fields in double quotes; any line ending. Every field is text, so that classes
called ``NA``, ``None``, ``nan`` or ``1`` stay what they are. Blanks around the names of columns do not count.

A table of results is read whole (`read_rows`, `read_table`, `read_samples`): a line that does not fit its header is an
error, and fields may hold line breaks. A list of images, which may be larger than memory, is read row by row
(`csv_rows`): every line is a row there, so that a damaged one harms no other, and what is wrong with it is given.
Fields are taken apart by Python's own ``csv`` and not by ``pandas.read_csv``, which fills short lines up in silence,
does not tell which line a row stands in, and would have to be imported before any training.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.bounded import Damaged, TooLarge, opened_given, read_given
from ferbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

#: How the column with the sample ids may be called, whatever its case, first come first served.
ID_COLUMNS = ("id", "sample_id", "sample")

_DELIMITERS = ",;\t"
_LARGEST = 1 << 30  # bytes of a table that is read whole
_LONGEST_LINE = 100_000
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
#: The byte-order marks of UTF-16, as they come through where every line is a row.
_UTF_16_SURROGATES = tuple(mark.decode("utf-8", "surrogateescape") for mark in _UTF_16)


@dataclass(frozen=True, slots=True)
class Rows:
    """A table that was read whole.

    Attributes:
        columns: names, without blanks around them; those that are not empty differ.
        lines: the line that each row begins in; the first line of the file is 1.
        cells: the fields of each row, as many as there are columns.
        where: the file, as messages begin.
    """

    columns: list[str]
    lines: list[int]
    cells: list[list[str]]
    where: str

    def values(self, column: str) -> list[str]:
        """The fields of one column."""
        place = self.columns.index(column)
        return [cells[place] for cells in self.cells]

    def frame(self) -> pd.DataFrame:
        """The named columns, text (Python's ``str``, never missing); the index ``line`` is what each row begins in."""
        import pandas as pd

        # Not pandas' own text type: it takes no text that UTF-8 cannot write, and seconds for many columns.
        table = pd.DataFrame(
            self.cells, columns=self.columns, index=pd.Index(self.lines, name="line"), dtype=object, copy=False
        )
        return table.loc[:, [bool(name) for name in self.columns]]


def read_table(path: Path, where: str | None = None) -> pd.DataFrame:
    """A table as `Rows.frame` gives it, with at least one row; ``where`` is what messages begin with (None: the path).

    Raises:
        UserError: it cannot be read, is no such text, has no rows, has a column twice, or a line of another length.
    """
    return read_rows(path, where).frame()


def read_samples(path: Path) -> pd.DataFrame:
    """A table with one row a sample, by its id: the index is called ``id``, whatever the column is.

    Raises:
        UserError: as `read_table` does; or no column has ids, or one is there twice.
    """
    return by_sample(read_table(path), str(path))


def by_sample(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """A table of text by its column of sample ids; its index says what ``line`` or ``row`` of ``where`` each row is.

    Raises:
        UserError: no column has ids, or one is there twice.
    """
    name = id_column(table.columns, where)
    twice = table.index[table[name].duplicated()]
    if len(twice):
        raise UserError(
            f"{where}, {table.index.name} {twice[0]}: the id '{table.loc[twice[0], name]}' stands there twice",
            "write each sample once",
        )
    return table.set_index(name).rename_axis("id")


def column_called(columns: Iterable[str], names: Sequence[str], where: str) -> str | None:
    """The column that has one of some names, in lower case, whatever its own case; None where none has.

    Raises:
        UserError: several have.
    """
    called = [column for column in columns if column.lower() in names]
    if len(called) > 1:
        raise UserError(f"{where}: columns '{called[0]}' and '{called[1]}' say the same thing", "keep one of them")
    return called[0] if called else None


def id_column(columns: Iterable[str], where: str) -> str:
    """The name of the column with the sample ids.

    Raises:
        UserError: there is none, or one name is there in two cases.
    """
    columns = list(columns)
    for name in ID_COLUMNS:
        if (column := column_called(columns, (name,), where)) is not None:
            return column
    there = ", ".join(columns[:16])[:200] + (", …" if len(columns) > 16 else "")
    raise UserError(f"{where} has no column 'id'; its columns: {there}", "add the sample ids as 'id'")


def read_rows(path: Path, where: str | None = None) -> Rows:
    """Like `read_table`, without pandas.

    Raises:
        UserError: as `read_table` does.
    """
    where = where or str(path)
    (_, header), *records = records_of(read_text(path, where), where) or [(1, [])]
    columns = [name.strip() for name in header]
    refuse_repeated(columns, where)
    if len(columns) > 1:
        records = [(number, cells) for number, cells in records if len(cells) > 1 or cells[0].strip()]
    if not records:
        raise UserError(f"{where} has no rows", "write a header and one row a line below it")
    for number, cells in records:
        if len(cells) != len(columns):
            raise UserError(f"{where}, line {number}: it has not {len(columns)} fields as the header", "mend that line")
    return Rows(columns, [number for number, _ in records], [cells for _, cells in records], where)


def read_text(path: Path, where: str, largest: int = _LARGEST) -> str:
    """The text of a file in UTF-8, or in UTF-16 that says so with a byte-order mark, which is taken off.

    Args:
        path: the file, as `ferbench.bounded.opened_given` takes it.
        where: what messages begin with.
        largest: bytes that it may have.

    Raises:
        UserError: it cannot be read, is larger, or no such text.
    """
    try:
        content = read_given(path, largest=largest)
    except TooLarge as error:
        what = f"{where} is too large: {largest:,} bytes at most"
        raise UserError(what, "check that it is the file it is taken for") from error
    except (OSError, Damaged) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{where} cannot be read: {reason}", "check the path and its permissions") from error
    try:
        return content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not text in UTF-8", "save it as CSV in UTF-8") from error


def records_of(text: str, where: str) -> list[tuple[int, list[str]]]:
    """The fields of each record with the line that it begins in; empty lines are none.

    Raises:
        UserError: it is no CSV.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(first), strict=True)
    records = []
    begin = 1
    try:
        for cells in reader:
            if cells:
                records.append((begin, cells))
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{where} is not CSV, line {begin}: {error}", "mend it, or write it anew as CSV") from error
    return records


def delimiter(header: str, wanted: Sequence[str] = ()) -> str:
    """What stands between the names in a header: what makes most names, a comma if several do.

    Args:
        header: a line.
        wanted: names, in lower case, of which only those that are there count. Without any a comma stands there.
    """

    def names(between: str) -> tuple[int, int]:
        fields = _fields(header, between)
        if wanted:
            return 0 if isinstance(fields, str) else len({*wanted} & {name.strip().lower() for name in fields}), 0
        # A name may hold a line break, so that it has no end here.
        return 0 if isinstance(fields, str) else len(fields), header.count(between)

    return max(_DELIMITERS, key=names)


def refuse_repeated(names: Sequence[str], where: str) -> None:
    """Refuse columns of which one name is there twice: which of them counts would be a guess. Nameless ones may be.

    Args:
        names: as they are looked for, so without blanks around them where those do not count.
        where: the file, as messages begin.

    Raises:
        UserError: there are such columns.
    """
    seen = {""}
    for name in names:
        if name in seen and name:
            raise UserError(f"{where}: column '{name}' is there twice", "remove one of them, or give it another name")
        seen.add(name)


def csv_rows(
    path: Path, columns: Sequence[str], *, headless: Sequence[str] | None = None
) -> Iterator[tuple[int, tuple[str, ...] | str]]:
    """The named columns of every row of a list of images, in the order asked for.

    Columns are found by their names in the first line, whatever their case and surrounding blanks; empty lines are
    passed over. Bytes that are not UTF-8 come through as lone surrogates, which no number or known word contains.

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
    names, between = _header(first[1], wanted)
    if headless is not None and not set(wanted) & set(names):
        names = [name.lower() for name in headless]
        lines = chain([first], lines)
    refuse_repeated([name for name in names if name in wanted], str(path))
    if not set(wanted) <= set(names):
        there = ", ".join(ascii(name)[1:-1] for name in names[:16]) or "nothing"
        raise UserError(
            f"{path} should start with the columns {', '.join(columns)}; it has: {there[:200]}",
            "check that this is the file it is taken for",
        )
    places = [names.index(name) for name in wanted]
    for number, line in lines:
        if not line.strip():
            continue
        fields = _fields(line, between)
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
        with (
            opened_given(path) as content,
            io.TextIOWrapper(content, "utf-8-sig", errors="surrogateescape", newline="") as file,
        ):
            number = 0
            while line := file.readline(_LONGEST_LINE):
                number += 1
                if number == 1 and line.startswith(_UTF_16_SURROGATES):
                    raise UserError(f"{path} is text in UTF-16", "save it as UTF-8")
                if len(line) == _LONGEST_LINE:
                    raise UserError(
                        f"{path}, row {number}: a line of {_LONGEST_LINE:,} characters or more",
                        "check that this is the file it is taken for",
                    )
                yield number, line.rstrip("\r\n")
    except (OSError, Damaged) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot read {path}: {reason}", "check the path and the permissions") from error


def _header(line: str, wanted: Sequence[str]) -> tuple[list[str], str]:
    """The names in a first line, in lower case, and what stands between them."""
    between = delimiter(line, wanted)
    names = _fields(line, between)
    return [] if isinstance(names, str) else [name.strip().lower() for name in names], between


def _fields(line: str, between: str) -> list[str] | str:
    """The fields of a line, or what is wrong with it."""
    try:
        return next(csv.reader([line], delimiter=between, strict=True), [])
    except csv.Error as error:
        return f"malformed CSV: {error}"
