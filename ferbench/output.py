"""Files that a user names, written as whatever already lies there."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from pathlib import Path

from ferbench.display import results_descriptor
from ferbench.errors import UserError
from ferbench.storage import replace_file, writing

#: What systems call the open files of a process: a copy of such a link leads to the file, and not to what is open.
_DESCRIPTOR = re.compile(r"/dev/fd/(\d{1,9})|/proc/(self|thread-self|\d+)/fd/(\d{1,9})")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
STDOUT = Path("/dev/stdout")

_MOST_LINKS = 40  # as Linux has it

# What a file that may not be replaced says: its folder takes no new ones, or it is mounted by itself.
_IN_PLACE = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS)


def write_output(path: Path, content: bytes) -> None:
    """Write a file that a user named.

    A regular file is replaced at once, and keeps its mode and its owner; where its folder or owner forbids that, it
    is written in place. Another hard link to it keeps what it was. A symbolic link is followed and stays. A pipe or a
    device is written into; so is ``/dev/stdout``, ``/dev/stderr`` or ``/dev/fd/N``, on any system. A new file has the
    mode that the umask leaves, and folders that are missing are made.

    Args:
        path: of the file.
        content: all of it.

    Raises:
        UserError: it is a folder or a socket, nothing reads from the pipe, or it cannot be written; a regular file is
            as it was before.
    """
    with writing(path):
        place = _followed(path)
        if isinstance(place, int):
            descriptor = results_descriptor() if place == 1 else place
            _flush(descriptor)
            _write(descriptor, content)
            return
        try:
            there = place.stat()
        except FileNotFoundError:
            replace_file(place, content)
            return
        if stat.S_ISDIR(there.st_mode):
            raise UserError(f"{path} is a folder", "give the path of a file")
        if not stat.S_ISREG(there.st_mode):
            _write_into(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0), content)
            return
        if not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        try:
            replace_file(place, content, like=there)
        except UserError as error:
            if getattr(error.__cause__, "errno", None) not in _IN_PLACE:
                raise
            _write_into(place, os.O_WRONLY | os.O_TRUNC, content)


def is_stdout(path: Path) -> bool:
    """Whether what is written to a path goes to standard output."""
    try:
        return _followed(path) == 1
    except OSError:
        return False


def is_stream(path: Path) -> bool:
    """Whether a path leads to a pipe, a device or an open file, which is written into."""
    try:
        place = _followed(path)
        if isinstance(place, int):
            return True
        mode = place.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _followed(path: Path) -> Path | int:
    """What a path leads to: a place that is no link, or the number of an open file."""
    with contextlib.suppress(FileNotFoundError):
        path.stat()  # here the system refuses links of others in a folder that everybody may write to
    for _ in range(_MOST_LINKS):
        text = os.path.abspath(path)  # noqa: PTH100 - links are not followed
        if text in _STANDARD:
            return _STANDARD[text]
        found = _DESCRIPTOR.fullmatch(text)
        if found and found[2] in (None, "self", "thread-self", str(os.getpid())):
            return int(found[1] or found[3])
        if found or not path.is_symlink():
            return path
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _write_into(path: Path, flags: int, content: bytes) -> None:
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        if path.is_fifo():
            raise UserError(f"nothing reads from the pipe {path}", "start what reads it first") from error
        raise UserError(f"{path} is no file, pipe or device", "give the path of a file") from error
    try:
        if flags & getattr(os, "O_NONBLOCK", 0):
            os.set_blocking(descriptor, True)
        _write(descriptor, content)
    finally:
        os.close(descriptor)


def _flush(descriptor: int) -> None:
    """What has been printed comes first."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, none, or no file
            if stream.fileno() == descriptor:
                stream.flush()


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
