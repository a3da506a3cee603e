"""Files that are either whole or not there, and not written by a process that has lost the right to."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ferbench.errors import UserError


def is_file(path: Path | str) -> bool:
    """Whether a file is there. What cannot be a path, such as a text of 300 characters, is none, where `Path.is_file`
    fails."""
    return os.path.isfile(path)  # noqa: PTH113


def sync_directory(path: Path) -> None:
    """Make a rename within ``path`` survive a power cut, where the platform can."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


#: What is asked before anything in a directory changes, by the directory's absolute path.
_fences: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {}


@contextlib.contextmanager
def fenced(directory: Path, look: Callable[[], None], glance: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within this block ``look`` is called before each change that this module makes below ``directory``.

    Args:
        directory: need not exist yet.
        look: raises where this process may not write there any more.
        glance: the same at next to no cost, called after it: a process that is stopped in between, or after it and
            before the change, makes that change all the same when it goes on.
    """
    key = os.path.abspath(directory)  # noqa: PTH100 - as `may_write` has it: links stay
    _fences[key] = look, glance
    try:
        yield
    finally:
        del _fences[key]


def may_write(path: Path) -> None:
    """Ask the fences of all directories that ``path`` lies in, or is.

    Raises:
        UserError: this process may not write there any more.
    """
    if _fences:
        where = os.path.abspath(path)  # noqa: PTH100
        asked = [ask for place, ask in list(_fences.items()) if where == place or where.startswith(f"{place}{os.sep}")]
        for look, _ in asked:
            look()
        for _, glance in asked:
            glance()


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: temporary name, fsync, ``os.replace``, fsync of the directory.

    Raises:
        UserError: the directory cannot be written or is full, or this process may not write there any more; ``path`` is
            as it was before.
    """
    temporary = _temporary(path)
    may_write(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            may_write(path)  # much was written since, and a process may be stopped in between
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def append_to_file(path: Path, content: bytes) -> None:
    """Add ``content`` to the end of a file, and wait until it is on disk.

    Raises:
        UserError: it cannot be written, or the disk is full, or this process may not write there any more.
    """
    with writing(path), path.open("ab") as file:
        may_write(path)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_file(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        UserError: the directory cannot be written, or this process may not write there any more.
    """
    may_write(path)
    with writing(path):
        path.unlink(missing_ok=True)


def create_file(path: Path, content: bytes) -> bool:
    """Make a file, whole, unless there is one; of several processes that try, on whichever host, one succeeds.

    It need not survive a power cut. Where the file system has no hard links, its content comes after its name.

    Returns:
        Whether it was made.

    Raises:
        OSError: the directory cannot be written, or the disk is full.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            file.write(content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return temporary.stat().st_nlink == 2  # a server's answer was lost, and its client asked again
        except OSError:
            try:
                with path.open("xb") as file:
                    file.write(content)
            except FileExistsError:
                return False
        return True
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.parent / f".{path.name}.{secrets.token_hex(6)}.tmp"


def replace_json(path: Path, content: Any) -> None:
    """``replace_file`` with readable JSON."""
    replace_file(path, json_bytes(content))


def json_bytes(content: Any) -> bytes:
    """What `replace_json` writes: letters as they are, unless one is none that UTF-8 has, as in a path of bytes."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(content, indent=2, allow_nan=False)}\n".encode()


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn what can go wrong with a disk into an error that names the file or directory and the remedy."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write to {place}: {error.strerror or error}",
            "free some space, correct the permissions, or name another place (such as with --results, --cache)",
        ) from error
