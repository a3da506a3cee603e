"""The table of a pack: one array per column."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.ids import digest


@dataclass(frozen=True, slots=True)
class Column:
    """How one column is stored.

    Attributes:
        dtype: little-endian numpy type; ``"U"`` is text as wide as its longest entry.
        missing: stands for "not known"; a column that is missing everywhere is not stored.
    """

    dtype: str
    missing: Any = None


#: Every column that a pack can have. Those without ``missing`` are always there.
COLUMNS: Mapping[str, Column] = {
    "ids": Column("U"),
    "labels": Column("<i2"),
    "part": Column("|i1"),
    "pixel_hashes": Column("|u1"),
    "stored_hashes": Column("|u1"),
    "affect": Column("<f4", missing=np.nan),
    "votes": Column("<f4", missing=np.nan),
    "subject": Column("U", missing=""),
    "clip": Column("U", missing=""),
    "frame": Column("<i4", missing=-1),
    "source": Column("U", missing=""),
}


def content_digest(description: Mapping[str, Any]) -> str:
    """The id of what a description says about content: classes, parts, image shape, columns.

    The columns count by name, type and SHA-256, so whoever checks those has checked the digest.
    """
    columns = {
        name: {"dtype": column["dtype"], "sha256": column["sha256"]} for name, column in description["columns"].items()
    }
    content = {key: description[key] for key in ("class_names", "parts", "rows", "image_shape")}
    return digest({**content, "columns": columns})


def array_sha256(array: np.ndarray) -> str:
    """SHA-256 in hexadecimal of an array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).hexdigest()


def write_column(path: Path, column: Column, values: np.ndarray, keep: np.ndarray | None) -> dict[str, Any] | None:
    """Write a column as one ``.npy`` file.

    Args:
        path: of the file.
        column: what it is.
        values: [N, …] of every row.
        keep: bool[N], the rows that are written; None: all.

    Returns:
        The column's entry in the description, or None, with nothing written, when no row knows a value.
    """
    missing = column.missing
    if missing is not None and not (~np.isnan(values) if missing is np.nan else values != missing).any():
        return None
    if values.dtype.kind == "f":  # one bit pattern per value, so that equal content has equal bytes
        values = np.where(np.isnan(values), np.float32(np.nan), values + np.float32(0)).astype(column.dtype)
    if keep is not None:
        values = values[keep]
    np.save(path, values, allow_pickle=False)
    return {"dtype": values.dtype.str, "shape": list(values.shape), "sha256": array_sha256(values)}
