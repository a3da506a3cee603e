"""What a list says of a run beyond its summary: when it began, how far it is, how much room it takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import Holder, at_work
from ferbench.runs.summary import Summary

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
        record = directory.read()
    except UserError:
        record = {}
    seconds, epochs = summary.seconds, summary.epochs
    if summary.status not in ("done", "damaged"):
        history = _history(directory)
        epochs = len(history)
        seconds = sum(one["seconds"] for one in history if isinstance(one.get("seconds"), (int, float)))
    return Listed(
        summary=summary,
        holder=None if summary.status == ABANDONED else at_work(directory),
        started=_text(record.get("started")),
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


def _history(directory: RunDirectory) -> list[dict[str, Any]]:
    try:
        return [one for one in directory.history() if isinstance(one, dict)]
    except (OSError, ValueError):
        return []


def _macro_f1(record: Mapping[str, Any], split: str) -> float | None:
    """Of the run's own evaluation, the plain one where there are several."""
    evaluations = record.get("evaluations")
    own = [
        one
        for one in (evaluations.values() if isinstance(evaluations, dict) else ())
        if isinstance(one, dict) and one.get("split") == split and "data" not in one
    ]
    own.sort(key=lambda one: str((one.get("options") or {}).get("tta", "none")) != "none")
    value = (own[0].get("metrics") or {}).get("macro_f1") if own else None
    return float(value) if isinstance(value, (int, float)) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
