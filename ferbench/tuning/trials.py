"""The trials of a study in its storage: handed out once, recorded once, tried again when their host fell silent.

Optuna keeps the trials and the heartbeats of those that hosts work on, and lets a new trial of the same values wait in
the place of one whose heart stopped; that one counts, the other does not. What Optuna leaves open is seen to here,
while one host at a time has the study's lock: no more trials than asked for, trials whose host died between two of
Optuna's steps, and results of hosts that were only slow. An interrupted trial goes back to ``WAITING`` with its number
and its values; the next that asks gets it, and its run goes on from the checkpoint.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from ferbench.records.study import ChosenBy, Ending, RepeatedAt
from ferbench.tuning.database import Storage, without_warnings
from ferbench.tuning.objectives import Objective
from ferbench.tuning.space import Chosen

#: How often a trial is begun before it is given up: each time, its worker died.
MOST_ATTEMPTS = 3

#: Characters of a reason that are kept; MySQL takes 65,535 bytes of JSON, and a letter may be twelve of them.
_LONGEST = 2_000

#: Optuna's states of trials by the names of ours.
STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "running": TrialState.RUNNING,
    "waiting": TrialState.WAITING,
}

#: Of a trial, among its attributes: what chose its values.
CHOSEN_BY = "chosen_by"

#: Of a trial, among its attributes: where it was begun last, its number there, and how often it was begun until then.
BEGUN = "begun"

#: Lets a trial choose its values, which it gives by key.
Suggest = Callable[[optuna.Trial], Chosen]


@dataclass
class OpenTrial:
    """A trial that this host works on.

    Attributes:
        number: of the trial, from 0.
        chosen: its values by key.
        attempt: how often it was begun, this time included.
        handle: as Optuna has it.
        values: of the objective by epoch, as far as workers reported them to this process.
    """

    number: int
    chosen: Chosen
    attempt: int
    handle: optuna.Trial
    values: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended.

    Attributes:
        trial: its number.
        ending: ``complete``, ``pruned`` or ``failed``.
        values: of the objectives; None unless complete.
        reason: why it failed or was pruned.
        run: name of the run's directory; None when no run came of it.
        seconds: that the worker spent on it.
        epochs: epoch and value of the objective, of those that the storage may not know yet.
        chosen: the trial's values by key, as the worker had them; None: not known.
    """

    trial: int
    ending: Ending
    values: list[float] | None = None
    reason: str = ""
    run: str | None = None
    seconds: float = 0.0
    epochs: Sequence[tuple[int, float]] = ()
    chosen: Chosen | None = None


class Trials:
    """A study's trials.

    Args:
        storage: where they are.
        name: of the study.
        objectives: of the study; it is created with them where it does not exist.
    """

    @without_warnings()
    def __init__(self, storage: Storage, name: str, objectives: Sequence[Objective]) -> None:
        self.storage = storage
        self.name = name
        self._ids: dict[int, int] = {}
        self._asking: tuple[int, ...] = ()
        self._chosen_by: Callable[[Sequence[FrozenTrial]], ChosenBy] | None = None
        with storage.locked(name, starting=True):
            self.study = optuna.create_study(
                storage=storage.optuna,
                study_name=name,
                directions=[objective.direction for objective in objectives],
                load_if_exists=True,
            )
            if self.study.metric_names is None:
                self.study.set_metric_names([objective.name for objective in objectives])
        self._id = storage.optuna.get_study_id_from_name(name)
        self.lost_sight()

    def use(
        self,
        sampler: optuna.samplers.BaseSampler,
        pruner: optuna.pruners.BasePruner,
        chosen_by: Callable[[Sequence[FrozenTrial]], ChosenBy] | None = None,
    ) -> None:
        """Choose trials and end hopeless ones with these from now on; ``chosen_by`` gives what is recorded of each,
        from those before it."""
        self.study.sampler = sampler
        self.study.pruner = pruner
        self._chosen_by = chosen_by

    def describe(self, about: Mapping[str, Any]) -> None:
        """Keep what a reader of the storage alone should know, once."""
        for key, value in about.items():
            if key not in self.study.user_attrs:
                self.study.set_user_attr(key, value)

    def note_tested(self, tested: RepeatedAt) -> None:
        """Let the other hosts know which trials this host has repeated and tested."""
        self.study.set_user_attr("outcome", tested.plain())

    def tested(self) -> RepeatedAt | None:
        """What `note_tested` noted last, on any host."""
        noted = self.study.user_attrs.get("outcome")
        return None if noted is None else RepeatedAt.model_validate(noted)

    @without_warnings()
    def fill(self, points: Iterable[Chosen], limit: int) -> int:
        """Put the first ``limit`` points in line, where they are not yet; gives how many there are in all.

        Points already in line are known by their order, so that the same grid continues.
        """
        with self.storage.locked(self.name, starting=True):
            there = len(self.all())
            about = {} if self._chosen_by is None else {CHOSEN_BY: self._chosen_by(()).plain()}
            for point in itertools.islice(points, there, limit):
                self.study.enqueue_trial(point, user_attrs=about)
                there += 1
        return there

    def all(self) -> list[FrozenTrial]:
        """Those that count, by number."""
        return counted(self.study.get_trials(deepcopy=False))

    @without_warnings()
    def recover(self, active: Collection[int]) -> list[int]:
        """Let the trials that nobody works on any more wait again; gives their numbers.

        Args:
            active: what this host works on.
        """
        if time.monotonic() >= self._listens_from:
            fail_stale_trials(self.study)
        if not self._abandoned(active):  # seen without the lock, which all other hosts would wait for
            return []
        with self.storage.locked(self.name):
            found = self._abandoned(active)
            for trial in found:
                self._try_again(trial)
        return [trial.number for trial in found]

    def _abandoned(self, active: Collection[int]) -> list[FrozenTrial]:
        return [trial for trial in self.all() if trial.number not in active and self._is_abandoned(trial)]

    def _try_again(self, trial: FrozenTrial) -> None:
        """Let a trial wait again, or another in its place; the caller has the lock."""
        if trial.state is TrialState.RUNNING:
            self.put_back(trial.number)
        else:  # not by fail_stale_trials: a host may die in between
            # It adds to the trial's own history, which must stay as it was should the storage not take the other one.
            RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)(self.study, copy.deepcopy(trial))

    def _is_abandoned(self, trial: FrozenTrial) -> bool:
        """Whether a trial that this host does not work on is nobody's, and will not turn stale."""
        if trial.state is not TrialState.RUNNING:
            return is_open(trial) and trial.state is not TrialState.WAITING
        # Whoever asks has the lock until the trial has a heartbeat and this note.
        return not self.storage.shared or trial.user_attrs.get(BEGUN, {}).get("trial") != trial.number

    @without_warnings()
    def ask(self, suggest: Suggest, target: int) -> OpenTrial | None:
        """A trial to work on: one that waits, else a new one; None when there are ``target`` of them already.

        Args:
            suggest: chooses the values of a new one.
            target: trials that the study shall have.
        """
        if self.storage.shared and self._is_full(self.all(), target):  # seen without the lock, which others wait for
            return None
        with self.storage.locked(self.name):
            trials = self.all()
            if self._is_full(trials, target):
                return None
            trial = self.study.ask()
            self.beat([trial.number])
            self._asking = (trial.number,)  # a sampler may take longer than the grace
            try:
                frozen = next((one for one in trials if one.number == trial.number), None)
                self._record_choice(trial, frozen, trials)
                chosen = suggest(trial)
                attempt = 1 + trial.user_attrs.get(BEGUN, {}).get("attempt", 0)
                about = {"trial": trial.number, "attempt": attempt, "host": f"{socket.gethostname()}-{os.getpid()}"}
                trial.set_user_attr(BEGUN, about)
            except UpdateFinishedTrialError:  # this host was silent meanwhile: another trial will stand in its place
                return None
            finally:
                self._asking = ()
        return OpenTrial(trial.number, chosen, attempt, trial)

    def _is_full(self, trials: Sequence[FrozenTrial], target: int) -> bool:
        return len(trials) >= target and not any(trial.state is TrialState.WAITING for trial in trials)

    def _record_choice(self, trial: optuna.Trial, frozen: FrozenTrial | None, trials: Sequence[FrozenTrial]) -> None:
        """Note what chooses a trial's values, unless they were chosen before."""
        in_line = frozen is not None and "fixed_params" in frozen.system_attrs
        if frozen is not None and (frozen.params or (in_line and CHOSEN_BY in frozen.user_attrs)):
            return
        if in_line:  # by hand
            trial.set_user_attr(CHOSEN_BY, ChosenBy(algorithm="enqueued").plain())
        elif self._chosen_by is not None:
            trial.set_user_attr(CHOSEN_BY, self._chosen_by(trials).plain())

    @without_warnings()
    def report(self, trial: OpenTrial, epoch: int, value: float) -> bool:
        """Record an epoch's value; True when the trial should end here."""
        try:
            trial.handle.report(value, epoch)
            return trial.handle.should_prune()
        except UpdateFinishedTrialError:
            standing = self._standing(trial.number)
            return standing is None or not is_open(standing)  # another host has its end

    @without_warnings()
    def tell(self, result: TrialResult) -> bool:
        """Record how a trial ended, exactly once; False when the study has its end already, or another trial instead.

        A database that was made anew, or that lost what it had committed, has other trials by the same numbers.
        """
        # Else another host might begin a trial in its place in between.
        with self.storage.locked(self.name):
            for _ in range(2):
                standing = self._standing(result.trial)
                if standing is not None and standing.state is TrialState.FAIL and is_open(standing):
                    self._try_again(standing)
                    standing = self._standing(result.trial)
                if standing is None or standing.state.is_finished():
                    return False
                if result.chosen is not None and not _alike(result.chosen, standing.params):
                    return False
                with contextlib.suppress(UpdateFinishedTrialError):  # by hand, or since this host was silent
                    self._tell(standing, result)
                    return True
        return False

    def _tell(self, standing: FrozenTrial, result: TrialResult) -> None:
        storage, identifier = self.storage.optuna, self._id_of(standing.number)
        if standing.state is TrialState.WAITING:
            storage.set_trial_state_values(identifier, TrialState.RUNNING)
        reason = result.reason or ("no reason is known" if result.ending == "failed" else "")
        reason = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"
        for key, value in (("run", result.run), ("seconds", round(result.seconds, 3)), ("reason", reason)):
            if value:
                storage.set_trial_user_attr(identifier, key, value)
        for epoch, value in result.epochs:
            if epoch not in standing.intermediate_values:
                storage.set_trial_intermediate_value(identifier, epoch, value)
        self.study.tell(standing.number, result.values, state=STATES[result.ending])

    def _standing(self, number: int) -> FrozenTrial | None:
        """What counts of a trial: itself, or the one in its place; None when it is not there."""
        try:
            trial = self.storage.optuna.get_trial(self._id_of(number))  # not all, which other workers would wait for
        except KeyError:
            return None
        if trial.state is not TrialState.FAIL:
            return trial
        return next((one for one in reversed(self.all()) if number in (one.number, *_replaced_by(one))), None)

    def put_back(self, number: int, begun: Mapping[str, Any] | None = None) -> None:
        """Let others have a trial that this host will not finish; ``begun`` is kept as how it was begun last."""
        with contextlib.suppress(UpdateFinishedTrialError, KeyError):
            if begun is not None:
                self.storage.optuna.set_trial_user_attr(self._id_of(number), BEGUN, begun)
            self.storage.optuna.set_trial_state_values(self._id_of(number), TrialState.WAITING)

    def spare(self, trial: OpenTrial) -> None:
        """Let others have a trial that could not help being given up here: that it was begun does not count."""
        self.put_back(trial.number, {**trial.handle.user_attrs.get(BEGUN, {}), "attempt": trial.attempt - 1})

    def beat(self, numbers: Collection[int]) -> None:
        """Show the other hosts that these trials are still worked on."""
        for number in (*numbers, *self._asking) if self.storage.shared else ():
            with contextlib.suppress(KeyError):  # it is not there any more: its result will not be told
                self.storage.optuna.record_heartbeat(self._id_of(number))

    def _id_of(self, number: int) -> int:
        if number not in self._ids:
            self._ids[number] = self.storage.optuna.get_trial_id_from_study_id_trial_number(self._id, number)
        return self._ids[number]

    def lost_sight(self) -> None:
        """Nobody could show anything while the storage was away; whoever was silent then is not dead."""
        self._listens_from = time.monotonic() + self.storage.grace


@without_warnings()
def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials without those in whose place another stands, since their host fell silent."""
    replaced = {number for trial in trials for number in _replaced_by(trial)}
    return [trial for trial in trials if trial.number not in replaced]


def is_open(trial: FrozenTrial) -> bool:
    """Whether a trial has yet to end: one that failed for no reason was silent, and another will stand in its place."""
    return not trial.state.is_finished() or (trial.state is TrialState.FAIL and not trial.user_attrs.get("reason"))


def _replaced_by(trial: FrozenTrial) -> list[int]:
    """Numbers of the trials in whose place a trial stands."""
    return RetryHeartbeatStaleTrialCallback.retry_history(trial)


def _alike(chosen: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Whether two trials have the same values; a database may round a number's last digit."""
    if chosen.keys() != params.keys():
        return False
    pairs = [(value, params[key]) for key, value in chosen.items()]
    return all(a == b or (isinstance(a, float) and math.isclose(a, b, rel_tol=1e-9)) for a, b in pairs)
