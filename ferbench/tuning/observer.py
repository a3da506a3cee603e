"""What follows how a study goes: displays, and users' own code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from ferbench.plugin.discovery import warn_on_stderr

if TYPE_CHECKING:
    from ferbench.tuning.conductor import Conductor
    from ferbench.tuning.space import Chosen
    from ferbench.tuning.trials import OpenTrial, TrialResult


class StudyObserver:
    """Follows how a study goes; displays override what they care for."""

    def search_begins(self, trials: Sequence[FrozenTrial], target: int) -> None:
        """The study has these trials already, and shall have so many."""

    def trial_begins(self, trial: OpenTrial) -> None:
        """A worker begins a trial, or goes on with one."""

    def epoch_ended(self, trial: OpenTrial, text: str, value: float | None) -> None:
        """A trial has finished an epoch; ``text`` says which of how many."""

    def trial_ended(self, result: TrialResult, chosen: Chosen) -> None:
        """A trial has ended."""

    def note(self, line: str) -> None:
        """Something else that a person should know."""

    def waits(self, line: str) -> None:
        """Nothing goes on until something else does, which is said even where nothing else is."""
        warn_on_stderr(line)

    def trials_are(self, trials: Sequence[FrozenTrial]) -> None:
        """All trials that count, as the storage has them now: those of other hosts as well."""

    def repeating(self, done: int, of: int, at_work: Sequence[str]) -> None:
        """So many of the runs over seeds are done, and how far those are that workers are at."""

    def tick(self, conductor: Conductor) -> None:
        """Some time has passed."""

    def search_ended(self) -> None:
        """Nothing more will happen; called however the search ended."""
