"""Where packs are kept: found again by their source, built by one process at a time, named by their content.

A cache directory holds ``packs/<first 16 digits of the digest>/`` and ``sources/<stamp>.json``, which says which pack a
known source has become. Packs are immutable: they appear whole under their name, or not at all.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferbench.data.class_mapping import refuse_lookalikes
from ferbench.data.fit import StoredForm
from ferbench.data.gray import GRAY_FILE
from ferbench.data.pack import ABOUT_SOURCE, PACK_FORMAT, DamagedPack, Pack, from_source, open_pack
from ferbench.data.packing import build
from ferbench.data.sample import Dataset, Fault
from ferbench.errors import UserError
from ferbench.ids import digest
from ferbench.locks import Held, Hold, holding
from ferbench.storage import replace_file, sync_directory, writing

_logger = logging.getLogger("ferbench.data.pack_cache")

#: Seconds between two attempts to get a turn.
_LOOK = 0.25


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
    cache = Path(cache)
    refuse_lookalikes(
        dataset.class_names,
        name,
        lambda: (sample.label for sample in dataset.samples() if not isinstance(sample, Fault)),
    )
    form = form or StoredForm.of(dataset)
    stamp = _stamp_of(dataset, form, name, origin, skip_faulty)
    known = _known_pack(cache, stamp)
    if known is not None:
        return replace(known, form=form)
    with turn(cache, stamp) as hold:
        known = _known_pack(cache, stamp, warn=True)
        if known is not None:
            return replace(known, form=form)
        with building_directory(cache, cache / "packs", stamp) as directory:
            description = build(
                dataset, form, directory, name=name, skip_faulty=skip_faulty, workers=workers, progress=progress
            )
            if _stamp_of(dataset, form, name, origin, skip_faulty) != stamp:
                raise UserError(
                    f"the files of dataset '{name}' changed while they were packed",
                    "run again when nothing writes to them any more",
                )
            hold.look()
            with writing(cache):
                path = _publish(directory, cache / "packs", description["digest"])
                (cache / "sources").mkdir(exist_ok=True)
                about = {key: description[key] for key in ("format", "digest", *ABOUT_SOURCE)}
                replace_file(cache / "sources" / f"{stamp}.json", json.dumps(about, indent=1).encode())
        return replace(from_source(open_pack(path), description), form=form)


def _stamp_of(
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
    return digest(stamp).removeprefix("v1:")[:32]


def directory_name(pack_id: str) -> str:
    """What the directory of a pack is called."""
    return pack_id.removeprefix("v1:")[:16]


def _known_pack(cache: Path, stamp: str, *, warn: bool = False) -> Pack | None:
    """The pack that this source has become before, if it is there and sound."""
    try:
        about = json.loads((cache / "sources" / f"{stamp}.json").read_bytes())
        pack_id = about["digest"]
        if about["format"] != PACK_FORMAT or not re.fullmatch(r"v1:[0-9a-f]{64}", pack_id):
            return None
        path = cache / "packs" / directory_name(pack_id)
        if not path.is_dir():
            return None
        pack = open_pack(path)
        return from_source(pack, about) if pack.digest == pack_id else None
    except DamagedPack as error:
        if warn:
            _logger.warning("%s; building it again", error.message)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _publish(directory: Path, packs: Path, pack_id: str) -> Path:
    """Moves a finished pack to its place, unless the same content is there already and sound."""
    _sync_tree(directory)
    path = packs / directory_name(pack_id)
    with turn(packs.parent, "publish"):
        try:
            if open_pack(path).digest == pack_id:
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


def _sync_tree(directory: Path) -> None:
    """Makes every file below a directory, and their names, survive a power cut."""
    for parent, _, files in os.walk(directory):
        for file in files:
            with Path(parent, file).open("r+b") as handle:
                os.fsync(handle.fileno())
        sync_directory(Path(parent))


@contextlib.contextmanager
def turn(cache: Path, stamp: str) -> Iterator[Hold]:
    """The right to build what ``stamp`` stands for: held by one process at a time, given back by a crash."""
    told = False
    while True:
        try:
            with holding(lock_path(cache, stamp), f"the packing of a dataset in {cache}") as hold:
                yield hold
                return
        except Held as held:
            if not told:
                _logger.info("another process is packing this dataset; waiting for it: %s", held.holder)
            told = True
            time.sleep(_LOOK)


@contextlib.contextmanager
def building_directory(cache: Path, room: Path, stamp: str) -> Iterator[Path]:
    """A temporary directory in ``room`` to build in; gone afterwards, whatever happens.

    The caller holds the turn of ``stamp``. What crashed builders left behind is removed first.
    """
    with writing(cache):
        room.mkdir(parents=True, exist_ok=True)
        _sweep(cache, room, stamp)
        directory = Path(tempfile.mkdtemp(prefix=f".building-{stamp}-", dir=room))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def lock_path(cache: Path, stamp: str) -> Path:
    """The file that the builder of ``stamp`` locks."""
    return cache / "locks" / f"{stamp}.lock"


def _sweep(cache: Path, room: Path, stamp: str) -> None:
    for left in room.glob(".building-*"):
        owner = left.name.split("-")[1]
        if owner == stamp:
            shutil.rmtree(left, ignore_errors=True)
            continue
        with contextlib.suppress(Held, UserError), holding(lock_path(cache, owner), left.name):
            shutil.rmtree(left, ignore_errors=True)
