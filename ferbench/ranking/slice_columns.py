"""Columns by which samples are sliced: those that predictions carry, and those of a table of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.tables.reading import read_samples
from ferbench.wording import did_you_mean


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
    chosen = {}
    for name in dict.fromkeys(wanted):
        if name not in columns:
            there = ", ".join(columns) or "none"
            raise UserError(
                f"--slice {name}: the samples have no such column",
                f"{did_you_mean(name, columns)}columns: {there}; give others by sample id with --slice-table FILE.csv",
            )
        chosen[name] = columns[name]
    return chosen


def _table(path: Path, ids: NDArray[np.str_]) -> dict[str, NDArray[np.str_]]:
    table = read_samples(path)
    if not table.index.isin(ids.tolist()).any():
        raise UserError(
            f"{path} knows none of the samples: its ids are like '{table.index[0]}', theirs like '{ids[0]}'",
            "write the sample ids as predictions have them ('ferbench compare A B --csv FILE' shows some)",
        )
    values = table.reindex(ids.tolist(), fill_value="")
    return {name: np.array([text.strip() for text in values[name]]) for name in values}
