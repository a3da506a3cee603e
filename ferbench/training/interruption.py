"""Signals that end a run: while it trains and validates they wait for the end of a batch, elsewhere they act at once.

Only Ctrl-C insists: a SIGINT that follows any signal acts at once, but where the end of a run is being written. Whoever
sends the others sends them more than once (Slurm to each step of a job and again at its end, ``timeout`` to a process
and to its group), and means one request.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

#: Ctrl-C, the end of a job, what schedulers send ahead of it (Slurm's --signal, submitit), and a closed terminal.
_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP")


def numbers() -> list[int]:
    """The signals that end a run in this process: not SIGHUP where ``nohup`` has it ignored."""
    known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [n for n in known if n.name != "SIGHUP" or signal.getsignal(n) is not signal.SIG_IGN]


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to end; everything that had to be saved is saved.

    Attributes:
        signal: its number; a shell sees 128 more as the exit code.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.signal = number


class Interruption:
    """Receives signals while it is entered.

    Attributes:
        pending: the first signal that came, else None.
    """

    def __init__(self) -> None:
        self.pending: int | None = None
        self._waiting = False
        self._writing = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[Interruption]:
        """Handle the signals in this block; only the main thread can, elsewhere nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before: dict[int, Any] = {number: signal.signal(number, self._receive) for number in numbers()}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """In this block a first signal only sets ``pending``; whoever is in it looks there."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False
        if self.pending is not None:
            raise Interrupted(self.pending)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """In this block, which is short, no signal acts: how a run ended is written, or it would seem to go on."""
        self._writing = True
        try:
            yield
        finally:
            self._writing = False

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        first = self.pending is None
        if first:
            self.pending = number
        if self._writing:
            return
        if not self._waiting if first else number == signal.SIGINT:
            raise Interrupted(number)
