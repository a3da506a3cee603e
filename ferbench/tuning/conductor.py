"""A study under way on one host: trials to workers, what comes of them to the storage, and nothing lost in between."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from optuna.trial import FrozenTrial

from ferbench import startup
from ferbench.errors import UserError
from ferbench.plugin.discovery import warn_on_stderr
from ferbench.records.study import TrialResult
from ferbench.training.interruption import Interruption
from ferbench.tuning.database import AWAY, cause_of, refuse_lasting
from ferbench.tuning.messages import EpochEnded, Interrupted, Job, JobEnded, Message, PastEpochs, Verdict, send
from ferbench.tuning.pending import PendingResults
from ferbench.tuning.space import Chosen, Space
from ferbench.tuning.trials import MOST_ATTEMPTS, OpenTrial, Trials
from ferbench.tuning.workers import Worker, Workers

_Result = TypeVar("_Result")

#: Seconds between two attempts to reach a storage that is away: first, and at most.
_RETRY = (0.5, 5.0)

#: Seconds between two times that a storage is said to be away.
_SAID_EVERY = 60.0

#: Seconds that workers get to save their runs when the study is interrupted.
FAREWELL = 60.0

#: When so many trials have failed and not one has done anything else, the recipe is at fault.
_MOST_FAILED = 5


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

    def ended_elsewhere(self, trials: Sequence[FrozenTrial]) -> None:
        """Trials of the study that have ended, though not in this process; each may come many times."""

    def repeating(self, done: int, of: int, at_work: Sequence[str]) -> None:
        """So many of the runs over seeds are done, and how far those are that workers are at."""

    def tick(self, conductor: Conductor) -> None:
        """Some time has passed."""

    def search_ended(self) -> None:
        """Nothing more will happen; called however the search ended."""


@dataclass
class Conductor:
    """The parent's loop.

    Attributes:
        trials: of the study.
        space: what a new trial chooses from.
        workers: that trials are given to.
        pending: results that the storage does not have yet, on disk.
        target: trials that the study shall have in all.
        observer: follows everything.
        interruption: signals.
        grace: as `Trials` has it.
        working: trials by worker.
        again: trials that wait for a worker to go on with them.
        unrecorded: results that the storage does not have yet, by trial.
        ended_here: numbers of trials.
        away_since: when the storage was last seen, while it is away.
    """

    trials: Trials
    space: Space
    workers: Workers
    pending: PendingResults
    target: int
    observer: StudyObserver
    interruption: Interruption
    grace: float = 60.0
    working: dict[int, OpenTrial] = field(default_factory=dict)
    again: list[OpenTrial] = field(default_factory=list)
    unrecorded: dict[int, TrialResult] = field(default_factory=dict)
    ended_here: set[int] = field(default_factory=set)
    away_since: float | None = None
    _said_at: float = 0.0
    _retry_at: float = 0.0
    _retry_in: float = _RETRY[0]
    _beat_at: float = 0.0
    _look_at: float = 0.0
    _open: int = 1
    _failed: int = 0
    _succeeded: int = 0
    _last_reason: str = ""

    def run(self) -> None:
        """Work until the study has its trials, or until a signal comes.

        Raises:
            Interrupted: a signal came; the workers have ended, and their trials wait to be resumed.
            UserError: the workers cannot work, or nothing but failures came of the first trials.
        """
        startup.done()
        self.unrecorded = {result.trial: result for result in self.pending.waiting()}
        try:
            with self.interruption.waiting():
                while not self._is_over():
                    self._turn()
                    if self.interruption.pending is not None:
                        self._stop()
                        break
                    if self._failed >= _MOST_FAILED and not self._succeeded:
                        self._stop()
                        raise UserError(
                            f"the first {self._failed} trials have all failed", f"the last one: {self._last_reason}"
                        )
        except BaseException:
            self.workers.kill()
            raise

    def _is_over(self) -> bool:
        """Whether every trial of the study has ended, here and on other hosts, and the storage has it."""
        return self._open == 0 and not (self.working or self.again or self.unrecorded)

    def _turn(self) -> None:
        self._record()
        self._keep_alive()
        self._assign()
        pause = 0.5 if self.workers.idle() and not self.away_since else 1.0
        for worker, message in self.workers.wait(pause):
            self._handle(worker, message)
        self.observer.tick(self)

    def _handle(self, worker: Worker, message: Message | None, *, stopping: bool = False) -> None:
        trial = self.working.get(worker.index)
        if trial is None:
            return
        match message:
            case None:
                del self.working[worker.index]
                if stopping:
                    self.again.append(trial)
                else:
                    self._died(trial, worker)
            case PastEpochs(values):
                for epoch, value in values:
                    self._report(trial, epoch, value)
            case EpochEnded(epoch, value, text):
                prune = value is not None and self._report(trial, epoch, value)
                send(worker.link, Verdict(prune and not stopping))
                self.observer.epoch_ended(trial, text, value)
            case Interrupted():
                del self.working[worker.index]
                self.again.append(trial)
            case JobEnded():
                del self.working[worker.index]
                self._ended(trial, message)

    def _report(self, trial: OpenTrial, epoch: int, value: float) -> bool:
        trial.values[epoch] = value
        return bool(self._try(lambda: self.trials.report(trial, epoch, value)))

    def _died(self, trial: OpenTrial, worker: Worker) -> None:
        code = worker.process.returncode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if trial.attempt >= MOST_ATTEMPTS:
            reason = f"its worker died {trial.attempt} times ({how}); see {worker.log}"
            self._ended(trial, JobEnded("failed", reason=reason))
            return
        memory = ", as where memory runs out" if code == -signal.SIGKILL else ""
        self.observer.note(f"the worker of trial {trial.number} died ({how}){memory}; another goes on with it")
        trial.attempt += 1
        self.again.append(trial)

    def _ended(self, trial: OpenTrial, ended: JobEnded) -> None:
        epochs = sorted(trial.values.items())
        result = TrialResult(trial=trial.number, **vars(ended), epochs=epochs, chosen=trial.chosen)
        self.pending.put(result)
        self.unrecorded[result.trial] = result
        self.ended_here.add(result.trial)
        if result.ending == "failed":
            self._failed += 1
            self._last_reason = result.reason
        else:
            self._succeeded += 1
        self._look_at = 0.0  # it may have been the last
        self._record()
        self.observer.trial_ended(result, trial.chosen)

    def _record(self) -> None:
        for result in list(self.unrecorded.values()):
            if self._try(lambda result=result: self.trials.tell(result)) is None:  # type: ignore[misc]
                return
            del self.unrecorded[result.trial]
            self.pending.drop(result.trial)

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now < self._beat_at:
            return
        active = self._active()

        def look() -> list[int]:
            self.trials.beat(active)
            self._count()
            return self.trials.take_over()

        taken = self._try(look)
        if taken is not None:
            self._beat_at = now + self.grace / 4
            for number in taken:
                self.observer.note(f"the host of trial {number} is silent; the trial waits for another worker")

    def _active(self) -> list[int]:
        return [*(trial.number for trial in (*self.working.values(), *self.again)), *self.unrecorded]

    def _assign(self) -> None:
        for worker in self.workers.idle():
            trial = self.again.pop(0) if self.again else self._try(self._ask)
            if not isinstance(trial, OpenTrial):
                return
            if self._try(lambda trial=trial: self.trials.begun(trial)) is False:  # type: ignore[misc]
                continue
            self.working[worker.index] = trial
            self.workers.give(worker, Job(trial.number, self.space.settings(trial.chosen)))
            self.observer.trial_begins(trial)

    def _ask(self) -> OpenTrial | int:
        """A trial; when there is none, how many trials of the study have not ended yet."""
        if time.monotonic() < self._look_at:  # nothing to do here as others finish: no need to ask again at once
            return self._open
        trial = self.trials.ask(self.space.suggest, self.target, self._active())
        if trial is not None:
            self._open = 1
            return trial
        self._open = self._count()
        self._look_at = time.monotonic() + min(1.0, self.grace / 4)
        return self._open

    def _count(self) -> int:
        """How many trials have not ended yet, wherever they are; those that ended elsewhere are shown."""
        trials = self.trials.all()
        ended = [trial for trial in trials if trial.state.is_finished()]
        self.observer.ended_elsewhere([trial for trial in ended if trial.number not in self.ended_here])
        return len(trials) - len(ended)

    def _try(self, act: Callable[[], _Result]) -> _Result | None:
        """What ``act`` gives; None while the storage is away."""
        now = time.monotonic()
        if now < self._retry_at:
            return None
        try:
            result = act()
        except (*AWAY, KeyError) as error:
            refuse_lasting(error, self.trials.storage.shown)
            if self.away_since is None:
                self.away_since = self._said_at = now
                self.observer.waits(f"{self._storage} does not answer; results wait on disk ({cause_of(error)})")
            elif now - self._said_at >= _SAID_EVERY:
                self._said_at = now
                waited = now - self.away_since
                self.observer.waits(f"{self._storage} has not answered for {waited:.0f} s ({cause_of(error)})")
            self.trials.lost_sight()
            self._retry_at = now + self._retry_in
            self._retry_in = min(2 * self._retry_in, _RETRY[1])
            return None
        if self.away_since is not None:
            self.observer.waits(f"{self._storage} answers again after {now - self.away_since:.0f} s")
            self.away_since, self._retry_at, self._retry_in = None, 0.0, _RETRY[0]
            self._beat_at = 0.0
        return result

    @property
    def _storage(self) -> str:
        return f"the storage '{self.trials.storage.shown}'"

    def _stop(self) -> None:
        """End the workers and leave every trial so that anybody can go on with it."""
        for worker, message in self.workers.stop(FAREWELL):
            self._handle(worker, message, stopping=True)
        self.again += self.working.values()
        self.working.clear()
        self._record()
        for trial in self.again:
            self._try(lambda trial=trial: self.trials.put_back(trial.number))  # type: ignore[misc]
        self.again.clear()
