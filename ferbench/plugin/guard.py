"""Other people's code, kept apart while it is imported or builds something.

What it prints is no result, what it raises ends no program, and where it takes long it is named.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ferbench.display import named_if_long, warn

#: Seconds after which what is still at work is named.
PATIENCE = 10.0

#: What ends this process at once; `os._exit` itself may be `checked_exits`' own.
leave = os._exit

#: Components that were waited for in vain, which this command does not wait for again.
silent: set[str] = set()

#: Threads that others have begun and that would keep the process from ending, by what they were begun in.
_begun: dict[threading.Thread, str] = {}

_inside = threading.local()


@contextlib.contextmanager
def apart(what: str, remedy: str = "") -> Iterator[None]:
    """In this block other people's code runs.

    Args:
        what: it does, such as ``plugin 'arc' (arc-margin 0.2.0) is still being imported``; empty: that is not said.
        remedy: how to do without it.

    Raises:
        SystemExit: it ended the program, also by `os._exit` or `os.abort` within `checked_exits`.
        RuntimeError: it raised a `KeyboardInterrupt` of its own. That of a real Ctrl-C stays one.
    """
    late = named_if_long(f"{what} after {PATIENCE:.0f} s{remedy and f'; {remedy}'}", PATIENCE)
    threads = set(threading.enumerate())
    before, _inside.depth = getattr(_inside, "depth", 0), getattr(_inside, "depth", 0) + 1
    try:
        with late if what else contextlib.nullcontext(), _crashes(), _open_streams(), _interrupts() as came:
            try:
                yield
            except KeyboardInterrupt as error:
                if came or type(error) is not KeyboardInterrupt:
                    raise
                raise RuntimeError("it raises KeyboardInterrupt, and nobody pressed Ctrl-C") from error
    finally:
        _inside.depth = before
        for thread in set(threading.enumerate()) - threads:
            if not thread.daemon and what:
                _begun[thread] = what.partition(" is still ")[0]


def keep_from_exiting() -> None:
    """From now on `os._exit` raises in this thread, which has other people's code alone, within `checked_exits`."""
    _inside.depth = getattr(_inside, "depth", 0) + 1


@contextlib.contextmanager
def checked_exits() -> Iterator[None]:
    """In this block `os._exit` and `os.abort`, after which nobody can say anything, are no end without a word."""
    process = os.getpid()
    modules = [sys.modules[name] for name in ("os", "posix", "nt") if name in sys.modules]  # which have them under it

    def checked(name: str, original: Callable[..., Any]) -> Callable[..., None]:
        def end(*code: Any) -> None:
            call = f"os.{name}({', '.join(map(repr, code))})"
            if os.getpid() == process:  # else a fork of it, which ends like that
                if getattr(_inside, "depth", 0):
                    raise SystemExit(*code or (call,))
                caller = sys._getframe(1)
                where = f"{caller.f_code.co_filename}:{caller.f_lineno}"
                warn(f"{where} ends the program with {call}: what was to follow is not done")
                code = tuple(each or 1 for each in code)
            original(*code)

        return end

    originals: dict[str, Callable[..., Any]] = {"_exit": leave, "abort": os.abort}
    replaced = {name: checked(name, original) for name, original in originals.items()}
    for module in modules:
        vars(module).update(replaced)
    try:
        yield
    finally:
        for module in modules:
            vars(module).update(originals)


def unended() -> str:
    """Whose threads keep this process from ending; empty where none does."""
    return ", ".join(dict.fromkeys(whose for thread, whose in _begun.items() if thread.is_alive()))


def name_unended(seconds: float, rest: float) -> None:
    """Name whoever `unended` does after that time: until then threads may end by themselves, and those of executors do
    as the interpreter ends.

    Args:
        seconds: that they have for that.
        rest: seconds from then until this process ends in any case.
    """

    def name() -> None:
        if whose := unended():
            warn(f"{whose} left a thread that does not end; this command ends without it in {rest:.0f} s")

    late = threading.Timer(seconds, name)
    late.daemon = True
    late.start()


def end_within(seconds: float, code: int) -> None:
    """End this process with that code even if something in it does not let it end."""
    late = threading.Timer(seconds, leave, [code])
    late.daemon = True
    late.start()


@contextlib.contextmanager
def _crashes() -> Iterator[None]:
    """Where code in C ends the process, Python at least prints which line called it."""
    if faulthandler.is_enabled():
        yield
        return
    with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):  # stderr is closed, or no file
        faulthandler.enable(all_threads=False)
    try:
        yield
    finally:
        faulthandler.disable()


@contextlib.contextmanager
def _open_streams() -> Iterator[None]:
    """What goes to stdout goes to stderr, also for those who know it by its other name; neither can be closed."""
    stdout, other, stderr = sys.stdout, sys.__stdout__, sys.stderr
    shielded: Any = _Unclosed(stderr)
    sys.stdout = sys.__stdout__ = sys.stderr = shielded  # type: ignore[misc]
    try:
        yield
    finally:
        # What the code has put there in its place may write to what was there meanwhile, where no results belong.
        sys.stdout = stdout
        # Unless the code has put one of its own there, which is to stay.
        sys.stderr = stderr if sys.stderr is shielded else sys.stderr
        sys.__stdout__ = other  # type: ignore[misc]


class _Unclosed:
    """A stream of ours as others see it: `close` and `detach` leave it open.

    Args:
        stream: all else is its.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        return _Unclosed(found) if name in ("buffer", "raw") else found

    def __iter__(self) -> Iterator[Any]:
        return iter(self._stream)

    def __enter__(self) -> _Unclosed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing more is to come from whoever closes it."""
        self._stream.flush()

    def detach(self) -> Any:
        """What lies below, which the caller may close."""
        return _Unclosed(self._stream.buffer)


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
