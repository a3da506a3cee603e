"""What a rank tells the process that started it, and what becomes of that there."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ferbench.errors import UserError
from ferbench.link import Link, Message
from ferbench.plugin.culprit import blame, named
from ferbench.runs.lock import AtWork
from ferbench.training.loop import Observer, Position

#: Seconds between two batches that are told.
_INTERVAL = 0.1


class RankFailed(Exception):
    """A rank has failed: where and why, with its traceback as a note where there is one."""

    def __init__(self, message: str, trace: str | None = None) -> None:
        super().__init__(message)
        if trace:
            self.add_note(trace.rstrip())


def failure(error: BaseException, *, lost: bool = False) -> Message:
    """An exception as a message; ``lost``: it only says that another rank is gone."""
    if isinstance(error, UserError):
        at_work = isinstance(error, AtWork)
        return {"type": "failed", "message": error.message, "remedy": error.remedy, "at_work": at_work, "lost": lost}
    error = blame(error)
    text = named(error) or traceback.format_exception_only(type(error), error)[0].strip()
    trace = "".join(traceback.format_exception(error))
    return {"type": "failed", "message": text, "remedy": None, "trace": trace, "lost": lost}


def raised(message: Message, rank: int, count: int) -> Exception:
    """The exception of a `failure`."""
    if message["remedy"] is not None:
        return (AtWork if message["at_work"] else UserError)(message["message"], message["remedy"])
    return RankFailed(f"device {rank + 1} of {count}: {message['message']}", message.get("trace"))


class Reported(Observer):
    """In the first rank: passes on what an observer hears.

    Args:
        link: to the process that has the observer.
        record: the run's first record.
    """

    def __init__(self, link: Link, record: dict[str, Any]) -> None:
        self._link = link
        self._told = 0.0
        link.send({"type": "record", "record": record})

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        now = time.monotonic()
        if now - self._told >= _INTERVAL or images == total:
            self._told = now
            self._link.send({"type": "batch", "said": [epoch, images, total, loss]})

    def epoch_ended(self, record: dict[str, Any]) -> None:
        self._link.send({"type": "epoch", "record": record})

    def resumed(self, at: Position) -> None:
        self._link.send({"type": "resumed", "epoch": at.epoch, "batches": at.batches})

    def stopped(self, epoch: int, reason: str) -> None:
        self._link.send({"type": "stopped", "said": [epoch, reason]})


@dataclass
class Audience:
    """Lets an observer hear what `Reported` passes on.

    Attributes:
        observer_for: gives the observer for a run's first record; asked once, however often the ranks start.
    """

    observer_for: Callable[[dict[str, Any]], Observer]
    _observer: Observer | None = field(default=None)

    def hear(self, message: Message) -> None:
        """Pass a message on, if it is one of those."""
        kind = message["type"]
        if kind == "record":
            self._observer = self._observer or self.observer_for(message["record"])
            return
        if self._observer is None:
            return
        if kind == "batch":
            self._observer.batch_done(*message["said"])
        elif kind == "epoch":
            self._observer.epoch_ended(message["record"])
        elif kind == "resumed":
            self._observer.resumed(Position(epoch=message["epoch"], batches=message["batches"]))
        elif kind == "stopped":
            self._observer.stopped(*message["said"])
