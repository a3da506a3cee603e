"""The pack: a dataset decoded once, stored as a memory-mapped array and a table, named by its content.

Its directory has ``pack.json``, ``images.bin`` (uint8, row after row), ``columns/*.npy`` and, where colour images were
resampled, ``gray.npy``. `ferbench.data.packing` writes one, `ferbench.data.pack_cache` keeps them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.data.columns import COLUMNS, array_sha256, content_digest
from ferbench.data.fit import StoredForm
from ferbench.data.sample import Fault
from ferbench.errors import UserError

#: Rises when the files of a pack change meaning; packs of another format are built anew.
PACK_FORMAT = 1

#: How many images, spread evenly over the pack, are hashed again each time it is opened.
CHECKED_ON_OPEN = 64

#: What is true of one source, while another source with the same content may share the pack.
ABOUT_SOURCE = ("dataset", "skipped", "faults", "notes")


@dataclass(frozen=True, eq=False)
class Pack:
    """A dataset ready to be read; arrays are read-only memory maps in the order of the dataset's samples.

    Attributes:
        path: the pack's directory.
        digest: ``"v1:"`` + SHA-256 over the content: class names, part names, image shape and every column.
            It depends neither on paths nor on times, workers, or samples that were skipped.
        dataset: name of the dataset component.
        class_names: K classes; ``labels`` index them.
        parts: the parts that have samples, in order of appearance; ``part`` indexes them.
        images: uint8[N, C, H, W].
        ids: text[N].
        labels: int16[N].
        part: int8[N].
        pixel_hashes: uint8[N, 16]: BLAKE2b-128 over the native image, before any resampling (see
            ``pixel_hash``).
        affect: float32[N, 2], valence and arousal in [-1, 1], NaN where not annotated; None if nowhere.
        votes: float32[N, K], NaN in rows without votes; None if nowhere.
        subject: text[N], empty where not known; None if nowhere.
        clip: text[N], empty where not known; None if nowhere.
        frame: int32[N], -1 where not known; None if nowhere.
        source: text[N], the dataset that a sample is from where several are joined; None elsewhere.
        skipped: how many faulty samples were left out.
        faults: what was wrong with them.
        notes: what the dataset says about itself.
        stored_hashes: uint8[N, 16], as ``pixel_hashes`` but over ``images``; None when no image was
            resampled.
        form: what it made of images; None for a pack that was opened by its path, which does not say it all.
    """

    path: Path
    digest: str
    dataset: str
    class_names: tuple[str, ...]
    parts: tuple[str, ...]
    images: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    part: np.ndarray
    pixel_hashes: np.ndarray
    affect: np.ndarray | None = None
    votes: np.ndarray | None = None
    subject: np.ndarray | None = None
    clip: np.ndarray | None = None
    frame: np.ndarray | None = None
    source: np.ndarray | None = None
    skipped: int = 0
    faults: tuple[Fault, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    stored_hashes: np.ndarray | None = None
    form: StoredForm | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def facts(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What is known of samples beside their labels, text[n] by name: ``part``, and where known in any of them
        ``subject``, ``clip`` and ``source``."""
        known = {"part": np.asarray(self.parts)[self.part[rows]]}
        for name in ("subject", "clip", "source"):
            column = getattr(self, name)
            if column is not None and (values := np.asarray(column[rows])).astype(bool).any():
                known[name] = values
        return known

    def damaged_rows(self) -> list[int]:
        """Rows whose image is not what was packed. Reads every image; ``open_pack`` looks at a few only."""
        return _damaged(self, range(len(self)))


class DamagedPack(UserError):
    """What is stored is not what was packed."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"the pack {path} cannot be used: {what}",
            "delete that directory; it is rebuilt from the dataset at the next run",
        )
        self.what = what


def pixel_hash(image: np.ndarray) -> bytes:
    """BLAKE2b-128 over ``b"<C>x<H>x<W>:"`` and the bytes of uint8[C, H, W]."""
    shape = "x".join(str(length) for length in image.shape)
    digest = hashlib.blake2b(f"{shape}:".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def open_pack(path: Path) -> Pack:
    """Opens a pack after checking format, file sizes, the digest of all columns and a sample of the images.

    Takes well under 0.1 s for 32,000 images and does not load them.

    Raises:
        DamagedPack: a ``UserError``; something is missing, cut short, changed, or of another format.
    """
    path = Path(path)
    try:
        pack = _read(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise DamagedPack(path, f"it is missing or damaged ({type(error).__name__}: {error})") from error
    wrong = _damaged(pack, np.unique(np.linspace(0, len(pack) - 1, CHECKED_ON_OPEN).astype(int)).tolist())
    if wrong:
        raise DamagedPack(path, f"the image of row {wrong[0]} (id '{pack.ids[wrong[0]]}') has changed")
    return pack


def from_source(pack: Pack, about: Mapping[str, Any]) -> Pack:
    """A pack with what is true of one source only (`ABOUT_SOURCE`)."""
    return replace(
        pack,
        dataset=about["dataset"],
        skipped=about["skipped"],
        faults=tuple(Fault(*fault) for fault in about["faults"]),
        notes=about["notes"],
    )


def _read(path: Path) -> Pack:
    description = json.loads((path / "pack.json").read_bytes())
    if description["format"] != PACK_FORMAT:
        raise DamagedPack(path, f"it has format {description['format']}, this ferbench reads {PACK_FORMAT}")
    rows, shape = description["rows"], tuple(description["image_shape"])
    columns: dict[str, Any] = {}
    for name, stated in description["columns"].items():
        if name not in COLUMNS:
            raise ValueError(f"unknown column '{name}'")
        column = np.load(path / "columns" / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        if column.dtype.str != stated["dtype"] or len(column) != rows or list(column.shape) != stated["shape"]:
            raise ValueError(f"column '{name}' is not as described")
        if array_sha256(column) != stated["sha256"]:
            raise ValueError(f"column '{name}' has changed")
        columns[name] = np.asarray(column)
    if content_digest(description) != description["digest"]:
        raise ValueError("the description has changed")
    expected = rows * math.prod(shape)
    if (size := (path / "images.bin").stat().st_size) != expected:
        raise ValueError(f"images.bin has {size:,} bytes, expected {expected:,}")
    images = np.memmap(path / "images.bin", dtype=np.uint8, mode="r", shape=(rows, *shape))
    pack = Pack(
        path=path,
        digest=description["digest"],
        dataset="",
        class_names=tuple(description["class_names"]),
        parts=tuple(description["parts"]),
        images=images,
        **columns,
    )
    return from_source(pack, description)


def _damaged(pack: Pack, rows: Iterable[int]) -> list[int]:
    hashes = pack.pixel_hashes if pack.stored_hashes is None else pack.stored_hashes
    return [row for row in rows if pixel_hash(pack.images[row]) != hashes[row].tobytes()]
