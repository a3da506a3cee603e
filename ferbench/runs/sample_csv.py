"""A CSV file with a line for each sample, as users write it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ferbench.data.delimiter import delimiter
from ferbench.errors import UserError

#: How the column with the sample ids may be called, first come first served.
ID_COLUMNS = ("id", "sample_id", "sample")


def read_csv(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Rows and header of a CSV file with a header; a byte order mark and blanks around names are taken off.

    Commas, semicolons or tabs stand between the fields.

    Raises:
        UserError: it cannot be read, is no text or has no rows.
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
    if not rows:
        raise UserError(f"{path} has no rows", "write a header and one sample a line")
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise UserError(f"{path}, line {number}: it has not {len(header)} fields as the header", "mend that line")
    return rows, header


def id_column(path: Path, header: Sequence[str]) -> str:
    """The name of the column with the sample ids.

    Raises:
        UserError: there is none.
    """
    lower = {name.lower(): name for name in header}
    for name in ID_COLUMNS:
        if name in lower:
            return lower[name]
    raise UserError(f"{path} has no column 'id'; its columns: {', '.join(header)}", "add the sample ids as 'id'")
