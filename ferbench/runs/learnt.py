"""Which samples a run learnt from and was selected on, kept so that later tests can be held against them.

``samples.npz`` in a run directory has, for ``train`` and ``validation``, the ids and the pixel hashes of the samples.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.runs.directory import RunDirectory
from ferbench.storage import replace_file

SAMPLES_FILE = "samples.npz"


@dataclass(frozen=True)
class Samples:
    """Samples by what they are, wherever their files lie.

    Attributes:
        ids: str[n].
        pixel_hashes: uint8[n, 16] of the images at their native size.
    """

    ids: NDArray[np.str_]
    pixel_hashes: NDArray[np.uint8]


def write_samples(directory: RunDirectory, by_split: Mapping[str, Samples]) -> None:
    """Write ``samples.npz``."""
    arrays: dict[str, Any] = {}
    for split, samples in by_split.items():
        arrays |= {f"{split}_ids": samples.ids, f"{split}_pixels": samples.pixel_hashes}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    replace_file(directory.path / SAMPLES_FILE, buffer.getvalue())


def read_samples(directory: RunDirectory) -> dict[str, Samples] | None:
    """``train`` and ``validation``; None where the run does not say, as runs of older releases do not."""
    try:
        with np.load(directory.path / SAMPLES_FILE, allow_pickle=False) as arrays:
            return {s: Samples(arrays[f"{s}_ids"], arrays[f"{s}_pixels"]) for s in ("train", "validation")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


@dataclass(frozen=True)
class Overlap:
    """How many tested samples a run has seen before.

    Attributes:
        same: samples with the id and the pixels of one that the run has, also where the run has it from a union, whose
            ids begin with a dataset's name.
        copies: samples with the pixels of one that the run has, whatever their ids; ``same`` are among them.
    """

    same: int
    copies: int


def overlap(tested: Samples, seen: Samples) -> Overlap:
    """Compare pixels exactly: the same picture in another size, in colour or saved again is not found."""
    known: dict[bytes, set[str]] = {}
    for sample_id, pixels in zip(seen.ids.tolist(), _keys(seen), strict=True):
        known.setdefault(pixels, set()).add(sample_id)
    same = copies = 0
    for sample_id, pixels in zip(tested.ids.tolist(), _keys(tested), strict=True):
        ids = known.get(pixels)
        if ids is not None:
            copies += 1
            same += any(_is_same(sample_id, one) for one in ids)
    return Overlap(same, copies)


def _keys(samples: Samples) -> list[bytes]:
    return [row.tobytes() for row in samples.pixel_hashes]


def _is_same(one: str, other: str) -> bool:
    return one == other or one.endswith(f":{other}") or other.endswith(f":{one}")
