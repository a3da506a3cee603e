"""Lists of samples that are left out: CSV with a column ``id``, and others that say why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferbench.data.delimiter import delimiter, refuse_repeated
from ferbench.errors import UserError
from ferbench.storage import replace_file


def write_exclusions(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write (sample id, reason) pairs.

    Raises:
        UserError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "reason"])
    writer.writerows(rows)
    replace_file(path, text.getvalue().encode())


def listed_ids(path: str | Path, option: str) -> NDArray[np.str_]:
    """The sample ids of a list, str[n].

    Args:
        path: of the list.
        option: that names it, for messages.

    Raises:
        UserError: the file cannot be read, has no column ``id``, or a column twice.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        header = text.partition("\n")[0]
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter(header), strict=True)
        names, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{option}: {path} cannot be read: {reason}", "check the path; it must be CSV") from error
    refuse_repeated(names, f"{option}: {path}")
    if not rows or rows[0].get("id") is None:
        raise UserError(
            f"{option}: {path} names no sample: it needs a column 'id' and rows",
            "write one with 'ferbench audit data DATASET --write-exclusions FILE'",
        )
    return np.array([row["id"] or "" for row in rows])


def excluded_rows(path: str, ids: NDArray[np.str_], dataset: str) -> NDArray[np.bool_]:
    """Which samples a list names, bool[N].

    Names that the data does not have are passed over, since a list may be about more parts than there are.

    Args:
        path: of the list.
        ids: str[N], of all samples.
        dataset: its name, for messages.

    Raises:
        UserError: the file cannot be read, has no column ``id``, or names no sample of the dataset.
    """
    found = np.isin(ids, listed_ids(path, "data.exclude"))
    if not found.any():
        raise UserError(
            f"data.exclude: {path} names no sample of '{dataset}', such as '{ids[0]}'",
            "write the list of this dataset, or leave data.exclude out",
        )
    return found
