"""The pack: a dataset decoded once, stored as an array in a file and a table, named by its content.

Its directory has ``pack.json``, ``images.bin`` (uint8, row after row), ``columns/*.npy`` and, where colour images were
resampled, ``gray.npy``. `ferbench.data.packing` writes one, `ferbench.data.pack_cache` keeps them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.bounded import Damaged
from ferbench.data.columns import COLUMNS, Column, content_digest, read_column
from ferbench.data.description import PackDescription, SourceDescription, read_description
from ferbench.data.fit import StoredForm
from ferbench.data.images import IMAGES_FILE, Compared, DamagedPack, Images, StoredImages
from ferbench.data.sample import Fault
from ferbench.errors import UserError

#: Beside a pack of resampled colour images, or of images in other colours than the dataset's: uint8[N, 16], of the
#: native ones. No part of what a pack is named by.
GRAY_FILE = "gray.npy"

#: How many images, spread evenly over the pack, are hashed again each time it is opened.
CHECKED_ON_OPEN = 64


@dataclass(frozen=True, eq=False)
class Pack:
    """A dataset ready to be read; arrays are in the order of the dataset's samples, and not to be written.

    Attributes:
        path: the pack's directory.
        digest: ``"v1:"`` + SHA-256 over the content: class names, part names, image shape and every column.
            It depends neither on paths nor on times, workers, or samples that were skipped.
        dataset: name of the dataset component.
        class_names: K classes; ``labels`` index them.
        parts: the parts that have samples, in order of appearance; ``part`` indexes them.
        images: uint8[N, C, H, W], read from the pack's file each time.
        ids: text[N].
        labels: int16[N].
        part: int8[N].
        pixel_hashes: uint8[N, 16]: BLAKE2b-128 over the native image, before any resampling (see
            ``pixel_hash``).
        affect: float32[N, 2], valence and arousal in [-1, 1], NaN where not annotated; None if nowhere.
        votes: float32[N, K], NaN in rows without votes; None if nowhere.
        cast_votes: float32[N, V], as annotators cast them, NaN in rows without; None if nowhere.
        vote_names: the V that they could vote for.
        draws_labels: in training, labels of samples with votes are drawn by these.
        subject: text[N], empty where not known; None if nowhere.
        clip: text[N], empty where not known; None if nowhere.
        frame: int32[N], -1 where not known; None if nowhere.
        source: text[N], the dataset that a sample is from where several are joined; None elsewhere.
        skipped: how many faulty samples were left out.
        faults: what was wrong with them.
        notes: what the dataset says about itself.
        files: by part, how many of some images are in files of what kind (`ferbench.data.file_facts`).
        stored_hashes: uint8[N, 16], as ``pixel_hashes`` but over ``images``; None when no image was
            resampled.
        gray_hashes: uint8[N, 16], BLAKE2b-128 over the luma of native images; None where images are stored as they
            are, and where an older release did not take them.
        form: what it made of images; None for a pack that was opened by its path, which does not say it all.
    """

    path: Path
    digest: str
    dataset: str
    class_names: tuple[str, ...]
    parts: tuple[str, ...]
    images: Images
    ids: np.ndarray
    labels: np.ndarray
    part: np.ndarray
    pixel_hashes: np.ndarray
    affect: np.ndarray | None = None
    votes: np.ndarray | None = None
    cast_votes: np.ndarray | None = None
    vote_names: tuple[str, ...] = ()
    draws_labels: bool = False
    subject: np.ndarray | None = None
    clip: np.ndarray | None = None
    frame: np.ndarray | None = None
    source: np.ndarray | None = None
    skipped: int = 0
    faults: tuple[Fault, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    stored_hashes: np.ndarray | None = None
    gray_hashes: np.ndarray | None = None
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

    def damaged_rows(self, rows: Iterable[int] | None = None) -> list[int]:
        """Which of these rows, or of all, have another image than was packed; ``open_pack`` looks at a few only."""
        return self._stored.damaged_rows(rows)

    def check(self, rows: Iterable[int] | None = None, compared: Compared | None = None) -> None:
        """Refuse a pack of which these images, or any, have changed.

        Args:
            rows: to look at; None: all.
            compared: called now and then with how many have been looked at, and how many are to be.

        Raises:
            DamagedPack: naming how many there are, and the first.
        """
        self._stored.check(rows, compared)

    @property
    def _stored(self) -> StoredImages:
        assert isinstance(self.images, StoredImages)
        return self.images


def open_pack(path: Path) -> Pack:
    """Opens a pack after checking format, file sizes, every column and a few of the images; `Pack.check` looks at all.

    Takes well under 0.1 s for 32,000 images and does not load them.

    Raises:
        DamagedPack: a ``UserError``; something is missing, cut short, changed, or of another format.
        UserError: it may not be read, or its disk fails: nothing is known of it.
    """
    path = Path(path)
    try:
        pack = _read(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        what = Path(error.filename).name if error.filename else error.strerror
        raise DamagedPack(path, f"it is missing or damaged: there is no {what}") from error
    except OSError as error:
        if error.errno != errno.EIO:
            raise unreadable(path, error) from error
        raise DamagedPack(path, f"its disk cannot read it: {error.strerror}") from error
    except Damaged as error:
        raise DamagedPack(path, f"it is damaged: {error}") from error
    pack.check(np.unique(np.linspace(0, len(pack) - 1, CHECKED_ON_OPEN).astype(int)).tolist())
    return pack


def from_source(pack: Pack, about: SourceDescription) -> Pack:
    """A pack with what is true of one source only."""
    return replace(
        pack,
        dataset=about.dataset,
        skipped=about.skipped,
        faults=about.found(),
        notes=about.notes,
        files=about.files,
    )


def unreadable(path: Path, error: OSError) -> UserError:
    """The error for what a cache has, and may be sound, but this process cannot read."""
    if error.errno not in {errno.EACCES, errno.EPERM}:
        return UserError(
            f"{path} cannot be read: {error.strerror or error}",
            "give the command again when that is mended, or name another cache with --cache",
        )
    try:
        owner = path.owner()
    except (OSError, KeyError):
        owner = "its owner"
    return UserError(
        f"{path} may not be read: {error.strerror or error}",
        f"ask {owner} to let you (chmod -R g+rX {path}), or name a cache of your own with --cache",
    )


def _read(path: Path) -> Pack:
    description = read_description(path / "pack.json", PackDescription)
    if content_digest(description.model_dump()) != description.digest:
        raise Damaged("pack.json has changed")
    rows, classes, parts = description.rows, len(description.class_names), len(description.parts)
    widths = {"classes": classes, "votes": len(description.vote_names)}
    columns: dict[str, Any] = {}
    for name, stated in description.columns.items():
        if name not in COLUMNS:
            raise Damaged(f"unknown column '{name[:40]}'")
        columns[name] = read_column(path / "columns" / f"{name}.npy", COLUMNS[name], stated, rows, widths)
    for name, column in COLUMNS.items():
        if not column.optional and name not in columns:
            raise Damaged(f"column '{name}' is missing")
    for name, count in (("labels", classes), ("part", parts)):
        if columns[name].min() < 0 or columns[name].max() >= count:
            raise Damaged(f"column '{name}' is not as described")
    if description.gray is not None or (path / GRAY_FILE).exists():
        gray = read_column(path / GRAY_FILE, Column("|u1", width=16), description.gray, rows, widths)
        columns["gray_hashes"] = gray
    try:
        hashes = columns.get("stored_hashes", columns["pixel_hashes"])
        images = StoredImages(path, (rows, *description.image_shape), hashes)
    except Damaged as error:
        raise Damaged(f"{IMAGES_FILE}: {error}") from error
    pack = Pack(
        path=path,
        digest=description.digest,
        dataset="",
        class_names=tuple(description.class_names),
        parts=tuple(description.parts),
        images=images,
        vote_names=tuple(description.vote_names),
        draws_labels=description.draws_labels,
        **columns,
    )
    return from_source(pack, description)
