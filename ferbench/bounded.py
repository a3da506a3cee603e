"""Files of ferbench's own making, read as if anybody had made them: the one place that opens them.

Whatever lies at a path, reading it ends soon, in little memory, and in what was asked for or in an error.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import pydantic_core

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bytes that a file of text, such as a record, may have.
LARGEST = 64 * 2**20

#: Levels of lists and tables that JSON may have.
DEEPEST = 64

# An archive may unpack to so much in any case, and beyond it to so many times its own size; deflate packs nothing that
# ferbench writes by more than some 40.
_UNPACKED = 64 * 2**20
_RATIO = 200
_LARGEST_UNPACKED = 8 * 2**30


class Damaged(ValueError):
    """A file that is not what it should be; the text says how."""


@contextlib.contextmanager
def opened(path: Path, *, largest: int | None = None) -> Iterator[BinaryIO]:
    """A regular file, open for reading. A link, a pipe or a device is none, and nothing waits for one.

    Args:
        path: of the file; folders on the way may be links.
        largest: bytes that it may have; None: any number, for what is not read as a whole.

    Raises:
        OSError: it is not there, or cannot be opened.
        Damaged: it is no regular file, or larger.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK} and path.is_symlink():
            raise Damaged("it is a symbolic link") from error
        if error.errno == errno.ENXIO:  # a socket
            raise Damaged("it is no regular file") from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Damaged("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no regular file")
        if largest is not None and status.st_size > largest:
            raise Damaged(f"it has {status.st_size:,} bytes, {largest:,} at most")
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_file(path: Path, *, largest: int = LARGEST) -> bytes:
    """The bytes of a regular file; see `opened`.

    Raises:
        OSError: it is not there, or cannot be read.
        Damaged: it is no regular file, or larger.
    """
    with opened(path, largest=largest) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise Damaged(f"it has more than {largest:,} bytes")
    return content


def from_json(content: bytes) -> Any:
    """A value from JSON; NaN, numbers of thousands of digits and many levels are none. ``1e999`` is infinite.

    Raises:
        Damaged: it is no such JSON.
    """
    try:
        value = _parsed(content)
    except (ValueError, RecursionError) as error:
        raise Damaged("it is no JSON") from error
    if content.count(b"[") + content.count(b"{") > DEEPEST:
        _refuse_deep(value)
    return value


def _parsed(content: bytes) -> Any:
    """The reader of pydantic is several times as fast, but takes no text that is none in UTF-8, as a path may be."""
    try:
        return pydantic_core.from_json(content, allow_inf_nan=False)
    except ValueError:
        if b"\\ud" not in content:
            raise
    return json.loads(content, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _refuse_deep(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [item for item in level if isinstance(item, (dict, list))]
        if not level:
            return
        level = [below for item in level for below in (item.values() if isinstance(item, dict) else item)]
    if any(isinstance(item, (dict, list)) for item in level):
        raise Damaged(f"it has more than {DEEPEST} levels of lists and tables")


def arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz``, by name; none is a pickle, and what they unpack to is in proportion to the file.

    Args:
        content: of the file.

    Raises:
        Damaged: it is no such archive.
    """
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            if unpacked > min(max(_UNPACKED, _RATIO * len(content)), _LARGEST_UNPACKED):
                raise Damaged(f"its {len(content):,} bytes unpack to {unpacked:,}")
            found = {}
            for member in members:
                with archive.open(member) as file:
                    found[member.filename.removesuffix(".npy")] = array(file.read(member.file_size))
    except Damaged:
        raise
    except Exception as error:  # archives and the headers in them fail in a dozen ways, MemoryError among them
        raise Damaged(f"it is no archive of arrays: {error}") from error
    return found


def array(content: bytes) -> NDArray[Any]:
    """The array of an ``.npy``, never a pickle.

    Args:
        content: of the file.

    Raises:
        Damaged: it is no such file, or has other bytes than its header says.
    """
    from numpy.lib import format as npy

    file = io.BytesIO(content)
    try:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
            raise Damaged("it has other bytes than its header says")
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)
    except Damaged:
        raise
    except Exception as error:  # headers are Python's literals, and fail in as many ways
        raise Damaged(f"it is no array: {error}") from error
