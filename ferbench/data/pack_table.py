"""Rows on their way to disk: images into one file, the rest into column spools, then checked as a whole."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.data.columns import COLUMNS, Column, ColumnSpool
from ferbench.data.gray import UNKNOWN
from ferbench.data.images import IMAGES_FILE
from ferbench.data.pack import GRAY_FILE
from ferbench.data.sample import Fault, Sample

_LOCATION = Column("U")
_ROW_IN_LOCATION = re.compile(r"(.*), row ([0-9]+)", re.DOTALL)
_MOST_PARTS = 127


@dataclass(slots=True)
class Row:
    """A sample after decoding.

    Attributes:
        sample: what the dataset yielded.
        fault: why it is refused; then there is no image.
        native: (H, W) before any resampling.
        image: uint8[C, H, W] to store.
        pixel_hash: of the native image.
        stored_hash: of ``image``.
        gray_hash: of the native image's luma; `UNKNOWN` where no image is resampled, or all are gray.
    """

    sample: Sample
    fault: Fault | None
    native: tuple[int, ...] = ()
    image: np.ndarray | None = None
    pixel_hash: bytes = b""
    stored_hash: bytes = b""
    gray_hash: bytes = UNKNOWN


class PackTable:
    """The images and columns of a pack that is being built, in a directory of its own.

    Memory use does not depend on the number of rows, but for 8 bytes each while duplicates are looked for.

    Attributes:
        rows: how many were appended.
        unlike: how many were refused for an image that is of another size than the first one.
    """

    def __init__(self, directory: Path, class_names: Sequence[str], vote_names: Sequence[str] = ()) -> None:
        self.rows = 0
        self.unlike = 0
        self._directory = directory
        self._class_ids = {name: index for index, name in enumerate(class_names)}
        self._vote_names = tuple(vote_names)
        self._parts: dict[str, int] = {}
        self._offered: dict[tuple[str, str], str] = {}
        self._shape: tuple[int, ...] | None = None
        self._resampled = False
        self._knows_gray = False
        self._images = (directory / IMAGES_FILE).open("w+b", buffering=2**20)
        self._spools = {name: ColumnSpool(column, directory / f"{name}.spool") for name, column in COLUMNS.items()}
        self._locations = ColumnSpool(_LOCATION, directory / "locations.spool")
        self._gray = ColumnSpool(Column("|u1"), directory / "gray.spool")

    def refusal(self, row: Row) -> Fault | None:
        """Why a row cannot be appended; to be asked of every row, in order, before it is."""
        sample = row.sample
        if sample.label in self._class_ids and isinstance(sample.part, str) and sample.part:
            self._offered.setdefault((sample.part, sample.label), sample.location)
        if row.fault is not None:
            return row.fault
        assert row.image is not None
        if self._shape is None:
            self._shape = row.image.shape
        if row.image.shape != self._shape:
            self.unlike += 1
            return fault_at(sample, wrong_shape(row.native, self._shape[1:]))
        if sample.part not in self._parts and len(self._parts) == _MOST_PARTS:
            return fault_at(sample, f"part '{sample.part}' is one too many, at most {_MOST_PARTS}")
        self._parts.setdefault(sample.part, len(self._parts))
        return None

    def append(self, rows: Sequence[Row]) -> None:
        """Adds rows that were not refused."""
        if not rows:
            return
        samples = [row.sample for row in rows]
        for row in rows:
            assert row.image is not None
            self._images.write(row.image.data)
            self._resampled |= row.stored_hash != row.pixel_hash
            self._knows_gray |= row.gray_hash != UNKNOWN
        unknown = (np.nan,) * len(self._class_ids)
        chunk: dict[str, Any] = {
            "ids": [sample.id for sample in samples],
            "labels": [self._class_ids[sample.label] for sample in samples],
            "part": [self._parts[sample.part] for sample in samples],
            "pixel_hashes": _hash_rows(row.pixel_hash for row in rows),
            "stored_hashes": _hash_rows(row.stored_hash for row in rows),
            "affect": [(_or_nan(sample.valence), _or_nan(sample.arousal)) for sample in samples],
            "votes": [sample.votes or unknown for sample in samples],
            "cast_votes": [sample.cast_votes or (np.nan,) * len(self._vote_names) for sample in samples],
            "subject": [sample.subject or "" for sample in samples],
            "clip": [sample.clip or "" for sample in samples],
            "frame": [-1 if sample.frame is None else sample.frame for sample in samples],
            "source": [sample.source or "" for sample in samples],
        }
        for name, values in chunk.items():
            self._spools[name].append(values)
        self._gray.append(_hash_rows(row.gray_hash for row in rows))
        self._locations.append([sample.location or f"sample '{sample.id}'" for sample in samples])
        self.rows += len(rows)

    def duplicates(self) -> tuple[np.ndarray, list[Fault]]:
        """Which rows to keep, bool[rows], and a fault for each row that has the id of an earlier one."""
        keep = np.ones(self.rows, dtype=bool)
        hashes = np.empty(self.rows, dtype=np.int64)
        start = 0
        for ids in self._spools["ids"].chunks():
            hashes[start : start + len(ids)] = [hash(str(text)) for text in ids]
            start += len(ids)
        hashes.sort()
        repeated = {int(value) for value in hashes[1:][hashes[1:] == hashes[:-1]]}
        faults: list[Fault] = []
        if not repeated:
            return keep, faults
        first: dict[str, str] = {}
        start = 0
        for ids, locations in zip(self._spools["ids"].chunks(), self._locations.chunks(), strict=True):
            for offset, (text, location) in enumerate(zip(ids.tolist(), locations.tolist(), strict=True)):
                if hash(text) not in repeated:
                    continue
                if text in first:
                    keep[start + offset] = False
                    reason = f"duplicate id '{text}', which {first[text]} has"
                    faults.append(_located(location, reason))
                else:
                    first[text] = location
            start += len(ids)
        return keep, faults

    def gaps(self, keep: np.ndarray, source: str) -> list[Fault]:
        """Classes and parts that the dataset names but that no row is left of.

        Which parts are for training only the dataset knows; here a class must have a row somewhere, and in
        each part that any of its samples said to be in.
        """
        counts = np.zeros((len(self._parts), len(self._class_ids)), dtype=np.int64)
        start = 0
        for part, labels in zip(self._spools["part"].chunks(), self._spools["labels"].chunks(), strict=True):
            kept = keep[start : start + len(part)]
            np.add.at(counts, (part[kept], labels[kept]), 1)
            start += len(part)
        filled = {name for name, index in self._parts.items() if counts[index].any()}
        faults = []
        for part_name in dict.fromkeys(part_name for part_name, _ in self._offered):
            if part_name not in filled:
                faults.append(Fault(source, None, f"no usable image in part '{part_name}'"))
        for part_name, label in self._offered:
            if part_name in filled and not counts[self._parts[part_name], self._class_ids[label]]:
                faults.append(Fault(source, None, f"class '{label}' has no usable image in part '{part_name}'"))
        offered = {label for _, label in self._offered}
        for label in self._class_ids:
            if label not in offered:
                faults.append(Fault(source, None, f"class '{label}' has no image in any part"))
        return faults

    def finish(self, keep: np.ndarray | None) -> dict[str, Any]:
        """Writes the columns of the rows that ``keep`` (None: all) lets through; drops other rows' images.

        Returns:
            What ``columns.content_digest`` needs to know of a pack, and ``gray`` where it has such hashes.
        """
        assert self._shape is not None
        if keep is not None:
            self._drop_images(keep)
        self._images.flush()
        (self._directory / "columns").mkdir()
        columns: dict[str, Any] = {}
        for name, spool in self._spools.items():
            if name == "stored_hashes" and not self._resampled:
                continue
            entry = spool.finish(self._directory / "columns" / f"{name}.npy", keep)
            if entry is not None:
                columns[name] = entry
        gray = None
        if self._resampled and self._knows_gray:
            gray = self._gray.finish(self._directory / GRAY_FILE, keep)
        self.close()
        return {
            **({} if gray is None else {"gray": gray}),
            "class_names": list(self._class_ids),
            "parts": list(self._parts),
            "rows": self.rows if keep is None else int(keep.sum()),
            "image_shape": list(self._shape),
            "columns": columns,
        }

    def close(self) -> None:
        """Closes all files and removes the spools.

        What ``finish`` wrote is flushed by then; closing after a failed write would only fail once more.
        """
        closings = [self._images.close, self._locations.close, self._gray.close]
        closings += [spool.close for spool in self._spools.values()]
        for close in closings:
            with contextlib.suppress(OSError):
                close()

    def _drop_images(self, keep: np.ndarray) -> None:
        assert self._shape is not None
        size = int(np.prod(self._shape))
        end = 0
        for row in np.flatnonzero(keep).tolist():
            if row != end:
                self._images.seek(row * size)
                image = self._images.read(size)
                self._images.seek(end * size)
                self._images.write(image)
            end += 1
        self._images.flush()
        os.truncate(self._images.fileno(), end * size)


def wrong_shape(shape: Sequence[int], expected: Sequence[int]) -> str:
    """The reason of a fault, in (height, width)."""
    return f"wrong shape {shape[0]}×{shape[1]}, expected {expected[0]}×{expected[1]}"


def fault_at(sample: Sample, reason: str) -> Fault:
    """A fault where the sample is from."""
    return _located(sample.location or f"sample '{sample.id}'", reason)


def _located(location: str, reason: str) -> Fault:
    match = _ROW_IN_LOCATION.fullmatch(location)
    return Fault(match[1], int(match[2]), reason) if match else Fault(location, None, reason)


def _hash_rows(hashes: Any) -> np.ndarray:
    return np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, 16)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
