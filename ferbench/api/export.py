"""Predictions of a run as a table of other software."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.errors import UserError
from ferbench.output import is_stream, write_output

if TYPE_CHECKING:
    import pandas as pd

FORMATS = (".csv", ".parquet")


def check_format(path: Path) -> None:
    """Refuse a file that could not be written later.

    Raises:
        UserError: its suffix says no format, or what writes it is not installed.
    """
    if path.suffix.lower() not in FORMATS and not is_stream(path):
        raise UserError(
            f"{path}: what format is '{path.suffix}'?", f"call the file {path.stem}.csv or {path.stem}.parquet"
        )
    if path.suffix.lower() == ".parquet":
        from importlib.util import find_spec

        if find_spec("pyarrow") is None:
            raise UserError("Parquet is written by pyarrow, which is not installed", 'pip install "ferbench[parquet]"')


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as CSV or Parquet, by its suffix; into a pipe or device without one as CSV.

    In CSV, text that a spreadsheet would run as a formula gets an apostrophe in front; Parquet keeps it as it is.

    Raises:
        UserError: as `check_format`, or it cannot be written.
    """
    check_format(path)
    if path.suffix.lower() == ".parquet":
        import io

        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        write_output(path, buffer.getvalue())
        return
    from ferbench.tables.formats import csv_text

    safe = frame.rename(columns=csv_text)
    for place, kind in enumerate(frame.dtypes):
        if kind.kind not in "fiub":  # texts and categories
            texts = frame.iloc[:, place].astype("object")
            safe.isetitem(place, texts.map(csv_text, na_action="ignore"))
    write_output(path, safe.to_csv(index=False, lineterminator="\n").encode())
