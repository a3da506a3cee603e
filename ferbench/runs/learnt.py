"""Which samples a run's weights learnt from and were selected on, kept so that later tests can be held against them.

``samples.npz`` in a run directory has, for ``train`` and ``validation``, the ids of the samples and the hashes of their
pixels, with colours and without.
Of a run that started from another one's weights, or was taught by another one, they are both runs' samples; what came
from another dataset or protocol than its own stands apart, as ``elsewhere_train`` and ``elsewhere_validation``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferbench.bounded import read_arrays
from ferbench.data.gray import UNKNOWN, gray_hashes
from ferbench.records.evaluation import Overlap, Seen
from ferbench.records.run import Data
from ferbench.runs.directory import RunDirectory
from ferbench.runs.predictions import texts
from ferbench.storage import replace_file

if TYPE_CHECKING:
    from ferbench.data.pack import Pack

SAMPLES_FILE = "samples.npz"
SPLITS = ("train", "validation")
_HASH_BYTES = len(UNKNOWN)


@dataclass(frozen=True)
class Samples:
    """Samples by what they are, wherever their files lie.

    Attributes:
        ids: str[n].
        pixel_hashes: uint8[n, 16] of the images at their native size.
        gray_hashes: uint8[n, 16] of their luma, the same as ``pixel_hashes`` for gray images; `UNKNOWN` where a record
            or pack of an older release does not say.
    """

    ids: NDArray[np.str_]
    pixel_hashes: NDArray[np.uint8]
    gray_hashes: NDArray[np.uint8]

    @classmethod
    def of(cls, pack: Pack, rows: NDArray[np.int64]) -> Samples:
        """Rows of a pack."""
        return cls(np.asarray(pack.ids[rows]), np.asarray(pack.pixel_hashes[rows]), gray_hashes(pack, rows))

    @property
    def gray(self) -> bool:
        """All images are gray."""
        return np.array_equal(self.pixel_hashes, self.gray_hashes)

    @property
    def says_gray(self) -> bool:
        """What each image is without colours is known."""
        return bool(self.gray_hashes.any(axis=1).all())


def write_samples(directory: RunDirectory, by_split: Mapping[str, Samples]) -> str:
    """Write ``samples.npz``; its SHA-256."""
    arrays: dict[str, Any] = {}
    for split, samples in by_split.items():
        arrays |= {f"{split}_ids": samples.ids, f"{split}_pixels": samples.pixel_hashes}
        # Nothing stands for the same once more.
        arrays[f"{split}_gray"] = samples.gray_hashes[:0] if samples.gray else samples.gray_hashes
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    replace_file(directory.path / SAMPLES_FILE, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def read_samples(directory: RunDirectory) -> dict[str, Samples] | None:
    """By split; None where the run does not say, as runs of older releases do not."""
    try:
        arrays = read_arrays(directory.path / SAMPLES_FILE)
        splits = [*SPLITS, *(split for split in map(_elsewhere, SPLITS) if f"{split}_ids" in arrays)]
        return {split: _read(arrays, split) for split in splits}
    except (OSError, ValueError, KeyError):
        return None


def _read(arrays: Mapping[str, NDArray[Any]], split: str) -> Samples:
    ids = texts(arrays[f"{split}_ids"], f"{split}_ids")
    pixels = _hashes(arrays[f"{split}_pixels"], len(ids))
    gray = arrays[f"{split}_gray"] if f"{split}_gray" in arrays else np.zeros_like(pixels)
    return Samples(ids, pixels, _hashes(gray, len(ids)) if gray.size else pixels)


def _hashes(array: NDArray[Any], n: int) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.shape != (n, _HASH_BYTES):
        raise ValueError("hashes of other samples")
    return array


#: No sample has been seen before.
NOTHING = Overlap(same=0, copies=0)


def overlap(tested: Samples, seen: Samples) -> Overlap:
    """Compare pixels exactly, with their colours and without: the same picture in another size or saved again is not
    found. ``same`` has also what the run has from a union, whose ids begin with a dataset's name."""
    known: dict[bytes, set[str]] = {}
    for sample_id, keys in zip(seen.ids.tolist(), _keys(seen), strict=True):
        for key in keys:
            known.setdefault(key, set()).add(sample_id)
    same = copies = 0
    for sample_id, keys in zip(tested.ids.tolist(), _keys(tested), strict=True):
        ids = set().union(*(known.get(key, ()) for key in keys))
        copies += bool(ids)
        same += any(_is_same(sample_id, other) for other in ids)
    return Overlap(same=same, copies=copies)


def inherited(own: Mapping[str, Samples], parents: Mapping[str, Samples], *, same_protocol: bool) -> dict[str, Samples]:
    """What the weights of a run have learnt that started from those of another one.

    Args:
        own: its samples by split.
        parents: what `read_samples` says of the other one.
        same_protocol: both have one dataset and protocol.
    """
    learnt = dict(own)
    for split in SPLITS:
        elsewhere = _elsewhere(split)
        before = [parents[split], *([parents[elsewhere]] if elsewhere in parents else [])]
        if same_protocol:
            learnt[split] = _united([own[split], before.pop(0)])
        if before:
            learnt[elsewhere] = _united([*([own[elsewhere]] if elsewhere in own else []), *before])
    return learnt


def seen(known: Mapping[str, Samples] | None, tested: Samples, *, home: bool) -> Seen:
    """What weights have seen of tested samples, by split, and whether that spoils the test; None: not known.

    Pictures that a dataset's own protocol has on both sides are counted and spoil nothing: every run with that protocol
    has them.

    Args:
        known: what they learnt from, as `read_samples` says; a split may be left out.
        tested: the samples.
        home: they are a part of the dataset and protocol that the run was trained with.
    """
    if known is None:
        return Seen(train=None, validation=None, contaminated=None)
    by_split: dict[str, Overlap] = {}
    contaminated = False
    for split in SPLITS:
        there = {key: known[key] for key in (split, _elsewhere(split)) if key in known}
        each = {key: overlap(tested, samples) for key, samples in there.items()}
        both = overlap(tested, _united(list(there.values()))) if len(there) > 1 else next(iter(each.values()), NOTHING)
        by_split[split] = both
        contaminated |= any(part.same or (part.copies and not (home and key == split)) for key, part in each.items())
    # Of colour images older releases wrote down nothing that gray ones could be held against.
    unsure = not home and any(
        (tested.gray and not samples.says_gray) or (samples.gray and not tested.says_gray) for samples in known.values()
    )
    return Seen(**by_split, contaminated=None if unsure and not contaminated else bool(contaminated))


def same_protocol(data: Data, dataset: str, protocol: str) -> bool:
    """Whether a run with that ``data`` was trained with that protocol, be it on more datasets than the one."""
    return data.dataset.partition("+")[0] == dataset.partition("+")[0] and data.protocol == protocol


def _elsewhere(split: str) -> str:
    return f"elsewhere_{split}"


def _united(several: Sequence[Samples]) -> Samples:
    """Every sample once."""
    ids = np.concatenate([samples.ids for samples in several])
    pixels = np.concatenate([samples.pixel_hashes for samples in several])
    gray = np.concatenate([samples.gray_hashes for samples in several])
    first = {pair: place for place, pair in reversed(list(enumerate(zip(ids.tolist(), _bytes(pixels), strict=True))))}
    places = np.array(sorted(first.values()), dtype=np.int64)
    return Samples(ids[places], pixels[places], gray[places])


def _keys(samples: Samples) -> list[set[bytes]]:
    """What each image may be known by."""
    pairs = zip(_bytes(samples.pixel_hashes), _bytes(samples.gray_hashes), strict=True)
    return [{pixels, gray} - {UNKNOWN} for pixels, gray in pairs]


def _bytes(pixel_hashes: NDArray[np.uint8]) -> list[bytes]:
    return [row.tobytes() for row in pixel_hashes]


def _is_same(sample_id: str, other: str) -> bool:
    return sample_id == other or sample_id.endswith(f":{other}") or other.endswith(f":{sample_id}")
