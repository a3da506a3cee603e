"""One writer for a run directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory
from ferbench.storage import writing


class AtWork(UserError):
    """Another process is at work on a run."""


@contextlib.contextmanager
def only_writer(directory: RunDirectory) -> Iterator[None]:
    """Keep other processes off a run directory; the operating system gives the lock back after a crash.

    Raises:
        AtWork: another process holds it.
        UserError: the results directory cannot be written.
    """
    parent = directory.path.parent
    with writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(_lock_path(directory), timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise AtWork(
                f"another process is at work on run {directory.path.name}", "wait for it, or stop it, and try again"
            ) from error
    try:
        yield
    finally:
        lock.release()


def is_held(directory: RunDirectory) -> bool:
    """Whether a process is at work on a run directory."""
    path = _lock_path(directory)
    if not path.exists():
        return False
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except (filelock.Timeout, OSError):
        return True
    lock.release()
    return False


def _lock_path(directory: RunDirectory) -> Path:
    return directory.path.parent / f".{directory.path.name}.lock"
