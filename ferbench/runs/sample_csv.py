"""A CSV file with a line for each sample, as users write it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ferbench.data.delimiter import delimiter, refuse_repeated
from ferbench.errors import UserError

#: How the column with the sample ids may be called, first come first served.
ID_COLUMNS = ("id", "sample_id", "sample")


def read_csv(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Rows and header of a CSV file with a header; a byte order mark and blanks around names are taken off.

    Commas, semicolons or tabs stand between the fields.

    Raises:
        UserError: it cannot be read, is no text, has no rows, or has a column twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter(file.readline()))
            file.seek(0)
            header = [(name or "").strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            rows = list(reader)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV file: {error}", "write it as UTF-8 text, one sample a line") from error
    refuse_repeated(header, str(path))
    if not rows:
        raise UserError(f"{path} has no rows", "write a header and one sample a line")
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise UserError(f"{path}, line {number}: it has not {len(header)} fields as the header", "mend that line")
    return rows, header


def rows_by_id(path: Path, rows: Sequence[dict[str, str]], key: str) -> dict[str, dict[str, str]]:
    """Rows by the sample ids in the column ``key``.

    Raises:
        UserError: an id is there twice.
    """
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, 2):
        if found.setdefault(row[key], row) is not row:
            raise UserError(f"{path}, line {number}: the id '{row[key]}' stands there twice", "write each sample once")
    return found


def column_called(path: Path, header: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that has one of some names, in lower case, whatever its own case; None where none has.

    Raises:
        UserError: several have.
    """
    found = [name for name in header if name.lower() in names]
    if len(found) > 1:
        raise UserError(f"{path}: columns '{found[0]}' and '{found[1]}' say the same thing", "keep one of them")
    return found[0] if found else None


def id_column(path: Path, header: Sequence[str]) -> str:
    """The name of the column with the sample ids.

    Raises:
        UserError: there is none, or one name is there in two cases.
    """
    for name in ID_COLUMNS:
        if (found := column_called(path, header, (name,))) is not None:
            return found
    raise UserError(f"{path} has no column 'id'; its columns: {', '.join(header)}", "add the sample ids as 'id'")
