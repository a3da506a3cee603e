"""What the process that conducts a study and the jobs of its workers tell each other: plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from ferbench.records.study import Ending
    from ferbench.tuning.space import Settings


class Job(TypedDict):
    """What a worker is to run."""

    trial: int | None
    """Its number; None for a run that is no trial."""
    settings: Settings
    """The recipe's raw settings."""
    test: bool
    """Read the test set at the end."""


class Progress(TypedDict):
    """Epochs that have ended: those before, of a run that goes on; else one, and the answer is whether to stop."""

    values: list[tuple[int, float]]
    """Epoch, from 1, and value of the objective; empty where it has none."""
    text: str
    """Which epoch of how many, for people."""


class JobEnded(TypedDict):
    """How a job ended."""

    ending: Ending
    """Of a trial."""
    values: list[float] | None
    """Of the objectives; None unless complete."""
    reason: str
    """Why it failed or was pruned."""
    run: str | None
    """Name of the run's directory; None when no run came of it."""
