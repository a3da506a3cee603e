"""Files that are either whole or not there, and not written by a process that has lost the right to."""

from __future__ import annotations

import contextlib
import errno
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


def replace_file(path: Path, content: bytes, *, like: os.stat_result | None = None) -> None:
    """Write ``content`` to ``path``: temporary name, fsync, ``os.replace``, fsync of the directory.

    Args:
        path: of the file.
        content: all of it.
        like: of what is replaced, if the file is to have its mode and owner; None: those of a new file.

    Raises:
        UserError: the directory cannot be written or is full, or this process may not write there any more; ``path`` is
            as it was before.
    """
    temporary = _temporary(path)
    may_write(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb", opener=None if like is None else _private) as file:
                if like is not None:
                    _make_like(file.fileno(), like)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            may_write(path)  # much was written since, and a process may be stopped in between
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _make_like(descriptor: int, like: os.stat_result) -> None:
    if os.name == "nt":
        return
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    os.fchmod(descriptor, like.st_mode & 0o777)


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
    return path.parent / f".{path.name[:50]}.{secrets.token_hex(6)}.tmp"


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
    except BrokenPipeError:  # whoever read it has gone
        raise
    except OSError as error:
        raise UserError(f"cannot write to {place}: {error.strerror or error}", remedy_for(error)) from error


_ELSEWHERE = "or name another place (such as with --results, --cache)"

#: What to do where a disk refuses, by the number of the error.
_REMEDIES = {
    errno.EACCES: f"correct the permissions, {_ELSEWHERE}",
    errno.EPERM: f"correct the permissions, {_ELSEWHERE}",
    errno.ENOSPC: f"free some space on that disk, {_ELSEWHERE}",
    errno.EDQUOT: f"your quota there is used up: remove what you need no longer, {_ELSEWHERE}",
    errno.EROFS: "that disk can only be read: name another place (such as with --results, --cache)",
    errno.EFBIG: "that file system takes no file so large: name another place (such as with --results, --cache)",
    errno.EMLINK: f"that file system takes no more folders there: remove runs with 'ferbench runs rm', {_ELSEWHERE}",
    errno.EMFILE: "this process may open no more files: raise its limit with 'ulimit -n 4096', and try again",
    errno.ENFILE: "this machine may open no more files: end what you need no longer, and try again",
    errno.ENOLCK: f"that file system gives no locks now: see that its lock service runs, {_ELSEWHERE}",
    errno.ENAMETOOLONG: "give a shorter name or path",
    errno.ENOTDIR: f"a file lies where a folder should be: move it, {_ELSEWHERE}",
    errno.EISDIR: f"a folder lies where a file should be: move it, {_ELSEWHERE}",
    errno.ENOENT: "a folder on the way there is gone: see whether somebody removed it, and try again",
    errno.EIO: "the disk or the network to it has a fault: see the system's log, and try again",
}


def remedy_for(error: OSError) -> str:
    """What to do where a disk refuses."""
    return _REMEDIES.get(error.errno or 0, f"see that the disk is there and can be written, {_ELSEWHERE}")


#: Bytes that ferbench's own names below a results directory or a cache may have, those of temporary files included.
_BELOW = 200


def refuse_long(place: Path) -> None:
    """Refuse a directory with a name, or in a place, that is too long for the files in it.

    Raises:
        UserError: it is.
    """
    limits = {"PC_NAME_MAX": 255, "PC_PATH_MAX": 4096}
    for limit in limits if hasattr(os, "pathconf") else ():
        with contextlib.suppress(OSError, ValueError):
            limits[limit] = os.pathconf("/", limit)
    absolute = os.fsencode(place.absolute())
    longest = max(map(len, absolute.split(os.fsencode(os.sep))))
    if longest > limits["PC_NAME_MAX"] or len(absolute) + _BELOW > limits["PC_PATH_MAX"]:
        raise UserError(f"'{place}' is too long for the name of a directory", _REMEDIES[errno.ENAMETOOLONG])
