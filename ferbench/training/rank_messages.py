"""What a rank and the process that started it send each other."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ferbench.errors import UserError, is_out_of_memory, out_of_memory
from ferbench.experiment.start import Start
from ferbench.plugin.culprit import blame, named
from ferbench.records.epoch import Epoch
from ferbench.runs.lock import AtWork
from ferbench.training.loop import Observer
from ferbench.training.position import Position

#: Seconds between two batches that are reported.
_INTERVAL = 0.1


@dataclass(frozen=True)
class Setup:
    """To each rank, first: what to do, and as which of how many.

    Attributes:
        settings: the recipe as plain values.
        start: the weights that the run starts from; None: from scratch.
        reads_test: as `Plan` has it.
        training_id: that the plan must have again.
        results: the results directory.
        cache: where packs are.
        plugins: as ``--plugin`` names them.
        count: of all ranks.
        store: file where the ranks meet.
        micro_batch: samples at once, as an earlier attempt has shown; None: nothing is known.
    """

    settings: dict[str, Any]
    start: Start | None
    reads_test: bool
    training_id: str
    results: Path
    cache: Path
    plugins: list[str]
    count: int
    store: Path | None = None
    micro_batch: int | None = None


@dataclass(frozen=True)
class Progress:
    """From the first rank: a method of its observer was called.

    Attributes:
        method: of `Observer`; ``started`` when the run's first record is on disk.
        values: its arguments.
    """

    method: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Done:
    """A rank's last message: the run is done."""


@dataclass(frozen=True)
class Signalled:
    """A rank's last message: a signal has ended the run."""

    signal: int


@dataclass(frozen=True)
class MemoryFull:
    """A rank's last message: memory ran out with so many samples at once."""

    size: int


@dataclass(frozen=True)
class Failed:
    """A rank's last message, and passed on to the first rank.

    Attributes:
        message: what is wrong.
        remedy: of a `UserError`; None for any other exception.
        at_work: another process is at work on the run.
        trace: traceback of what is no `UserError`.
        lost: it only says that another rank is gone.
        rank: whose failure it is.
    """

    message: str
    remedy: str | None = None
    at_work: bool = False
    trace: str | None = None
    lost: bool = False
    rank: int = 0

    @classmethod
    def of(cls, error: BaseException, *, rank: int, lost: bool = False) -> Failed:
        """An exception as a message."""
        if isinstance(error, UserError):
            return cls(error.message, error.remedy, isinstance(error, AtWork), lost=lost, rank=rank)
        if is_out_of_memory(error):
            return cls.of(out_of_memory(error), rank=rank, lost=lost)
        error = blame(error)
        text = named(error) or traceback.format_exception_only(type(error), error)[0].strip()
        return cls(text, trace="".join(traceback.format_exception(error)), lost=lost, rank=rank)

    def exception(self, count: int) -> Exception:
        """The exception again, of one of ``count`` ranks."""
        if self.remedy is not None:
            return (AtWork if self.at_work else UserError)(self.message, self.remedy)
        return RankFailed(f"device {self.rank + 1} of {count}: {self.message}", self.trace)


#: How a rank may end.
Ending = Done | Signalled | MemoryFull | Failed
Message = Setup | Progress | Ending


def send(line: Connection, message: Message) -> None:
    """Send a message; where the other end is gone, nobody misses it."""
    with contextlib.suppress(OSError):
        line.send(message)


class RankFailed(Exception):
    """A rank has failed: where and why, with its traceback as a note where there is one."""

    def __init__(self, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        if trace:
            self.add_note(trace.rstrip())


class ReportingObserver(Observer):
    """In the first rank: passes on what an observer is called with.

    Args:
        line: to the process that has the observer.
    """

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._reported = 0.0
        self._send("started")

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        now = time.monotonic()
        if now - self._reported >= _INTERVAL or images == total:
            self._reported = now
            self._send("batch_done", epoch, images, total, loss)

    def epoch_ended(self, epoch: Epoch) -> None:
        self._send("epoch_ended", epoch)

    def resumed(self, at: Position) -> None:
        self._send("resumed", Position(epoch=at.epoch, batches=at.batches))

    def stopped(self, epoch: int, reason: str) -> None:
        self._send("stopped", epoch, reason)

    def _send(self, method: str, *values: Any) -> None:
        send(self._line, Progress(method, values))


@dataclass
class Relay:
    """Calls an observer as `ReportingObserver` was called.

    Attributes:
        make_observer: gives the observer when the run has started; called once, however often the ranks start.
    """

    make_observer: Callable[[], Observer]
    _observer: Observer | None = field(default=None)

    def pass_on(self, progress: Progress) -> None:
        """Call the observer."""
        observer = self._observer = self._observer or self.make_observer()
        if progress.method != "started":
            getattr(observer, progress.method)(*progress.values)
