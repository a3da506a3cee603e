"""A study under way on one host: trials to workers, what comes of them to the storage, and nothing lost in between."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from ferbench import startup
from ferbench.errors import UserError
from ferbench.processes.workers import Event, Workers
from ferbench.training.interruption import Interruption
from ferbench.tuning.database import AWAY, cause_of, refuse_lasting
from ferbench.tuning.messages import Job, JobEnded, Progress
from ferbench.tuning.observer import StudyObserver
from ferbench.tuning.space import Space
from ferbench.tuning.trials import MOST_ATTEMPTS, OpenTrial, TrialResult, Trials, is_open

_Result = TypeVar("_Result")

#: Seconds between two attempts to reach a storage that is away, and between two times that this is said.
_RETRY, _SAID_EVERY = 2.0, 60.0

#: Seconds that workers get to save their runs when the study is interrupted.
FAREWELL = 60.0

#: When so many trials have failed and not one has done anything else, the recipe is at fault.
_MOST_FAILED = 5


@dataclass
class Conductor:
    """The parent's loop.

    Attributes:
        trials: of the study.
        space: what a new trial chooses from.
        workers: that trials are given to.
        target: trials that the study shall have in all.
        observer: follows everything.
        interruption: signals.
        working: trials by worker.
        untold: results that the storage does not have yet; the directories of their runs have them too.
        results: of the trials that ended here.
        away_since: when the storage was last seen, while it is away.
    """

    trials: Trials
    space: Space
    workers: Workers
    target: int
    observer: StudyObserver
    interruption: Interruption
    working: dict[int, OpenTrial] = field(default_factory=dict)
    untold: list[TrialResult] = field(default_factory=list)
    results: list[TrialResult] = field(default_factory=list)
    away_since: float | None = None
    _said_at: float = 0.0
    _retry_at: float = 0.0
    _recover_at: float = 0.0
    _ask_at: float = 0.0
    _open: int = 1

    def run(self) -> None:
        """Work until the study has its trials, or until a signal comes.

        Raises:
            Interrupted: a signal came; the workers have ended, and their trials wait to be resumed.
            UserError: the workers cannot work, or nothing but failures came of the first trials.
        """
        startup.done()
        over = threading.Event()
        threading.Thread(target=self._beat, args=(over,), daemon=True).start()
        try:
            with self.interruption.waiting():
                # Until every trial of the study has ended, here and on other hosts, and the storage has it.
                while self._open or self.working or self.untold:
                    self._turn()
                    if self.interruption.pending is not None:
                        self._stop()
                        break
        except BaseException:
            self.workers.kill()
            raise
        finally:
            over.set()

    def _beat(self, over: threading.Event) -> None:
        """Show the other hosts that this one is alive, also while it waits for them."""
        while not over.wait(self.trials.storage.grace / 4):
            with contextlib.suppress(*AWAY):
                self.trials.beat(self._active())

    def _active(self) -> list[int]:
        return [*(trial.number for trial in list(self.working.values())), *(result.trial for result in self.untold)]

    def _turn(self) -> None:
        self._tell()
        self._recover()
        self._assign()
        for event in self.workers.wait(0.5):
            self._handle(event)
        self.observer.tick(self)
        count = len(self.results)
        if count >= _MOST_FAILED and all(result.ending == "failed" for result in self.results):
            self._stop()
            raise UserError(f"the first {count} trials have all failed", f"the last one: {self.results[-1].reason}")

    def _handle(self, event: Event, *, stopping: bool = False) -> None:
        trial = self.working.get(event.worker.index)
        if trial is None:
            return
        if event.kind == "said":
            progress: Progress = event.value
            stops = [self._report(trial, epoch, value) for epoch, value in progress["values"]]
            self.workers.answer(event, not stopping and any(stops))
            if progress["text"]:
                value = progress["values"][-1][1] if progress["values"] else None
                self.observer.epoch_ended(trial, progress["text"], value)
            return
        del self.working[event.worker.index]
        if event.host_remedy is not None:  # says nothing about the trial's settings
            self._try(partial(self.trials.spare, trial))
            if not stopping:
                self._stop()
                raise refused_by_host(event)
        elif event.kind in ("done", "failed"):
            self._ended(trial, ended_as(event), event.seconds)
        elif event.kind == "died" and not stopping and trial.attempt >= MOST_ATTEMPTS:
            reason = f"its worker died {trial.attempt} times ({event.reason}); see {event.worker.log}"
            self._ended(trial, failed(reason), 0.0)
        else:
            died = event.kind == "died" and not stopping
            if died:
                self.observer.note(f"the worker of trial {trial.number} died ({event.reason}); another goes on with it")
            # While the storage is away, it is found later that nobody works on the trial.
            self._try(partial(self.trials.put_back, trial.number) if died else partial(self.trials.spare, trial))
            self._ask_at = 0.0

    def _report(self, trial: OpenTrial, epoch: int, value: float) -> bool:
        trial.values[epoch] = value
        return bool(self._try(partial(self.trials.report, trial, epoch, value)))

    def _ended(self, trial: OpenTrial, ended: JobEnded, seconds: float) -> None:
        epochs = sorted(trial.values.items())
        result = TrialResult(trial.number, **ended, seconds=seconds, epochs=epochs, chosen=trial.chosen)
        self.untold.append(result)
        self.results.append(result)
        self._tell()
        self._ask_at = 0.0  # it may have been the last
        self.observer.trial_ended(result, trial.chosen)

    def _tell(self) -> None:
        while self.untold and self._try(partial(self.trials.tell, self.untold[0])) is not None:
            del self.untold[0]

    def _recover(self) -> None:
        if time.monotonic() < self._recover_at:
            return
        recovered = self._try(lambda: self.trials.recover(self._active()))
        if recovered is not None and self._try(self._count) is not None:
            self._recover_at = time.monotonic() + self.trials.storage.grace / 4
            for number in recovered:
                self.observer.note(f"nobody works on trial {number} any more; it waits for another worker")

    def _assign(self) -> None:
        for worker in self.workers.idle():
            if time.monotonic() < self._ask_at:  # nothing to do here as others finish: no need to ask again at once
                return
            trial = self._try(partial(self.trials.ask, self.space.suggest, self.target))
            if trial is None:
                self._ask_at = time.monotonic() + min(1.0, self.trials.storage.grace / 4)
                self._try(self._count)
                return
            self.working[worker.index] = trial
            job = Job(trial=trial.number, settings=self.space.settings(trial.chosen), test=False)
            self.workers.give(worker, job)
            self.observer.trial_begins(trial)

    def _count(self) -> int:
        """How many trials have not ended yet, wherever they are."""
        trials = self.trials.all()
        self.observer.trials_are(trials)
        self._open = sum(is_open(trial) for trial in trials) or int(len(trials) < self.target)
        return self._open

    def _try(self, act: Callable[[], _Result]) -> _Result | None:
        """What ``act`` gives; None while the storage is away."""
        now, storage = time.monotonic(), f"the storage '{self.trials.storage.shown}'"
        if now < self._retry_at:
            return None
        try:
            result = act()
        except (*AWAY, KeyError) as error:
            refuse_lasting(error, self.trials.storage.shown)
            if self.away_since is None:
                self.away_since = self._said_at = now
                self.observer.waits(f"{storage} does not answer; results wait on disk ({cause_of(error)})")
            elif now - self._said_at >= _SAID_EVERY:
                self._said_at = now
                self.observer.waits(f"{storage} has not answered for {now - self.away_since:.0f} s ({cause_of(error)})")
            self.trials.lost_sight()
            self._retry_at = now + _RETRY
            return None
        if self.away_since is not None:
            self.observer.waits(f"{storage} answers again after {now - self.away_since:.0f} s")
            self.away_since, self._recover_at = None, 0.0
        return result

    def _stop(self) -> None:
        """End the workers and leave every trial so that anybody can go on with it."""
        for event in self.workers.stop(FAREWELL):
            self._handle(event, stopping=True)
        while self.working:  # they were killed
            self._try(partial(self.trials.spare, self.working.popitem()[1]))
        self._tell()


def ended_as(event: Event) -> JobEnded:
    """How a job ended whose worker lives."""
    if event.kind == "done":
        ended: JobEnded = event.value
        return ended
    return failed(event.reason if event.remedy is None else f"{event.reason} → {event.remedy}")


def refused_by_host(event: Event) -> UserError:
    """What to say where a job failed because of its host."""
    return UserError(event.reason, f"{event.host_remedy}; the same command goes on with the study")


def failed(reason: str) -> JobEnded:
    """How a job ended of which nothing came."""
    return {"ending": "failed", "values": None, "reason": reason, "run": None}
