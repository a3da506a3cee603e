"""One writer for a run directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import filelock

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory
from ferbench.storage import writing


@contextlib.contextmanager
def only_writer(directory: RunDirectory) -> Iterator[None]:
    """Keep other processes off a run directory; the operating system gives the lock back after a crash.

    Raises:
        UserError: another process holds it, or the results directory cannot be written.
    """
    parent = directory.path.parent
    with writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(parent / f".{directory.path.name}.lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise UserError(
                f"another process is at work on run {directory.path.name}", "wait for it, or stop it, and try again"
            ) from error
    try:
        yield
    finally:
        lock.release()
