"""How a study shows what it is doing: a live table in a terminal, one line a trial elsewhere, nothing if quiet."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Literal

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ferbench.cli.study_tables import chosen_text, value_text
from ferbench.tables.table import duration
from ferbench.tuning.conductor import Conductor
from ferbench.tuning.objectives import Objective, ranked
from ferbench.tuning.observer import StudyObserver
from ferbench.tuning.space import Chosen
from ferbench.tuning.trials import OpenTrial, TrialResult, is_open
from ferbench.wording import one_line

#: Ended trials that the live table keeps in sight.
_RECENT = 12

#: Columns that settings need to say anything.
_LEAST_SETTINGS = 12


class TrialProgress(StudyObserver):
    """Keeps count; this one shows lines.

    Args:
        objectives: of the study.
        workers: on this host.
        quiet: print nothing.
    """

    def __init__(self, objectives: Sequence[Objective], workers: int, *, quiet: bool) -> None:
        self.target = 0
        self.objectives = objectives
        self._workers = workers
        self._quiet = quiet
        self._started: dict[int, float] = {}
        self._took: list[float] = []
        self._ended: dict[int, Sequence[float] | None] = {}
        self._here: dict[int, Sequence[float] | None] = {}

    def search_begins(self, trials: Sequence[FrozenTrial], target: int) -> None:
        self.target = target
        self.trials_are(trials)
        if self._ended:
            self._print(f"going on with {len(self._ended)} of {target} trials done")

    @property
    def best(self) -> str:
        """The best so far as people read it."""
        complete = [(number, values) for number, values in self._ended.items() if values is not None]
        if not complete:
            return ""
        order = ranked(self.objectives, [values for _, values in complete])
        if len(self.objectives) > 1:
            return f"{len(order)} on the Pareto front"
        number, values = complete[order[0]]
        return f"best {self.objectives[0].name} {value_text(values[0])} of trial {number}"

    @property
    def count(self) -> str:
        """How many trials have ended, on any host."""
        return f"{len(self._ended)} of {self.target} trials"

    def seconds_left(self) -> float | None:
        """Seconds until the last trial has ended, if this host runs them all; None before one has ended here.

        A trial is taken to last as long as those before it did, and workers to share what is left of them.
        """
        if not self._took or len(self._ended) >= self.target:
            return None
        each, now = sum(self._took) / len(self._took), time.monotonic()
        at_work = [max(0.0, each - (now - started)) for started in self._started.values()]
        waiting = each * max(0, self.target - len(self._ended) - len(at_work))
        return max([*at_work, each if waiting else 0.0, (sum(at_work) + waiting) / self._workers])

    @property
    def left(self) -> str:
        """Time left as people read it."""
        seconds = self.seconds_left()
        return "" if seconds is None else f"about {duration(round(seconds))} left"

    def _count(self, result: TrialResult) -> None:
        """Count a trial that has ended here."""
        self._here[result.trial] = self._ended[result.trial] = result.values
        started = self._started.pop(result.trial, None)
        if started is not None:
            self._took.append(time.monotonic() - started)

    def trials_are(self, trials: Sequence[FrozenTrial]) -> None:
        there = {trial.number for trial in trials}  # without those that stand under another number now
        self._ended = {number: values for number, values in self._here.items() if number in there}
        for trial in trials:
            if not is_open(trial):
                self._ended[trial.number] = trial.values if trial.state is TrialState.COMPLETE else None

    def tick(self, conductor: Conductor) -> None:
        for number in set(self._started) - {trial.number for trial in conductor.working.values()}:
            del self._started[number]  # its worker died, or another host had its result first

    def trial_ended(self, result: TrialResult, chosen: Chosen) -> None:
        self._count(result)
        numbers = ", ".join(
            f"{objective.name} {value_text(value)}"
            for objective, value in zip(self.objectives, result.values or (), strict=False)
        )
        parts = [
            f"trial {result.trial} {result.ending}",
            numbers or one_line(result.reason),
            chosen_text(chosen),
            duration(round(result.seconds)),
            f"{len(self._ended)}/{self.target}",
            self.best,
            self.left,
        ]
        self._print("  ".join(part for part in parts if part))

    def trial_begins(self, trial: OpenTrial) -> None:
        self._started[trial.number] = time.monotonic()
        if trial.attempt > 1:
            self._print(f"trial {trial.number} goes on (attempt {trial.attempt})")

    def note(self, line: str) -> None:
        self._print(one_line(line))

    def waits(self, line: str) -> None:
        if self._quiet:
            super().waits(one_line(line))
        else:
            self.note(line)

    def _print(self, line: str) -> None:
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)


class LiveTrials(TrialProgress):
    """A table of the trials at work and those that ended last, for a terminal."""

    def __init__(self, objectives: Sequence[Objective], workers: int) -> None:
        super().__init__(objectives, workers, quiet=False)
        self._console = Console(stderr=True, highlight=False)
        self._running: dict[int, tuple[OpenTrial, str, float | None]] = {}
        self._repeats = ""
        self._recent: deque[tuple[TrialResult, Chosen]] = deque(maxlen=_RECENT)
        self._live = Live(self, console=self._console, refresh_per_second=2, transient=True)

    def search_begins(self, trials: Sequence[FrozenTrial], target: int) -> None:
        super().search_begins(trials, target)
        self._live.start()

    def search_ended(self) -> None:
        if self._live.is_started:
            self._live.stop()
            self._console.print(Text(self._headline()))

    def trial_begins(self, trial: OpenTrial) -> None:
        super().trial_begins(trial)
        self._running[trial.number] = (trial, "", None)

    def epoch_ended(self, trial: OpenTrial, text: str, value: float | None) -> None:
        self._running[trial.number] = (trial, text, value)

    def trial_ended(self, result: TrialResult, chosen: Chosen) -> None:
        self._running.pop(result.trial, None)
        self._recent.append((result, chosen))
        if result.ending == "failed":
            self._print(f"trial {result.trial} failed: {one_line(result.reason)}")
        self._count(result)

    def repeating(self, done: int, of: int, at_work: Sequence[str]) -> None:
        self._repeats = " · ".join([f"{done} of {of} runs tested", *at_work]) if done < of else ""

    def tick(self, conductor: Conductor) -> None:
        super().tick(conductor)
        self._running = {number: running for number, running in self._running.items() if number in self._started}

    def __rich__(self) -> RenderableType:
        rows = [*self._ended_rows(), *self._running_rows()]
        headline = Text(self._headline(), style="bold")
        if not rows:
            return headline
        columns = ("trial", "state", "epoch", *(objective.name for objective in self.objectives), "time")
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        used = 0
        for i, column in enumerate(columns):
            wide = max(len(column), *(len(cells[i]) for cells, _ in rows))
            used += wide + 2
            align: Literal["left", "right"] = "left" if column == "state" else "right"
            table.add_column(column, no_wrap=True, min_width=wide, justify=align)
        room = self._console.width - used
        if room >= _LEAST_SETTINGS:  # a narrow terminal has the numbers whole
            table.add_column("settings", no_wrap=True)
        for cells, style in rows:
            settings = Text(cells[-1])
            settings.truncate(room, overflow="ellipsis")
            kept = [*map(Text, cells[:-1]), *([settings] if room >= _LEAST_SETTINGS else [])]
            table.add_row(*kept, style=style)
        return Group(table, headline)

    def _ended_rows(self) -> Iterator[tuple[list[str], str]]:
        """(cells, style) of the trials that ended last, as many as there is room for."""
        room = max(3, self._console.height - len(self._running) - 4)
        for result, chosen in list(self._recent)[-room:]:
            values = [value_text(value) for value in result.values or ()] or [""] * len(self.objectives)
            style = {"complete": "", "pruned": "dim", "failed": "red"}[result.ending]
            cells = [
                str(result.trial),
                result.ending,
                "",
                *values,
                duration(round(result.seconds)),
                chosen_text(chosen),
            ]
            yield cells, style

    def _running_rows(self) -> Iterator[tuple[list[str], str]]:
        now = time.monotonic()
        for trial, text, value in self._running.values():
            values = [value_text(value), *[""] * (len(self.objectives) - 1)]
            spent = duration(round(now - self._started.get(trial.number, now)))
            cells = [str(trial.number), "running", text, *values, spent, chosen_text(trial.chosen)]
            yield cells, "bold"

    def _headline(self) -> str:
        begun = self._running or self._recent or len(self._ended) >= self.target
        parts = [self.count, "" if begun else "the workers are starting", self.best, self.left, self._repeats]
        return " · ".join(part for part in parts if part)

    def _print(self, line: str) -> None:
        self._console.print(Text(line))
