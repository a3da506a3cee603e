"""Tables as pandas frames."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ferbench.tables.table import Spread, Table

if TYPE_CHECKING:
    import pandas as pd


def of_table(table: Table) -> pd.DataFrame:
    """A table with its exact numbers: columns by key; of a spread the mean, and ``KEY_min``, ``KEY_max``; of one with
    an interval ``KEY_ci_low`` and ``KEY_ci_high``."""
    import pandas as pd

    columns: dict[str, list[Any]] = {}
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        spreads = [cell if isinstance(cell, Spread) else None for cell in cells]
        columns[column.key] = [cell.mean if isinstance(cell, Spread) else cell for cell in cells]
        if column.spread:
            columns[f"{column.key}_min"] = [spread and spread.low for spread in spreads]
            columns[f"{column.key}_max"] = [spread and spread.high for spread in spreads]
        if column.interval:
            ends = [spread.interval if spread and spread.interval else (None, None) for spread in spreads]
            columns[f"{column.key}_ci_low"], columns[f"{column.key}_ci_high"] = (
                [e[0] for e in ends],
                [e[1] for e in ends],
            )
    return pd.DataFrame({key: _typed(key, values) for key, values in columns.items()})


def _typed(key: str, values: list[Any]) -> Any:
    """Values as a column: whole numbers stay whole where some are not known."""
    import pandas as pd

    known = [value for value in values if value is not None]
    if known and len(known) < len(values) and all(isinstance(value, int) for value in known):
        return pd.array(values, dtype="Int64")
    if not known and re.search(r"_(min|max|ci_low|ci_high)$", key):
        return pd.array(values, dtype="Float64")
    return values
