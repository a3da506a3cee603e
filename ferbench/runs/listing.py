"""What a list says of a run beyond its summary: when it began, how far it is, how much room it takes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.errors import UserError
from ferbench.holder import Holder
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import at_work
from ferbench.runs.summary import DAMAGED, Summary

if TYPE_CHECKING:
    from ferbench.records.run import Run

#: The status of a run that says it is running while no process is at work on it.
ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Listed:
    """One run in a list.

    Attributes:
        summary: its status is ``abandoned`` where the record's is ``running`` and nobody is at work on it.
        record: None where it is damaged.
        holder: the process that is at work on it.
        seconds: of training, over all sessions.
        epochs: trained.
        bytes: on disk.
    """

    summary: Summary
    record: Run | None
    holder: Holder | None
    seconds: float | None
    epochs: int | None
    bytes: int

    @property
    def started(self) -> str | None:
        """ISO 8601, UTC."""
        return None if self.record is None else self.record.started

    def macro_f1(self, split: str) -> float | None:
        """Of the run's own evaluation, the plain one where there are several."""
        own = {} if self.record is None else self.record.own_evaluations(split)
        return next(iter(own.values())).metrics.get("macro_f1") if own else None


def with_state(results: Path, summary: Summary) -> Summary:
    """The summary with ``abandoned`` for a run that says it is running and is not."""
    if summary.status != "running" or at_work(RunDirectory(run_path(results, summary.run))) is not None:
        return summary
    return replace(summary, status=ABANDONED, reason="no process is at work on it any more")


def listed(results: Path, summary: Summary) -> Listed:
    """All that a list says of a run."""
    directory = RunDirectory(run_path(results, summary.run))
    try:
        record = directory.load()
    except UserError:
        record = None
    seconds, epochs = summary.seconds, summary.epochs
    if summary.status not in ("done", "damaged"):
        try:
            history = directory.epochs()
            epochs, seconds = len(history), sum(epoch.seconds or 0.0 for epoch in history)
        except UserError as error:
            summary = replace(summary, status=DAMAGED, reason=error.message)
    holder = None if summary.status == ABANDONED else at_work(directory)
    return Listed(summary, record, holder, seconds, epochs, size_of(directory.path))


def size_of(path: Path) -> int:
    """Bytes of all files below a directory; what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(f"{parent}/{name}").st_size
            except OSError:
                continue
    return total
