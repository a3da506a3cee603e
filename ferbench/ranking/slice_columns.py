"""Columns by which samples are sliced: those that predictions carry, and those of a table of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.plugin.faults import did_you_mean
from ferbench.runs.sample_csv import id_column, read_csv, rows_by_id


def sliced_by(
    ids: NDArray[np.str_],
    known: Mapping[str, NDArray[np.str_]],
    wanted: Sequence[str],
    table: Path | None = None,
) -> dict[str, NDArray[np.str_]]:
    """The values text[n] of each wanted column, in the order of ``ids``; empty where a sample has none.

    Args:
        ids: text[n] of the samples.
        known: columns that came with the predictions.
        wanted: names.
        table: a CSV with a column of ids and further columns.

    Raises:
        UserError: there is no such column, or the table cannot be used.
    """
    columns = {**known, **(_table(table, ids) if table is not None else {})}
    found = {}
    for name in dict.fromkeys(wanted):
        if name not in columns:
            there = ", ".join(columns) or "none"
            raise UserError(
                f"--slice {name}: the samples have no such column",
                f"{did_you_mean(name, columns)}columns: {there}; give others by sample id with --slice-table FILE.csv",
            )
        found[name] = columns[name]
    return found


def _table(path: Path, ids: NDArray[np.str_]) -> dict[str, NDArray[np.str_]]:
    rows, header = read_csv(path)
    key = id_column(path, header)
    by_id = rows_by_id(path, rows, key)
    if not any(one in by_id for one in ids.tolist()):
        raise UserError(
            f"{path} knows none of the samples: its ids are like '{next(iter(by_id), '')}', theirs like '{ids[0]}'",
            "write the sample ids as predictions have them ('ferbench compare A B --csv FILE' shows some)",
        )
    nothing: dict[str, str] = {}
    return {
        name: np.array([(by_id.get(one, nothing).get(name) or "").strip() for one in ids.tolist()])
        for name in header
        if name != key
    }
