"""Directories through which the changes of a lock's holder go, so that they end with its right to make them.

Each holder has one, ``<name>.staging/<token>/``, beside its lock. A file is written there and renamed into place; what
is removed is renamed to there first. Whoever takes the lock removes the directories of all others before it does
anything else. A process that was stopped just before such a rename, and goes on after that, finds no directory to
rename from or to: the file system refuses, whatever the process had looked at before. A token is used once, so that no
directory comes back.

Of two processes that both made theirs and then removed those of others, one has removed the other's: one is left at
most, whatever becomes of the holder's file, which only decides who may do so.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from shutil import rmtree

#: How often something is tried again that another process undoes by the same means.
_TRIES = 10

#: What NFS calls a file that was removed and is open on this very host; by its old name nobody there finds it.
_UNLINKED = ".nfs"


def staging_path(lock: Path) -> Path:
    """Where those of a lock are."""
    return lock.with_name(f"{lock.name.removesuffix('.lock')}.staging")


def make_staging(lock: Path) -> Path:
    """One of this process's own.

    Raises:
        OSError: it cannot be made.
    """
    own = staging_path(lock) / secrets.token_hex(8)
    for left in reversed(range(_TRIES)):
        with contextlib.suppress(FileExistsError):
            own.parent.mkdir()
        if own.parent.is_symlink():  # what is removed would lie elsewhere
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(own.parent))
        try:
            own.mkdir()
            break
        except FileNotFoundError:  # whoever was the last to leave has removed what it lies in
            if not left:
                raise
    return own


def end_others(own: Path) -> bool:
    """Remove all others beside ``own``. They are moved into it first, so that this has no effect either once another
    process has removed ``own``.

    Returns:
        Whether ``own`` is still there.

    Raises:
        OSError: one of them cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(own.parent):  # noqa: PTH208 - names are what is asked for
            if name != own.name:
                with contextlib.suppress(FileNotFoundError):
                    (own.parent / name).rename(own / name)
                    _remove(own / name)
    return own.is_dir()


def remove_staging(own: Path) -> None:
    """Remove one's own, as far as that can be done."""
    rmtree(own, ignore_errors=True)
    with contextlib.suppress(OSError):  # others are there
        own.parent.rmdir()


def _remove(path: Path) -> None:
    """Remove a directory into which another host, which knows it by its number, may write until it is gone."""
    for left in reversed(range(_TRIES)):
        try:
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            else:
                rmtree(path)
            return
        except OSError:
            files = [name for _, _, names in os.walk(path) for name in names]
            if files and all(name.startswith(_UNLINKED) for name in files):
                return
            if not left:
                raise
