"""What a rank and the process that started it send each other."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ferbench.errors import UserError
from ferbench.link import Link
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
        start: fields of the `Start`, with the path of its directory; None: from scratch.
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
    start: dict[str, Any] | None
    reads_test: bool
    training_id: str
    results: str
    cache: str
    plugins: list[str]
    count: int
    store: str = ""
    micro_batch: int | None = None


@dataclass(frozen=True)
class Progress:
    """From the first rank: a method of its observer was called.

    Attributes:
        method: of `Observer`; ``started`` when the run's first record is on disk.
        values: its arguments as plain values.
    """

    method: str
    values: list[Any]


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

_TYPES: dict[str, Callable[..., Message]] = {
    kind.__name__: kind for kind in (Setup, Progress, Done, Signalled, MemoryFull, Failed)
}


def to_plain(message: Message) -> dict[str, Any]:
    """A message as a `Link` sends it."""
    return {"type": type(message).__name__, **dataclasses.asdict(message)}


def from_plain(content: dict[str, Any]) -> Message:
    """The message that `to_plain` was given."""
    return _TYPES[content.pop("type")](**content)


class RankFailed(Exception):
    """A rank has failed: where and why, with its traceback as a note where there is one."""

    def __init__(self, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        if trace:
            self.add_note(trace.rstrip())


class ReportingObserver(Observer):
    """In the first rank: passes on what an observer is called with.

    Args:
        link: to the process that has the observer.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._reported = 0.0
        self._send("started")

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        now = time.monotonic()
        if now - self._reported >= _INTERVAL or images == total:
            self._reported = now
            self._send("batch_done", epoch, images, total, loss)

    def epoch_ended(self, epoch: Epoch) -> None:
        self._send("epoch_ended", epoch.plain())

    def resumed(self, at: Position) -> None:
        self._send("resumed", at.epoch, at.batches)

    def stopped(self, epoch: int, reason: str) -> None:
        self._send("stopped", epoch, reason)

    def _send(self, method: str, *values: Any) -> None:
        self._link.send(to_plain(Progress(method, list(values))))


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
        match progress.method, progress.values:
            case "batch_done", values:
                observer.batch_done(*values)
            case "epoch_ended", [epoch]:
                observer.epoch_ended(Epoch.model_validate(epoch))
            case "resumed", [epoch, batches]:
                observer.resumed(Position(epoch=epoch, batches=batches))
            case "stopped", values:
                observer.stopped(*values)
