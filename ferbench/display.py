"""What people watch a command on: where it is lost, what was to be shown is lost, and nothing else.

A terminal may be closed, the reader of a pipe end, the disk of a log be full. Training goes on.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ferbench.wording import one_line

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Where results go: `watch` leads descriptor 1 elsewhere.
_results = 1

#: Nobody is there to read any more: the reader of a pipe is gone, a terminal is closed.
GONE = (errno.EPIPE, errno.EIO, errno.ENXIO, errno.ECONNRESET)


class Watched(io.FileIO):
    """A descriptor that is written to, and may lose whoever reads it.

    Args:
        descriptor: stays open.
        drops: what cannot be written is dropped; False: that raises, as elsewhere.

    Attributes:
        lost: why something was dropped; None: nothing was.
    """

    def __init__(self, descriptor: int, *, drops: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.drops = drops
        self.lost: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """As `io.FileIO.write`."""
        try:
            return super().write(data)
        except OSError as error:
            if not self.drops:
                raise
            self.lost = self.lost or error
            return memoryview(data).nbytes


def watch() -> None:
    """Let stderr drop what it cannot show, and keep stdout for results alone.

    What others write to descriptor 1, code in C or a child process, is no result and goes to stderr. Streams that are
    closed lead to nothing, so that no file that is opened later is taken for one of them.
    """
    global _results
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _lead_to_nothing(number, name)
    sys.stderr = _watched(sys.stderr, 2, drops=True)
    sys.__stderr__ = sys.stderr  # type: ignore[assignment,misc]
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        _results = os.dup(sys.stdout.fileno())
        sys.stdout = _watched(sys.stdout, _results, drops=False)
        sys.__stdout__ = sys.stdout  # type: ignore[assignment,misc]
        os.dup2(2, 1)


def warn(line: str) -> None:
    """Say something on stderr, though `sys.stderr` may be redirected meanwhile, as by completion."""
    with contextlib.suppress(OSError, ValueError):
        print(f"warning: {one_line(line)}", file=sys.__stderr__ or sys.stderr, flush=True)


@contextlib.contextmanager
def named_if_long(line: str, seconds: float) -> Iterator[None]:
    """Say a line on stderr once this block has taken so many seconds."""
    late = threading.Timer(seconds, warn, [line])
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()


def results_descriptor() -> int:
    """The open file that results go to, also while descriptor 1 leads elsewhere."""
    return _results


def keep_working() -> None:
    """From now on stdout drops what it cannot write: what is shown there is on disk too, or soon will be."""
    if (results := _raw(sys.stdout)) is not None:
        results.drops = True


def lost_results() -> OSError | None:
    """Why stdout lacks something that somebody still waits for; None where it does not, or nobody does."""
    results = _raw(sys.stdout)
    if results is None or results.lost is None:
        return None
    watched = not stat.S_ISREG(os.fstat(results.fileno()).st_mode)
    return None if watched and results.lost.errno in GONE else results.lost


def give_descriptor_back() -> None:
    """Let what writes to descriptor 1 write to stdout again."""
    if _raw(sys.stdout) is not None:
        sys.stdout.flush()
        os.dup2(sys.stdout.fileno(), 1)


def _lead_to_nothing(number: int, name: str) -> None:
    descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    if descriptor == number:
        os.set_inheritable(number, True)
    else:  # the number is open by now
        os.close(descriptor)
    # Python has found it closed, and has no stream of its own for it.
    stream = Path(os.devnull).open("r" if number == 0 else "w", encoding="utf-8")  # noqa: SIM115 - for good
    setattr(sys, name, stream)


def _watched(stream: TextIO, descriptor: int, *, drops: bool) -> TextIO:
    """The same stream over a `Watched` descriptor, unless it is another's."""
    if not isinstance(stream, io.TextIOWrapper) or stream not in (sys.__stdout__, sys.__stderr__):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(Watched(descriptor, drops=drops)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering or stream.write_through,  # PYTHONUNBUFFERED
        write_through=stream.write_through,
    )


def _raw(stream: TextIO | None) -> Watched | None:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, Watched) else None
