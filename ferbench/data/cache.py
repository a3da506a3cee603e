"""Files and directories of the cache that appear whole under their name, or not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ferbench.storage import sync_directory, writing

_logger = logging.getLogger("ferbench.data.cache")


def sync_tree(directory: Path) -> None:
    """Makes every file below a directory, and their names, survive a power cut."""
    for parent, _, files in os.walk(directory):
        for file in files:
            with Path(parent, file).open("r+b") as handle:
                os.fsync(handle.fileno())
        sync_directory(Path(parent))


@contextlib.contextmanager
def turn(cache: Path, stamp: str) -> Iterator[None]:
    """The right to build what ``stamp`` stands for: held by one process at a time, given back by a crash."""
    with writing(cache):
        (cache / "locks").mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_path(cache, stamp))
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            _logger.info("another process is packing this dataset; waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


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
        with contextlib.suppress(Timeout), FileLock(lock_path(cache, owner)).acquire(timeout=0):
            shutil.rmtree(left, ignore_errors=True)
