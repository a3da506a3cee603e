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


#: By a directory's absolute path: what is asked before anything in it changes, and through which directory it does.
_fences: dict[str, tuple[Callable[[], None], Path | None]] = {}


@contextlib.contextmanager
def fenced(directory: Path, look: Callable[[], None], through: Path | None = None) -> Iterator[None]:
    """Within this block ``look`` is called before each change that this module makes below ``directory``.

    Args:
        directory: need not exist yet.
        look: raises where this process may not write there any more. A process that is stopped after it, and goes on
            when another one may write there, would make the change all the same.
        through: so each change is one rename from or to this directory, on the same file system, which whoever may
            write there next has removed before; see `ferbench.staging`.
    """
    key = os.path.abspath(directory)  # noqa: PTH100 - as `may_write` has it: links stay
    _fences[key] = look, through
    try:
        yield
    finally:
        del _fences[key]


def may_write(path: Path) -> Path | None:
    """Ask the fences of all directories that ``path`` lies in, or is.

    Returns:
        The directory through which a change goes; None: it is made in place.

    Raises:
        UserError: this process may not write there any more.
    """
    through = None
    if _fences:
        where = os.path.abspath(path)  # noqa: PTH100
        for place, (look, directory) in list(_fences.items()):
            if where == place or where.startswith(f"{place}{os.sep}"):
                look()
                through = directory or through
    return through


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[Path | None]:
    """Make one change of ``path``, through the directory that `may_write` gives.

    Raises:
        UserError: it cannot be made, or this process may not write there any more: before it, or in place of what
            failed since.
    """
    through = may_write(path)
    try:
        with writing(path):
            yield through
    except UserError:
        may_write(path)
        raise


def _make_directory(path: Path, through: Path | None) -> None:
    """Make a directory, and those that it lies in, unless it is there."""
    if through is None:
        path.mkdir(parents=True, exist_ok=True)
    elif not path.is_dir():
        _make_directory(path.parent, through)
        made = _temporary(path, through)
        made.mkdir()
        try:
            made.rename(path)
        except OSError:
            if not path.is_dir():  # nobody else has made it, and it has something in it by now
                raise


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
    with _changing(path) as through:
        _make_directory(path.parent, through)
        temporary = _temporary(path, through)
        try:
            with open(temporary, "xb", opener=None if like is None else _private) as file:
                if like is not None:
                    _make_like(file.fileno(), like)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
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
    """Add ``content`` to the end of a file, which is replaced: what is open can be written by who may not any more.

    Raises:
        UserError: it cannot be read or written, or the disk is full, or this process may not write there any more.
    """
    with writing(path):
        before = path.read_bytes() if path.exists() else b""
    replace_file(path, before + content)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        UserError: the directory cannot be written, or this process may not write there any more.
    """
    with _changing(path) as through:
        if through is None:
            path.unlink(missing_ok=True)
        elif os.path.lexists(path):
            _move_out(path, through).unlink()


def move_directory(path: Path, target: Path) -> None:
    """Give a directory another name in its parent.

    Raises:
        UserError: the parent cannot be written, or this process may not write there any more.
    """
    with _changing(path) as through:
        os.replace(path if through is None else _move_out(path, through), target)
        sync_directory(path.parent)


def _move_out(path: Path, through: Path) -> Path:
    moved = _temporary(path, through)
    os.replace(path, moved)
    return moved


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


def _temporary(path: Path, through: Path | None = None) -> Path:
    """A new name beside a path, or in the directory through which its changes go."""
    token = secrets.token_hex(6)
    return path.parent / f".{path.name[:50]}.{token}.tmp" if through is None else through / token


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
    errno.EEXIST: f"a link to nowhere stands for a folder, or a file does: mend or move it, {_ELSEWHERE}",
    errno.EISDIR: f"a folder lies where a file should be: move it, {_ELSEWHERE}",
    errno.ENOENT: "a folder on the way there is gone: see whether somebody removed it, and try again",
    errno.EXDEV: "a folder and what lies in it must be on one file system, and of one quota's project: move it there",
    errno.EIO: "the disk or the network to it has a fault: see the system's log, and try again",
}


def remedy_for(error: OSError) -> str:
    """What to do where a disk refuses."""
    return _REMEDIES.get(error.errno or 0, f"see that the disk is there and can be written, {_ELSEWHERE}")


#: Of those, the ones that do not depend on what is to be written.
_OF_HOST = frozenset(
    (
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMLINK, errno.EMFILE, errno.ENFILE),
        *(errno.ENOLCK, errno.EIO),
    )
)


def refusal_of_host(error: BaseException | None) -> str | None:
    """What to do where an exception is of a disk or of this host's limits, whatever was done; None: it is not."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _OF_HOST:
            return remedy_for(error)
        error = error.__cause__
    return None


#: Bytes that ferbench's own names below a results directory or a cache may have, those of temporary files included.
_BELOW = 200


def refuse_unwritable(place: Path) -> None:
    """Refuse a directory, there already or not yet, in which no file can be made; nothing is left behind.

    Raises:
        UserError: naming the remedy.
    """
    import tempfile  # which nothing else here needs

    there = next(path for path in (place.absolute(), *place.absolute().parents) if os.path.lexists(path))
    with writing(place), tempfile.TemporaryFile(dir=there):
        pass


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
