"""The images of a pack: read from its file each time they are asked for, and compared with the hashes that were taken
of them."""

from __future__ import annotations

import hashlib
import math
import os
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.bounded import Damaged, opened
from ferbench.errors import UserError

#: Called now and then with how many images have been compared, and how many are to be.
Compared = Callable[[int, int], None]

#: The file of a pack's images.
IMAGES_FILE = "images.bin"

# So much is read and hashed at a time. Images below the second size are hashed by one thread: handing the interpreter's
# lock to and fro would take longer than the hashing.
_CHUNK_BYTES = 4 * 2**20
_LEAST_SHARED = 8 * 2**10


class DamagedPack(UserError):
    """What is stored is not what was packed.

    Attributes:
        what: is wrong.
    """

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"the pack {path} cannot be used: {what}",
            "run or resume again: it is then built anew from the dataset's files; where they are gone, get them first",
        )
        self.what = what


class StoredImages:
    """uint8[N, C, H, W] in a file, row after row; indexed as an array is, read anew each time.

    It is not mapped into memory: a mapped file that is cut short, or that its disk cannot read, ends the process
    without a word. When the file has been written to since it was opened, every image is compared with its hash before
    any is given out.

    Args:
        directory: of the pack.
        shape: (N, C, H, W).
        hashes: uint8[N, 16], the `pixel_hash` of each image.

    Raises:
        OSError: the file is not there or cannot be opened.
        Damaged: it is no regular file, or of another size.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, directory: Path, shape: Sequence[int], hashes: NDArray[np.uint8]) -> None:
        self.shape = tuple(shape)
        self._directory = directory
        self._hashes = hashes
        self._row_bytes = math.prod(self.shape[1:])
        with opened(directory / IMAGES_FILE) as file:
            size, expected = os.fstat(file.fileno()).st_size, math.prod(self.shape)
            if size != expected:
                raise Damaged(f"it has {size:,} bytes, expected {expected:,}")
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._looked_at = self._state()

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        """As of an array: ``key`` is a row, a slice, row numbers or a mask; behind it in a tuple, what else selects.

        Raises:
            IndexError: there is no such row.
            DamagedPack: the images are no more what was packed.
        """
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            return self[:][key]
        if isinstance(first, (int, np.integer)):
            return self._read(np.array([range(len(self))[first]]))[0][tuple(rest)]
        images = self._read(self._rows(first))
        return images[(slice(None), *rest)] if rest else images

    def damaged_rows(self, rows: Iterable[int] | None = None, compared: Compared | None = None) -> list[int]:
        """Which of these rows, or of all, have another image than their hash was taken of.

        Raises:
            DamagedPack: they cannot be read.
        """
        wanted = np.arange(len(self)) if rows is None else np.fromiter(rows, dtype=np.int64)
        step = max(1, _CHUNK_BYTES // max(1, self._row_bytes))
        chunks = [wanted[start : start + step] for start in range(0, len(wanted), step)]
        threads = min(len(chunks), available_cores() if self._row_bytes >= _LEAST_SHARED else 1)
        wrong, done = list[int](), 0
        with ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="look") as pool:
            found = (pool.map if threads > 1 else map)(self._damaged_among, chunks)
            for chunk, damaged in zip(chunks, found, strict=True):
                wrong += damaged
                done += len(chunk)
                if compared is not None:
                    compared(done, len(wanted))
        return wrong

    def check(self, rows: Iterable[int] | None = None, compared: Compared | None = None) -> None:
        """Refuse images that are not what was packed, of these rows or of all.

        Raises:
            DamagedPack: naming how many there are, and the first.
        """
        wrong = self.damaged_rows(rows, compared)
        if len(wrong) == 1:
            raise DamagedPack(self._directory, f"the image of row {wrong[0]} has changed")
        if wrong:
            what = f"{len(wrong):,} of {len(self):,} images have changed, the first in row {wrong[0]}"
            raise DamagedPack(self._directory, what)

    def _rows(self, key: Any) -> NDArray[np.int64]:
        if isinstance(key, slice):
            return np.arange(*key.indices(len(self)), dtype=np.int64)
        rows = np.asarray(key)
        if rows.dtype == bool and rows.shape == (len(self),):
            return np.flatnonzero(rows)
        if rows.ndim != 1 or (rows.dtype.kind not in "iu" and len(rows)):
            raise IndexError("images are taken by a row, a slice, row numbers or a mask")
        rows = rows.astype(np.int64)
        if len(rows) and (rows.min() < -len(self) or rows.max() >= len(self)):
            raise IndexError(f"there are {len(self)} rows")
        return np.where(rows < 0, rows + len(self), rows)

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = self._unchecked(rows)
        state = self._state()  # asked for after reading, so that what was written meanwhile is seen
        if state != self._looked_at:
            self.check()
            self._looked_at = state
            images = self._unchecked(rows)
        return images

    def _state(self) -> tuple[int, int]:
        """Size and time of the last writing. Those of a file that was removed or replaced meanwhile stay."""
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns

    def _unchecked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        if not images.size:
            return images
        view, size = images.reshape(-1).data, self._row_bytes
        starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)  # rows that follow each other are read at once
        ends = [*starts[1:].tolist(), len(rows)]
        for start, end, row in zip(starts.tolist(), ends, rows[starts].tolist(), strict=True):
            self._fill(view[start * size : end * size], row * size)
        return images

    def _fill(self, view: memoryview, offset: int) -> None:
        while len(view):
            try:
                count = os.preadv(self._descriptor, [view], offset)
            except OSError as error:
                what = f"{IMAGES_FILE} cannot be read: {error.strerror or error}"
                raise DamagedPack(self._directory, what) from error
            if not count:
                raise DamagedPack(self._directory, f"{IMAGES_FILE} was cut short while it was in use")
            view = view[count:]
            offset += count

    def _damaged_among(self, rows: NDArray[np.int64]) -> list[int]:
        view, size, fresh = self._unchecked(rows).reshape(-1).data, self._row_bytes, _hash_of(self.shape[1:])
        wrong = []
        for place, (row, wanted) in enumerate(zip(rows.tolist(), self._hashes[rows], strict=True)):
            hashed = fresh.copy()
            hashed.update(view[place * size : place * size + size])
            if hashed.digest() != wanted.tobytes():
                wrong.append(row)
        return wrong


#: uint8[N, C, H, W], in memory or in a pack's file.
Images = NDArray[np.uint8] | StoredImages


def pixel_hash(image: NDArray[np.uint8]) -> bytes:
    """BLAKE2b-128 over ``b"<C>x<H>x<W>:"`` and the bytes of uint8[C, H, W]."""
    hashed = _hash_of(image.shape)
    hashed.update(np.ascontiguousarray(image).data)
    return hashed.digest()


def _hash_of(shape: Sequence[int]) -> hashlib.blake2b:
    """The hash of an image of a shape before its pixels."""
    text = "x".join(str(length) for length in shape)
    return hashlib.blake2b(f"{text}:".encode(), digest_size=16)


def available_cores() -> int:
    """CPU cores that this process may use; in a job of Slurm no more than were given, which not every cluster holds."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE") or ""
    return min(there, int(given)) if given.isdecimal() and int(given[:9]) > 0 else there
