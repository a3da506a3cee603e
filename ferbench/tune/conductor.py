"""A study under way on one host: trials to workers, what they say to the storage, and nothing lost in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from optuna.trial import FrozenTrial

from ferbench.errors import UserError
from ferbench.link import Message
from ferbench.training.interruption import Interruption
from ferbench.tune.crew import Crew, Worker
from ferbench.tune.ledger import MOST_ATTEMPTS, Ledger, Ticket
from ferbench.tune.space import Settings, Space
from ferbench.tune.spool import Result, Spool
from ferbench.tune.storage import AWAY
from ferbench.tune.worker import Job

_Found = TypeVar("_Found")

#: Seconds between two attempts to reach a storage that is away: first, and at most.
_RETRY = (0.5, 5.0)

#: Seconds that workers get to save their runs when the study is interrupted.
_FAREWELL = 60.0

#: When so many trials have failed and not one has done anything else, the recipe is at fault.
_MOST_FAILED = 5


class Watch:
    """Hears how a study goes; displays override what they care for."""

    def began(self, ticket: Ticket, worker: int) -> None:
        """A worker begins a trial, or goes on with one."""

    def epoch(self, ticket: Ticket, text: str, value: float | None) -> None:
        """A trial has finished an epoch; ``text`` says which of how many."""

    def ended(self, result: Result, chosen: dict[str, Any]) -> None:
        """A trial has ended."""

    def said(self, line: str) -> None:
        """Something else that a person should know."""

    def elsewhere(self, trials: Sequence[FrozenTrial]) -> None:
        """Trials of the study that have ended, though not in this process; each may come many times."""

    def repeating(self, done: int, of: int, at_work: Sequence[str]) -> None:
        """So many of the runs over seeds are done, and how far those are that workers are at."""

    def beat(self, conductor: Conductor) -> None:
        """Some time has passed."""


@dataclass
class Conductor:
    """The parent's loop.

    Attributes:
        ledger: the study.
        space: what a new trial chooses from.
        crew: the workers.
        spool: results that the storage does not have yet.
        target: trials that the study shall have in all.
        watch: hears of everything.
        interruption: signals.
        grace: as the ledger has it.
        working: tickets by worker.
    """

    ledger: Ledger
    space: Space
    crew: Crew
    spool: Spool
    target: int
    watch: Watch
    interruption: Interruption
    grace: float = 60.0
    working: dict[int, Ticket] = field(default_factory=dict)
    again: list[Ticket] = field(default_factory=list)
    untold: dict[int, Result] = field(default_factory=dict)
    chosen: dict[int, dict[str, Any]] = field(default_factory=dict)
    away_since: float | None = None
    _retry_at: float = 0.0
    _retry_in: float = _RETRY[0]
    _beat_at: float = 0.0
    _look_at: float = 0.0
    _open: int = 1
    _failed: int = 0
    _succeeded: int = 0

    def run(self) -> None:
        """Work until the study has its trials, or until a signal comes.

        Raises:
            Interrupted: a signal came; the workers have ended, and their trials wait to be resumed.
            UserError: the workers cannot work, or nothing but failures came of the first trials.
        """
        for result in self.spool.waiting():
            self.untold[result.trial] = result
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
            self.crew.kill()
            raise

    _last_reason: str = ""

    def _is_over(self) -> bool:
        """Whether every trial of the study has ended, here and on other hosts, and the storage knows."""
        return self._open == 0 and not (self.working or self.again or self.untold)

    def _turn(self) -> None:
        self._tell()
        self._keep_alive()
        self._assign()
        pause = 0.5 if self.crew.idle() and not self.away_since else 1.0
        for worker, message in self.crew.wait(pause):
            self._hear(worker, message)
        self.watch.beat(self)

    def _hear(self, worker: Worker, message: Message | None, *, stopping: bool = False) -> None:
        ticket = self.working.get(worker.index)
        if message is None:
            if ticket is not None:
                del self.working[worker.index]
                if not stopping:
                    self._died(ticket, worker)
                else:
                    self.again.append(ticket)
        elif ticket is None:
            return
        elif message["type"] == "past":
            for epoch, value in message["values"]:
                self._report(ticket, epoch, value)
        elif message["type"] == "epoch":
            value = message["value"]
            prune = self._report(ticket, message["epoch"], value) if value is not None else False
            self.crew.verdict(worker, prune=prune and not stopping)
            self.watch.epoch(ticket, message["text"], value)
        elif message["type"] == "interrupted":
            del self.working[worker.index]
            self.again.append(ticket)
        elif message["type"] == "result":
            del self.working[worker.index]
            self._ended(ticket, message)

    def _report(self, ticket: Ticket, epoch: int, value: float) -> bool:
        ticket.values[epoch] = value
        return bool(self._try(lambda: self.ledger.report(ticket, epoch, value)))

    def _died(self, ticket: Ticket, worker: Worker) -> None:
        code = worker.process.returncode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if ticket.attempt >= MOST_ATTEMPTS:
            reason = f"its worker died {ticket.attempt} times ({how}); see {worker.log}"
            self._ended(ticket, {"ending": "failed", "reason": reason})
            return
        self.watch.said(f"the worker of trial {ticket.number} died ({how}); another goes on with it")
        ticket.attempt += 1
        self.again.append(ticket)

    def _ended(self, ticket: Ticket, message: Message) -> None:
        values = message.get("values")
        result = Result(
            trial=ticket.number,
            ending=message["ending"],
            values=None if values is None else tuple(values),
            reason=message.get("reason", ""),
            run=message.get("run"),
            seconds=message.get("seconds", 0.0),
            epochs=tuple(sorted(ticket.values.items())),
            chosen=ticket.chosen,
        )
        self.spool.put(result)
        self.untold[result.trial] = result
        self.chosen[result.trial] = ticket.chosen
        if result.ending == "failed":
            self._failed += 1
            self._last_reason = result.reason
        else:
            self._succeeded += 1
        self._look_at = 0.0  # it may have been the last
        self._tell()
        self.watch.ended(result, ticket.chosen)

    def _tell(self) -> None:
        for result in list(self.untold.values()):
            if self._try(lambda result=result: self.ledger.tell(result)) is None:  # type: ignore[misc]
                return
            del self.untold[result.trial]
            self.spool.drop(result.trial)

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now < self._beat_at:
            return
        active = self._active()

        def look() -> list[int]:
            self.ledger.beat(active)
            self._count()
            return self.ledger.take_over()

        taken = self._try(look)
        if taken is not None:
            self._beat_at = now + self.grace / 4
            for number in taken:
                self.watch.said(f"the host of trial {number} is silent; the trial waits for another worker")

    def _active(self) -> list[int]:
        tickets = [*self.working.values(), *self.again]
        return [*(ticket.number for ticket in tickets), *self.untold]

    def _assign(self) -> None:
        for worker in self.crew.idle():
            if self.again:
                ticket = self.again.pop(0)
            else:
                found = self._try(self._ask)
                if found is None or isinstance(found, int):
                    return
                ticket = found
            settings: Settings = self.space.settings(ticket.chosen)
            if self._try(lambda ticket=ticket: self.ledger.begun(ticket)) is False:  # type: ignore[misc]
                continue
            self.working[worker.index] = ticket
            self.crew.give(worker, Job(ticket.number, settings))
            self.watch.began(ticket, worker.index)

    def _ask(self) -> Ticket | int:
        """A ticket; when there is none, how many trials of the study have not ended yet."""
        if time.monotonic() < self._look_at:  # nothing to do here as others finish: no need to ask again at once
            return self._open
        ticket = self.ledger.ask(self.space.suggest, self.target, self._active())
        if ticket is not None:
            self._open = 1
            return ticket
        self._open = self._count()
        self._look_at = time.monotonic() + min(1.0, self.grace / 4)
        return self._open

    def _count(self) -> int:
        """How many trials have not ended yet, wherever they are; those that ended elsewhere are shown."""
        trials = self.ledger.trials()
        ended = [trial for trial in trials if trial.state.is_finished()]
        self.watch.elsewhere([trial for trial in ended if trial.number not in self.chosen])
        return len(trials) - len(ended)

    def _try(self, act: Callable[[], _Found]) -> _Found | None:
        """What ``act`` gives; None while the storage is away."""
        now = time.monotonic()
        if now < self._retry_at:
            return None
        try:
            found = act()
        except AWAY as error:
            if self.away_since is None:
                self.away_since = now
                cause = (str(error.__cause__ or error).strip().splitlines() or [""])[0]
                self.watch.said(f"the storage does not answer; results wait on disk ({cause})")
            self.ledger.lost_sight()
            self._retry_at = now + self._retry_in
            self._retry_in = min(2 * self._retry_in, _RETRY[1])
            return None
        if self.away_since is not None:
            self.watch.said(f"the storage answers again after {now - self.away_since:.0f} s")
            self.away_since, self._retry_at, self._retry_in = None, 0.0, _RETRY[0]
            self._beat_at = 0.0
        return found

    def _stop(self) -> None:
        """End the workers and leave every trial so that anybody can go on with it."""
        for worker, message in self.crew.stop(_FAREWELL):
            self._hear(worker, message, stopping=True)
        self.again += self.working.values()
        self.working.clear()
        self._tell()
        for ticket in self.again:
            self._try(lambda ticket=ticket: self.ledger.put_back(ticket.number))  # type: ignore[misc]
        self.again.clear()
