"""The pack: a dataset decoded once, stored as a memory-mapped array and a table, named by its content.

A cache directory holds ``packs/<first 16 digits of the digest>/`` with ``pack.json``, ``images.bin`` (uint8,
row after row), ``columns/*.npy`` and, where colour images were resampled, ``gray.npy``; and
``sources/<stamp>.json`` that says which pack a known source has become. Packs are immutable: they appear whole
under their name, or not at all.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.data.cache import building_directory, sync_tree, turn
from ferbench.data.class_mapping import refuse_lookalikes
from ferbench.data.columns import COLUMNS, array_sha256, content_digest
from ferbench.data.fit import StoredForm
from ferbench.data.gray import GRAY_FILE
from ferbench.data.sample import Dataset, Fault
from ferbench.errors import UserError
from ferbench.ids import canonical_json
from ferbench.storage import replace_file, sync_directory, writing

#: Rises when the files of a pack change meaning; packs of another format are built anew.
PACK_FORMAT = 1

#: How many images, spread evenly over the pack, are hashed again each time it is opened.
CHECKED_ON_OPEN = 64

_logger = logging.getLogger("ferbench.data.pack")


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


class FaultyDataset(UserError):
    """The dataset has faults and was not packed.

    Attributes:
        faults: all of them, in the order of reading.
    """

    def __init__(self, name: str, faults: tuple[Fault, ...], accepted: int, unlike: int = 0) -> None:
        """
        Args:
            name: of the dataset.
            faults: all of them, in the order of reading.
            accepted: how many samples are usable.
            unlike: how many of the faults are that an image is of another size than the first one.
        """
        shown = "; ".join(str(fault) for fault in faults[:3])
        more = f"; and {len(faults) - 3:,} more" if len(faults) > 3 else ""
        if accepted:
            message = f"dataset '{name}' has {_counted(len(faults), 'fault')}: {shown}{more}"
            remedy = "mend them, or pass --skip-faulty to leave them out, which the record of the run will say"
            if 2 * unlike > len(faults):  # to leave them out may be to leave all of a union's second dataset out
                remedy = "bring all to one size: --set dataset.size=N, or stored_size in a dataset plugin of your own"
        else:
            message = f"dataset '{name}' has no usable image, {_counted(len(faults), 'fault')}: {shown}{more}"
            remedy = "check that this is the dataset it is taken for, and that its files are whole"
        super().__init__(message, remedy)
        self.faults = faults


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


def pack_dataset(
    dataset: Dataset,
    *,
    name: str,
    cache: Path,
    origin: Mapping[str, Any] | None = None,
    skip_faulty: bool = False,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    form: StoredForm | None = None,
) -> Pack:
    """The pack of a dataset: the existing one where its source is known and unchanged, else a new one.

    Processes that pack the same source take turns, and those that come later find the pack. A pack that turns
    out to be damaged is built again, with a warning in the log.

    Args:
        dataset: what to pack.
        name: the dataset component's name, for the record and for messages.
        cache: directory that packs are kept in; made if need be.
        origin: plain values that say which code with which options built the dataset; None: nothing is known of it but
            what ``dataset.source()`` says.
        skip_faulty: leave faulty samples out and record them, instead of refusing.
        workers: decoding threads; None: one per core. Does not influence the content.
        progress: called now and then with the number of samples done so far.
        form: what it makes of images; None: what the dataset asks for.

    Raises:
        FaultyDataset: there are faults and ``skip_faulty`` is False, or nothing is left.
        UserError: the cache cannot be written, the source changed while it was read, or names of classes differ in
            spelling alone.
    """
    from ferbench.data.packing import build

    cache = Path(cache)
    refuse_lookalikes(
        dataset.class_names,
        name,
        lambda: (sample.label for sample in dataset.samples() if not isinstance(sample, Fault)),
    )
    form = form or StoredForm.of(dataset)
    stamp = _source_stamp(dataset, form, name, origin, skip_faulty)
    known = _known_pack(cache, stamp)
    if known is not None:
        return replace(known, form=form)
    with turn(cache, stamp):
        known = _known_pack(cache, stamp, warn=True)
        if known is not None:
            return replace(known, form=form)
        with building_directory(cache, cache / "packs", stamp) as directory:
            description = build(
                dataset, form, directory, name=name, skip_faulty=skip_faulty, workers=workers, progress=progress
            )
            if _source_stamp(dataset, form, name, origin, skip_faulty) != stamp:
                raise UserError(
                    f"the files of dataset '{name}' changed while they were packed",
                    "run again when nothing writes to them any more",
                )
            with writing(cache):
                path = _publish(directory, cache / "packs", description["digest"])
                (cache / "sources").mkdir(exist_ok=True)
                about = {key: description[key] for key in ("format", "digest", *_ABOUT_SOURCE)}
                replace_file(cache / "sources" / f"{stamp}.json", json.dumps(about, indent=1).encode())
        return replace(_as_from_source(open_pack(path), description), form=form)


#: What is true of one source, while another source with the same content may share the pack.
_ABOUT_SOURCE = ("dataset", "skipped", "faults", "notes")


def _source_stamp(
    dataset: Dataset, form: StoredForm, name: str, origin: Mapping[str, Any] | None, skip_faulty: bool
) -> str:
    """32 hexadecimal digits: all that decides what a pack will hold, as far as it is known before reading."""
    stamp = {
        "format": PACK_FORMAT,
        "name": name,
        "origin": origin,
        "class_names": list(dataset.class_names),
        "channels": form.channels,
        "native_size": dataset.native_size,
        "stored_size": form.size,
        "skip_faulty": skip_faulty,
        "source": dict(dataset.source()),
    }
    if form.size is not None and form.fit != "stretch":
        stamp["fit"] = form.fit
    return hashlib.sha256(canonical_json(stamp)).hexdigest()[:32]


def directory_name(digest: str) -> str:
    """What the directory of a pack is called."""
    return digest.removeprefix("v1:")[:16]


def _known_pack(cache: Path, stamp: str, *, warn: bool = False) -> Pack | None:
    """The pack that this source has become before, if it is there and sound."""
    try:
        about = json.loads((cache / "sources" / f"{stamp}.json").read_bytes())
        digest = about["digest"]
        if about["format"] != PACK_FORMAT or not re.fullmatch(r"v1:[0-9a-f]{64}", digest):
            return None
        path = cache / "packs" / directory_name(digest)
        if not path.is_dir():
            return None
        pack = open_pack(path)
        return _as_from_source(pack, about) if pack.digest == digest else None
    except DamagedPack as error:
        if warn:
            _logger.warning("%s; building it again", error.message)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _as_from_source(pack: Pack, about: Mapping[str, Any]) -> Pack:
    return replace(
        pack,
        dataset=about["dataset"],
        skipped=about["skipped"],
        faults=tuple(Fault(*fault) for fault in about["faults"]),
        notes=about["notes"],
    )


def _publish(directory: Path, packs: Path, digest: str) -> Path:
    """Moves a finished pack to its place, unless the same content is there already and sound."""
    sync_tree(directory)
    path = packs / directory_name(digest)
    with turn(packs.parent, "publish"):
        try:
            if open_pack(path).digest == digest:
                if (gray := directory / GRAY_FILE).exists():  # which packs of older releases lack
                    gray.replace(path / GRAY_FILE)
                return path
        except DamagedPack:
            pass
        if path.exists():
            # Readers that have the damaged pack open keep their files; its name is free at once.
            path.replace(directory.with_name(directory.name + "-damaged"))
        directory.replace(path)
        sync_directory(packs)
    shutil.rmtree(directory.with_name(directory.name + "-damaged"), ignore_errors=True)
    return path


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
    return _as_from_source(pack, description)


def _damaged(pack: Pack, rows: Iterable[int]) -> list[int]:
    hashes = pack.pixel_hashes if pack.stored_hashes is None else pack.stored_hashes
    return [row for row in rows if pixel_hash(pack.images[row]) != hashes[row].tobytes()]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
