"""What a list says of a run beyond its summary: when it began, how far it is, how much room it takes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import Holder, at_work
from ferbench.runs.summary import Summary

if TYPE_CHECKING:
    from ferbench.records.run import Run

#: The status of a run that says it is running while no process is at work on it.
ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Listed:
    """One run in a list.

    Attributes:
        summary: its status is ``abandoned`` where the record's is ``running`` and nobody is at work on it.
        holder: the process that is at work on it.
        started: ISO 8601, UTC.
        seconds: of training, over all sessions.
        epochs: trained.
        planned: epochs that the recipe asks for.
        bytes: on disk.
        test: macro-F1 on its own test set.
        validation: macro-F1 of the weights that were kept.
    """

    summary: Summary
    holder: Holder | None
    started: str | None
    seconds: float | None
    epochs: int | None
    planned: int | None
    bytes: int
    test: float | None
    validation: float | None


def with_state(results: Path, summary: Summary) -> Summary:
    """The summary with ``abandoned`` for a run that says it is running and is not."""
    if summary.status != "running" or at_work(RunDirectory(run_path(results, summary.run))) is not None:
        return summary
    return replace(summary, status=ABANDONED, reason="no process is at work on it any more")


def listed(results: Path, summary: Summary) -> Listed:
    """All that a list says of a run; what a damaged record does not say is None."""
    directory = RunDirectory(run_path(results, summary.run))
    try:
        record = directory.load()
    except UserError:
        record = None
    seconds, epochs = summary.seconds, summary.epochs
    if summary.status not in ("done", "damaged"):
        history = directory.epochs()
        epochs, seconds = len(history), sum(epoch.seconds or 0.0 for epoch in history)
    return Listed(
        summary=summary,
        holder=None if summary.status == ABANDONED else at_work(directory),
        started=None if record is None else record.started,
        seconds=seconds,
        epochs=epochs,
        planned=summary.settings.get("training.epochs"),
        bytes=size_of(directory.path),
        test=_macro_f1(record, "test"),
        validation=_macro_f1(record, "validation"),
    )


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


def _macro_f1(record: Run | None, split: str) -> float | None:
    """Of the run's own evaluation, the plain one where there are several."""
    own = {} if record is None else record.own_evaluations(split)
    return next(iter(own.values())).metrics.get("macro_f1") if own else None
