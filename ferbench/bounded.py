"""Files of ferbench's own making, read as if anybody had made them: the one place that opens them.

Whatever lies at a path, reading it ends soon, in little memory, and in what was asked for or in an error.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
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

#: Values that JSON may have: each takes some hundred bytes of memory, and two of the file.
MOST = 2**22

# An archive may unpack to so much in any case, and beyond it to so many times its own size; deflate packs nothing that
# ferbench writes by more than some 40. The same goes for a file with holes, of which ferbench leaves none.
_UNPACKED = 64 * 2**20
_RATIO = 200
_LARGEST_UNPACKED = 8 * 2**30

_NESTING = frozenset((dict, list))

# As safetensors has it.
_LARGEST_HEADER = 100_000_000

#: What this process was started with, whatever it is: a terminal, a pipe, ``<(command)``.
_OWN = re.compile(r"/dev/std(?P<name>in)|(?:/dev|/proc/self)/fd/(?P<number>[0-9]{1,6})")


class Damaged(ValueError):
    """A file that is not what it should be; the text says how."""


class TooLarge(Damaged):
    """A file of more bytes than it may have."""


@contextlib.contextmanager
def opened(path: Path, *, largest: int | None = None, links: bool = False) -> Iterator[io.BufferedReader]:
    """A regular file, open for reading. A link, a pipe or a device is none, and nothing waits for one.

    Args:
        path: of the file; folders on the way may be links.
        largest: bytes that it may have; None: any number, for what is not read as a whole.
        links: the file itself may be a link, too.

    Raises:
        OSError: it is not there, or cannot be opened.
        Damaged: it is no regular file, or larger.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags if links else flags | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if not links and error.errno in {errno.ELOOP, errno.EMLINK} and path.is_symlink():
            raise Damaged("it is a symbolic link") from error
        if error.errno == errno.ENXIO:  # a socket
            raise Damaged("it is no regular file") from error
        raise
    except ValueError as error:  # no path has a zero byte
        raise Damaged(str(error)) from error
    try:
        status = os.fstat(descriptor)
        if links and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise Damaged("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no regular file")
        if largest is not None and status.st_size > largest:
            raise TooLarge(f"it has {status.st_size:,} bytes, {largest:,} at most")
        if not links:
            _refuse_holes(descriptor, status.st_size)
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def _refuse_holes(descriptor: int, size: int) -> None:
    """Refuse a file whose size is out of proportion to what lies on the disk: to read its holes takes hours."""
    if size <= _UNPACKED or not hasattr(os, "SEEK_DATA"):
        return
    held = end = 0
    try:
        while held * _RATIO < size:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
            held += end - begin
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole is left; other errors: this file system knows of none
            raise Damaged(f"of its {size:,} bytes {held:,} are there, the others are holes") from error
    os.lseek(descriptor, 0, os.SEEK_SET)


def sha256_of(path: Path, *, tensors: bool = False) -> str:
    """SHA-256 of a regular file; see `opened`.

    Args:
        path: of the file.
        tensors: it is one of safetensors, which is read no further than its header where it has been cut.

    Raises:
        OSError: it is not there, or cannot be read.
        Damaged: it is no such file.
    """
    with opened(path) as file:
        if tensors:
            refuse_cut_tensors(file)
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_file(path: Path, *, largest: int = LARGEST, links: bool = False) -> bytes:
    """The bytes of a regular file; see `opened`.

    Raises:
        OSError: it is not there, or cannot be read.
        Damaged: it is no regular file, or larger.
    """
    with opened(path, largest=largest, links=links) as file:
        return _whole(file, largest)


@contextlib.contextmanager
def opened_given(path: Path) -> Iterator[io.BufferedReader]:
    """A file that a user names, open for reading: links are followed, and ``/dev/stdin`` and ``/dev/fd/3`` are what
    this process was given there. Another pipe or a device is none.

    Raises:
        OSError: it is not there, or cannot be opened.
        Damaged: it is no regular file.
    """
    own = _OWN.fullmatch(os.fspath(path))
    if own is None:
        with opened(path, links=True) as file:
            yield file
        return
    with open(os.dup(int(own["number"] or 0)), "rb") as file:
        yield file


def read_given(path: Path, *, largest: int = LARGEST) -> bytes:
    """The bytes of a file that a user names; see `opened_given`.

    Raises:
        OSError: it is not there, or cannot be read.
        Damaged: it is no regular file, or larger.
    """
    with opened_given(path) as file:
        return _whole(file, largest)


def _whole(file: BinaryIO, largest: int) -> bytes:
    content = file.read(largest + 1)
    if len(content) > largest:
        raise TooLarge(f"it has more than {largest:,} bytes")
    return content


def from_json(content: bytes, *, most: int = MOST, deep: bool = False) -> Any:
    """A value from JSON; NaN, numbers of thousands of digits and many levels are none. ``1e999`` is infinite.

    Args:
        content: the text.
        most: values that it may have.
        deep: it may have more levels than `DEEPEST`, some 200: the caller looks at what may be deep.

    Raises:
        Damaged: it is no such JSON.
    """
    opening = content.count(b"[") + content.count(b"{")
    if opening + content.count(b",") > most:
        raise Damaged(f"it has more than {most:,} values")
    try:
        value = _parsed(content)
    except (ValueError, RecursionError) as error:
        raise Damaged("it is no JSON") from error
    if opening > DEEPEST and not deep:
        refuse_deep(value)
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


def refuse_deep(value: Any) -> None:
    """Refuse a value of more than `DEEPEST` levels of lists and tables.

    Raises:
        Damaged: it is one.
    """
    level = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for above in level
            if type(above) in _NESTING
            for item in (above.values() if type(above) is dict else above)
            if type(item) in _NESTING
        ]
        if not level:
            return
    raise Damaged(f"it has more than {DEEPEST} levels of lists and tables")


def arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz``, by name; none is a pickle, and what they unpack to is in proportion to the file.

    Args:
        content: of the file.

    Raises:
        Damaged: it is no such archive.
    """
    return _arrays(io.BytesIO(content), len(content))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a regular file that is an ``.npz``; see `arrays` and `opened`.

    Raises:
        OSError: it is not there, or cannot be read.
        Damaged: it is no such file.
    """
    with opened(path) as file:
        return _arrays(file, os.fstat(file.fileno()).st_size)


def _arrays(file: BinaryIO, size: int) -> dict[str, NDArray[Any]]:
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            packed = min(size, sum(member.compress_size for member in members))
            unpacked = sum(member.file_size for member in members)
            if unpacked > min(max(_UNPACKED, _RATIO * packed), _LARGEST_UNPACKED):
                raise Damaged(f"its {packed:,} bytes unpack to {unpacked:,}")
            found = {}
            for member in members:
                with archive.open(member) as of:
                    found[member.filename.removesuffix(".npy")] = array(of.read(member.file_size))
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


def refuse_cut_tensors(file: BinaryIO) -> None:
    """Refuse a file of safetensors that has not the size that its own header says, before it is read as a whole.

    Args:
        file: open at its beginning, where it is again.

    Raises:
        Damaged: it is no such file.
    """
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(size - 8, _LARGEST_HEADER):
        raise Damaged("it is no file of tensors")
    header = from_json(file.read(length))
    try:
        ends = [about["data_offsets"][1] for name, about in header.items() if name != "__metadata__"]
        stated = 8 + length + max(ends, default=0)
    except (AttributeError, TypeError, LookupError) as error:
        raise Damaged("it is no file of tensors") from error
    if stated != size:
        raise Damaged(f"it has {size:,} bytes, and should have {stated:,}")
    file.seek(0)
