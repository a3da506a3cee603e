"""Where packs are kept: found again by their source, built by one process at a time, named by their content.

A cache directory holds ``packs/<first 16 digits of the digest>/`` and ``sources/<stamp>.json``, which says which pack a
known source has become. Packs are immutable: they appear whole under their name, or not at all.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ferbench.bounded import Damaged
from ferbench.data.class_mapping import refuse_lookalikes
from ferbench.data.description import PACK_FORMAT, SourceDescription, read_description
from ferbench.data.fit import StoredForm
from ferbench.data.images import Compared, DamagedPack
from ferbench.data.pack import GRAY_FILE, Pack, from_source, open_pack, unreadable
from ferbench.data.packing import Prepare, build, refuse_without_room
from ferbench.data.sample import Dataset, Fault
from ferbench.errors import UserError
from ferbench.ids import digest
from ferbench.locks import Held, Hold, holder_of, holding
from ferbench.storage import replace_file, sync_directory, writing

_logger = logging.getLogger("ferbench.data.pack_cache")

#: Seconds between two attempts to get a turn.
_LOOK = 0.25

# Seconds of waiting after which it is said what is waited for.
_MOMENT = 2.0


def pack_dataset(
    dataset: Dataset,
    *,
    name: str,
    cache: Path,
    origin: Mapping[str, Any] | None = None,
    skip_faulty: bool = False,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    compared: Compared | None = None,
    form: StoredForm | None = None,
    checked: bool = False,
    prepare: Prepare | None = None,
    prepared: Mapping[str, Any] | None = None,
) -> Pack:
    """The pack of a dataset: the existing one where its source is known and unchanged, else a new one.

    Every image is compared with its hash first. Processes that pack the same source take turns, and those that come
    later find the pack. A pack that turns out to be damaged is built again, with a warning in the log.

    Args:
        dataset: what to pack.
        name: the dataset component's name, for the record and for messages.
        cache: directory that packs are kept in; made if need be.
        origin: plain values that say which code with which options built the dataset; None: nothing is known of it but
            what ``dataset.source()`` says.
        skip_faulty: leave faulty samples out and record them, instead of refusing.
        workers: decoding threads; None: one per core. Does not influence the content.
        progress: called now and then with the number of samples done so far.
        compared: called now and then with how many images have been compared, and how many are to be.
        form: what it makes of images; None: what the dataset asks for.
        checked: another process of this run has just compared every image, so that a few are enough.
        prepare: what is done to images before they are brought to the stored size; None: nothing.
        prepared: plain values that say which code with which options does that.

    Raises:
        FaultyDataset: there are faults and ``skip_faulty`` is False, or nothing is left.
        UserError: the cache cannot be written, or what it has may not be read; there is no room for what the dataset
            says it has, its source changed while it was read, or names of classes differ in spelling alone.
    """
    cache = Path(cache)
    refuse_lookalikes(
        dataset.class_names,
        name,
        lambda: (sample.label for sample in dataset.samples() if not isinstance(sample, Fault)),
    )
    form = form or StoredForm.of(dataset)
    stamp = _stamp_of(dataset, form, name, origin, skip_faulty, prepared)
    check = None if checked else partial(Pack.check, compared=compared)
    known = _known_pack(cache, stamp, name, check)
    if known is not None:
        return replace(known, form=form)
    refuse_without_room(dataset, form, name, cache)
    with turn(cache, stamp) as hold:
        known = _known_pack(cache, stamp, name, check, warn=True)
        if known is not None:
            return replace(known, form=form)
        with building_directory(cache, cache / "packs", stamp) as directory:
            description = build(
                dataset,
                form,
                directory,
                name=name,
                skip_faulty=skip_faulty,
                workers=workers,
                progress=progress,
                prepare=prepare,
            )
            if _stamp_of(dataset, form, name, origin, skip_faulty, prepared) != stamp:
                raise UserError(
                    f"the files of dataset '{name}' changed while they were packed",
                    "run again when nothing writes to them any more",
                )
            hold.look()
            with writing(cache):
                path = _publish(directory, cache / "packs", description["digest"])
                (cache / "sources").mkdir(exist_ok=True)
                about = SourceDescription.model_validate(description)
                replace_file(cache / "sources" / f"{stamp}.json", about.to_bytes(stamp))
        made = _known_pack(cache, stamp, name, partial(Pack.check, compared=compared))
        if made is None:
            raise DamagedPack(path, "what was just written is not what is read")
        return replace(made, form=form)


def _stamp_of(
    dataset: Dataset,
    form: StoredForm,
    name: str,
    origin: Mapping[str, Any] | None,
    skip_faulty: bool,
    prepared: Mapping[str, Any] | None,
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
    if prepared is not None:
        stamp["preprocessing"] = dict(prepared)
    return digest(stamp).removeprefix("v1:")[:32]


def directory_name(pack_id: str) -> str:
    """What the directory of a pack is called."""
    return pack_id.removeprefix("v1:")[:16]


def _known_pack(
    cache: Path, stamp: str, name: str, check: Callable[[Pack], None] | None, *, warn: bool = False
) -> Pack | None:
    """The pack that this source has become before, if it is there and sound; ``check`` compares its images.

    Raises:
        UserError: it may be sound, but cannot be read.
    """
    source = cache / "sources" / f"{stamp}.json"
    try:
        about = read_description(source, SourceDescription)
        if about.dataset != name:  # as of one that an older release wrote
            raise Damaged(f"it is of dataset '{about.dataset[:40]}'")
        path = cache / "packs" / directory_name(about.digest)
        if not path.is_dir():
            return None
        pack = open_pack(path)
        if check is not None:
            check(pack)
        if pack.digest != about.digest:
            raise DamagedPack(path, "it is another one than its name says")
        return from_source(pack, about)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(Path(error.filename or source), error) from error
    except Damaged as error:
        wrong = f"{source} is damaged: {error}"
    except DamagedPack as error:
        wrong = error.message
    if warn:
        _logger.warning("%s; building it again", wrong)
    return None


def _publish(directory: Path, packs: Path, pack_id: str) -> Path:
    """Moves a finished pack to its place, unless the same content is there already and sound.

    Raises:
        UserError: what is there may be sound, but cannot be read.
    """
    _sync_tree(directory)
    path = packs / directory_name(pack_id)
    with turn(packs.parent, "publish"):
        try:
            there = open_pack(path)
            there.check()
            if there.digest == pack_id:
                if there.gray_hashes is None and (directory / GRAY_FILE).exists():  # which packs of older releases lack
                    with contextlib.suppress(OSError):  # another user's may be for reading alone
                        (directory / GRAY_FILE).replace(path / GRAY_FILE)
                return path
        except DamagedPack:
            pass
        damaged = directory.with_name(directory.name + "-damaged")
        if os.path.lexists(path):
            # Readers that have the damaged pack open keep their files; its name is free at once.
            path.replace(damaged)
        directory.replace(path)
        sync_directory(packs)
    _clear(damaged)
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
    waited = 0.0
    while True:
        try:
            with holding(lock_path(cache, stamp), f"the packing of a dataset in {cache}") as hold:
                yield hold
                return
        except Held as held:
            if waited < _MOMENT <= waited + _LOOK:
                _logger.warning("another process is packing this dataset; waiting for it: %s", held.holder)
            waited += _LOOK
            time.sleep(_LOOK)


@contextlib.contextmanager
def building_directory(cache: Path, room: Path, stamp: str) -> Iterator[Path]:
    """A temporary directory in ``room`` to build in, open to whom the umask says; gone afterwards, whatever happens.

    The caller holds the turn of ``stamp``. What crashed builders left behind is removed first.
    """
    with writing(cache):
        room.mkdir(parents=True, exist_ok=True)
        for left in room.glob(".building-*"):
            for_stamp = stamp_of_building(left)
            built = False if for_stamp == stamp else is_built(cache, for_stamp)
            if built is None:
                _logger.warning("%s is another user's, who alone can tell whether it is of any use", left)
            elif not built:
                _clear(left)
        directory = room / f".building-{stamp}-{secrets.token_hex(6)}"
        directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def stamp_of_building(left: Path) -> str:
    """What a ``.building-<stamp>-…`` directory was made for."""
    return left.name.split("-")[1]


def is_built(cache: Path, stamp: str) -> bool | None:
    """Whether a process is building what ``stamp`` stands for; None where its lock may not be opened."""
    path = lock_path(cache, stamp)
    if holder_of(path) is not None:
        return True
    return None if path.exists() and not os.access(path, os.R_OK) else False


def lock_path(cache: Path, stamp: str) -> Path:
    """The file that the builder of ``stamp`` locks."""
    return cache / "locks" / f"{stamp}.lock"


def _clear(left: Path) -> None:
    """Removes what is of no use to anybody any more, and says so where it cannot."""
    try:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()
    except FileNotFoundError:  # somebody else removes it too
        pass
    except OSError as error:
        what = "%s is of no use any more and cannot be removed (%s); its owner can, with 'ferbench doctor --fix'"
        _logger.warning(what, left, error.strerror)
