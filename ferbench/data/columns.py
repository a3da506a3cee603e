"""The table of a pack: one array per column, spooled in chunks while packing and read as memory maps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from ferbench.bounded import Damaged, array, read_file
from ferbench.data.description import ColumnDescription
from ferbench.ids import digest


@dataclass(frozen=True, slots=True)
class Column:
    """How one column is stored.

    Attributes:
        dtype: little-endian numpy type; ``"U"`` is text as wide as its longest entry.
        missing: stands for "not known" while spooling; a column that is missing everywhere is not stored.
        width: how many values a row has; or one for each of the ``classes``, or of what annotators could vote for
            (``votes``). A column of single values has no second axis.
        optional: whether there are packs without it.
    """

    dtype: str
    missing: Any = None
    width: int | Literal["classes", "votes"] = 1
    optional: bool = False


#: Every column that a pack can have.
COLUMNS: Mapping[str, Column] = {
    "ids": Column("U"),
    "labels": Column("<i2"),
    "part": Column("|i1"),
    "pixel_hashes": Column("|u1", width=16),
    "stored_hashes": Column("|u1", width=16, optional=True),
    "affect": Column("<f4", missing=np.nan, width=2, optional=True),
    "votes": Column("<f4", missing=np.nan, width="classes", optional=True),
    "cast_votes": Column("<f4", missing=np.nan, width="votes", optional=True),
    "subject": Column("U", missing="", optional=True),
    "clip": Column("U", missing="", optional=True),
    "frame": Column("<i4", missing=-1, optional=True),
    "source": Column("U", missing="", optional=True),
}

#: Characters that a text in a column may have.
LONGEST_TEXT = 512

# Bytes of a column's file. Ids of 512 characters of a million images are two thirds of it.
_LARGEST = 3 * 2**30


def content_digest(description: Mapping[str, Any]) -> str:
    """The id of what a description says about content: classes, parts, image shape, columns.

    The columns count by name, type and SHA-256, so whoever checks those has checked the digest.
    """
    columns = {
        name: {"dtype": column["dtype"], "sha256": column["sha256"]} for name, column in description["columns"].items()
    }
    content = {key: description[key] for key in ("class_names", "parts", "rows", "image_shape")}
    content |= {key: description[key] for key in ("vote_names", "draws_labels") if description.get(key)}
    return digest({**content, "columns": columns})


def array_sha256(array: np.ndarray) -> str:
    """SHA-256 in hexadecimal of an array's bytes in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).hexdigest()


def read_column(
    path: Path, column: Column, stated: ColumnDescription | None, rows: int, widths: Mapping[str, int]
) -> NDArray[Any]:
    """A column as its description says, in memory and not to be written.

    Args:
        path: of its ``.npy`` file.
        column: what it must be.
        stated: what the description says; None: an older release did not describe it.
        rows: of the pack.
        widths: how many ``classes`` and ``votes`` the dataset has.

    Raises:
        OSError: it is not there, or cannot be read.
        Damaged: it is something else.
    """
    width = column.width if isinstance(column.width, int) else widths[column.width]
    shape = (rows,) if column.width == 1 else (rows, width)
    try:
        values = array(read_file(path, largest=_LARGEST))
    except Damaged as error:
        raise Damaged(f"column '{path.stem}': {error}") from error
    right = values.dtype.str == column.dtype
    if column.dtype == "U":
        right = values.dtype.kind == "U" and 0 < values.dtype.itemsize <= 4 * LONGEST_TEXT
    described = stated is None or (stated.dtype, tuple(stated.shape)) == (values.dtype.str, shape)
    if not right or values.shape != shape or not described:
        raise Damaged(f"column '{path.stem}' is not as described")
    if stated is not None and array_sha256(values) != stated.sha256:
        raise Damaged(f"column '{path.stem}' has changed")
    values.flags.writeable = False
    return values


class ColumnSpool:
    """Takes a column chunk by chunk, on disk, and writes it as one ``.npy`` file at the end.

    The type of a text column is known only when its longest entry is, hence the second pass.
    """

    def __init__(self, column: Column, path: Path) -> None:
        self.column = column
        self._path = path
        self._file: BinaryIO = self._path.open("w+b")
        self._dtype = np.dtype(column.dtype)
        self._known = column.missing is None

    def append(self, values: Sequence[Any] | np.ndarray) -> None:
        """Adds a chunk: one entry per row, each a scalar or a row of fixed width."""
        if not len(values):
            return
        chunk = np.asarray(values, dtype=self.column.dtype)
        if self.column.dtype == "U":
            self._dtype = max(self._dtype, chunk.dtype, np.dtype("<U1"), key=lambda dtype: dtype.itemsize)
        if not self._known:
            missing = self.column.missing
            self._known = bool((~np.isnan(chunk) if missing is np.nan else chunk != missing).any())
        if chunk.dtype.kind == "f":
            # One bit pattern per value, so that equal content has equal bytes.
            chunk = np.where(np.isnan(chunk), np.float32(np.nan), chunk + np.float32(0)).astype("<f4")
        np.save(self._file, chunk, allow_pickle=False)

    def chunks(self) -> Iterator[np.ndarray]:
        """What was added, in the same chunks."""
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield np.load(self._file, allow_pickle=False)

    def finish(self, path: Path, keep: np.ndarray | None) -> dict[str, Any] | None:
        """Writes the column, of the rows that the mask bool[N] ``keep`` (None: all) lets through.

        Returns:
            The column's entry in the description, or None, with nothing written, when no row knows a value.
        """
        if not self._known:
            return None
        shape: tuple[int, ...] = ()
        rows = 0
        for chunk in self.chunks():
            shape = chunk.shape[1:]
            rows += len(chunk)
        kept = rows if keep is None else int(keep.sum())
        sha256 = hashlib.sha256()
        with path.open("wb") as file:
            header = {"descr": self._dtype.str, "fortran_order": False, "shape": (kept, *shape)}
            np.lib.format.write_array_header_1_0(file, header)
            start = 0
            for chunk in self.chunks():
                mask = slice(None) if keep is None else keep[start : start + len(chunk)]
                data = chunk[mask].astype(self._dtype).tobytes()
                start += len(chunk)
                sha256.update(data)
                file.write(data)
        return {"dtype": self._dtype.str, "shape": [kept, *shape], "sha256": sha256.hexdigest()}

    def close(self) -> None:
        """Removes the spool; the column's file, if it was written, stays."""
        self._file.close()
        self._path.unlink(missing_ok=True)
