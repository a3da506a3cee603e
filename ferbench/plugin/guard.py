"""Other people's code, kept apart while it is imported or builds something.

What it prints is no result, what it raises ends no program, and where it takes long it is named.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

#: Seconds after which what is still at work is named.
PATIENCE = 10.0

#: What ends this process at once; `os._exit` itself may be `checked_exits`' own.
leave = os._exit

_inside = threading.local()


@contextlib.contextmanager
def apart(what: str, remedy: str = "") -> Iterator[None]:
    """In this block other people's code runs.

    Args:
        what: it does, such as ``plugin 'arc' (arc-margin 0.2.0) is still being imported``; empty: that is not said.
        remedy: how to do without it.

    Raises:
        SystemExit: it ended the program, also by `os._exit` within `checked_exits`.
        RuntimeError: it raised a `KeyboardInterrupt` of its own. That of a real Ctrl-C stays one.
    """
    late = threading.Timer(PATIENCE, _name, [f"{what} after {PATIENCE:.0f} s{remedy and f'; {remedy}'}"])
    late.daemon = True
    if what:
        late.start()
    before, _inside.depth = getattr(_inside, "depth", 0), getattr(_inside, "depth", 0) + 1
    try:
        with _stdout_as_stderr(), _interrupts() as came:
            try:
                yield
            except KeyboardInterrupt as error:
                if came or type(error) is not KeyboardInterrupt:
                    raise
                raise RuntimeError("it raises KeyboardInterrupt, and nobody pressed Ctrl-C") from error
    finally:
        _inside.depth = before
        late.cancel()


def keep_from_exiting() -> None:
    """From now on `os._exit` raises in this thread, which has other people's code alone, within `checked_exits`."""
    _inside.depth = getattr(_inside, "depth", 0) + 1


@contextlib.contextmanager
def checked_exits() -> Iterator[None]:
    """In this block `os._exit`, after which nobody can say anything, is no success without a word."""
    process = os.getpid()

    def exit_at_once(code: int) -> None:
        if os.getpid() == process:  # else a fork of it, which ends like that
            if getattr(_inside, "depth", 0):
                raise SystemExit(code)
            caller = sys._getframe(1)
            where = f"{caller.f_code.co_filename}:{caller.f_lineno}"
            _name(f"{where} ends the program with os._exit({code}): what was to follow is not done")
            code = code or 1
        leave(code)

    os._exit = exit_at_once  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave


def end_within(seconds: float, code: int) -> None:
    """End this process with that code even if something in it does not let it end."""
    late = threading.Timer(seconds, leave, [code])
    late.daemon = True
    late.start()


def _name(line: str) -> None:
    """Say something though stderr may be redirected meanwhile, as by completion."""
    from ferbench.wording import one_line

    with contextlib.suppress(OSError, ValueError):
        print(f"warning: {one_line(line)}", file=sys.__stderr__ or sys.stderr, flush=True)


@contextlib.contextmanager
def _stdout_as_stderr() -> Iterator[None]:
    """Also for those who know stdout by its other name."""
    original = sys.__stdout__
    with contextlib.redirect_stdout(sys.stderr):
        sys.__stdout__ = sys.stderr  # type: ignore[assignment,misc]
        try:
            yield
        finally:
            sys.__stdout__ = original  # type: ignore[misc]


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """The signals that have come in this block and may have raised a `KeyboardInterrupt`."""
    import signal

    came: list[int] = []
    handlers: dict[int, Any] = {}

    def noting(number: int, frame: FrameType | None) -> None:
        came.append(number)
        handlers[number](number, frame)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):
                handlers[number] = handler
                signal.signal(number, noting)
    try:
        yield came
    finally:
        for own, handler in handlers.items():
            if signal.getsignal(own) is noting:  # else the code has put one of its own there
                signal.signal(own, handler)
