"""The trials of a study in its storage: handed out once, recorded once, taken over from hosts that fell silent.

Optuna keeps the trials; what it leaves open is who is at work on one. Here a trial that nobody works on is ``WAITING``,
never lost and never doubled: an interrupted one goes back to ``WAITING`` with its number and its values, and the next
that asks gets it and goes on from its run's checkpoint.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ferbench.records.study import ChosenBy, RepeatedAt, TrialResult
from ferbench.tuning.database import Storage, without_warnings
from ferbench.tuning.objectives import Objective
from ferbench.tuning.space import Chosen

#: How often a trial is begun before it is given up: each time, its worker died.
MOST_ATTEMPTS = 3

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
        recorded: epochs whose value the storage has.
        values: of the objective by epoch, as far as workers reported them to this process.
    """

    number: int
    chosen: Chosen
    attempt: int
    handle: optuna.Trial
    recorded: set[int]
    values: dict[int, float] = field(default_factory=dict)


class Trials:
    """A study's trials.

    Args:
        storage: where they are.
        name: of the study.
        objectives: of the study; it is created with them where it does not exist.
        owner: who this host is; another text for every process that conducts a study.
        grace: seconds of silence after which a trial of another host is taken over.
    """

    @without_warnings()
    def __init__(
        self, storage: Storage, name: str, objectives: Sequence[Objective], *, owner: str, grace: float = 60.0
    ) -> None:
        self.storage = storage
        self.name = name
        self.owner = owner
        self._grace = grace
        self._beats = 0
        self._observed: dict[int, tuple[Any, float]] = {}
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
    def fill(self, points: Iterator[Chosen], limit: int) -> int:
        """Put the first ``limit`` points in line, where they are not yet; gives how many there are in all.

        Points already in line are known by their order, so that the same grid continues.
        """
        with self.storage.locked(self.name, starting=True):
            there = len(self.all())
            about = {} if self._chosen_by is None else {CHOSEN_BY: self._chosen_by(()).plain()}
            count = 0
            for count, point in enumerate(points, start=1):
                if count > limit:
                    return limit
                if count > there:
                    self.study.enqueue_trial(point, user_attrs=about)
        return count

    def all(self) -> list[FrozenTrial]:
        """All of them, by number."""
        return self.study.get_trials(deepcopy=False)

    def reclaim(self, active: Collection[int] = ()) -> list[int]:
        """Put back in line what the storage has as this host's work and is not; gives the numbers.

        That is what an earlier process left of a study that only one process writes, and a new trial that the storage
        had recorded before it went away.
        """
        return [trial.number for trial in self.all() if trial.number not in active and self._put_back(trial)]

    @without_warnings()
    def ask(self, suggest: Suggest, target: int, active: Collection[int] | None = None) -> OpenTrial | None:
        """A trial to work on: one that waits, else a new one; None when there are ``target`` of them already.

        Args:
            suggest: chooses the values of a new one.
            target: trials that the study shall have.
            active: what this host works on; what else the storage has as its own waits again. None: not known.
        """
        with self.storage.locked(self.name):
            trials = self.all()
            left = [] if active is None else self.reclaim(active)
            if len(trials) >= target and not left and not any(trial.state is TrialState.WAITING for trial in trials):
                return None
            trial = self.study.ask()
            frozen = trials[trial.number] if trial.number < len(trials) else None
            attempt = 1 + (frozen.user_attrs.get("attempts", 0) if frozen is not None else 0)
            if self.storage.shared:
                trial.set_user_attr("beat", [self.owner, self._beats])
            self._record_choice(trial, frozen, trials)
            chosen = suggest(trial)
        recorded = set(frozen.intermediate_values) if frozen is not None else set()
        return OpenTrial(trial.number, chosen, attempt, trial, recorded)

    def _record_choice(self, trial: optuna.Trial, frozen: FrozenTrial | None, trials: Sequence[FrozenTrial]) -> None:
        """Note what chooses a trial's values, unless they were chosen before."""
        in_line = frozen is not None and "fixed_params" in frozen.system_attrs
        if frozen is not None and (frozen.params or (in_line and CHOSEN_BY in frozen.user_attrs)):
            return
        if in_line:  # by hand
            trial.set_user_attr(CHOSEN_BY, ChosenBy(algorithm="enqueued").plain())
        elif self._chosen_by is not None:
            trial.set_user_attr(CHOSEN_BY, self._chosen_by(trials).plain())

    def begun(self, trial: OpenTrial) -> bool:
        """Note that a worker begins it: one that dies each time must not be begun for ever.

        Returns:
            False when the trial has ended meanwhile: the host that it was taken over from was only slow.
        """
        try:
            trial.handle.set_user_attr("attempts", trial.attempt)
        except UpdateFinishedTrialError:
            return False
        return True

    @without_warnings()
    def report(self, trial: OpenTrial, epoch: int, value: float) -> bool:
        """Record an epoch's value; True when the trial should end here."""
        try:
            if epoch not in trial.recorded:
                trial.handle.report(value, epoch)
                trial.recorded.add(epoch)
            return trial.handle.should_prune()
        except UpdateFinishedTrialError:  # another host took it over and was faster
            return True

    @without_warnings()
    def tell(self, result: TrialResult) -> bool:
        """Record how a trial ended, exactly once; False when the study has its end already, or another trial instead.

        A database that was made anew, or that lost what it had committed, has other trials by the same numbers.
        """
        # Else another host might take it over, or put it back in line, in between.
        with self.storage.locked(self.name):
            storage = self.storage.optuna
            try:
                identifier = storage.get_trial_id_from_study_id_trial_number(self.study._study_id, result.trial)
            except KeyError:
                return False
            trial = storage.get_trial(identifier)  # not all of them, which the other workers would wait for
            if trial.state.is_finished() or not (result.chosen is None or _alike(result.chosen, trial.params)):
                return False
            try:
                self._tell(trial, result)
            except UpdateFinishedTrialError:  # by hand, in a dashboard
                return False
        return True

    def _tell(self, trial: FrozenTrial, result: TrialResult) -> None:
        storage, identifier = self.storage.optuna, trial._trial_id
        if trial.state is TrialState.WAITING:
            storage.set_trial_state_values(identifier, TrialState.RUNNING)
        about = {"run": result.run, "seconds": round(result.seconds, 3), "reason": result.reason}
        for key, value in about.items():
            if value:
                storage.set_trial_user_attr(identifier, key, value)
        if len(self.study.directions) == 1:
            for epoch, number in result.epochs:
                if epoch not in trial.intermediate_values:
                    storage.set_trial_intermediate_value(identifier, epoch, number)
        self.study.tell(result.trial, result.values, state=STATES[result.ending], skip_if_finished=True)

    def put_back(self, number: int) -> None:
        """Let others have a trial that this host will not finish."""
        with self.storage.locked(self.name):
            self._put_back(self.all()[number])

    def beat(self, numbers: Sequence[int]) -> None:
        """Show the other hosts that these trials are still worked on."""
        if not self.storage.shared:
            return
        self._beats += 1
        trials = self.all()
        for number in numbers:
            if trials[number].state is TrialState.RUNNING and self._is_mine(trials[number]):
                with contextlib.suppress(UpdateFinishedTrialError):
                    self.storage.optuna.set_trial_user_attr(trials[number]._trial_id, "beat", [self.owner, self._beats])

    def lost_sight(self) -> None:
        """The storage was away: nobody could show anything, and whoever was silent then is not dead."""
        self._observed.clear()

    def take_over(self) -> list[int]:
        """Put trials of hosts that have been silent for the time of grace back in line; gives their numbers.

        Silence is measured by this process's clock alone, between two looks at the same beat: no two hosts' clocks are
        compared.
        """
        if not self.storage.shared:
            return []
        now = time.monotonic()
        running = {t.number: t for t in self.all() if t.state is TrialState.RUNNING and not self._is_mine(t)}
        seen = {}
        silent = []
        for number, trial in running.items():
            beat = trial.user_attrs.get("beat")
            before, since = self._observed.get(number, (None, now))
            seen[number] = (beat, since if number in self._observed and before == beat else now)
            if now - seen[number][1] >= self._grace:
                silent.append(number)
        self._observed = seen
        if not silent:
            return []
        taken = []
        with self.storage.locked(self.name):
            for trial in self.all():
                same = trial.number in silent and trial.user_attrs.get("beat") == seen[trial.number][0]
                if same and self._put_back(trial, mine=False):
                    taken.append(trial.number)
        return taken

    def _is_mine(self, trial: FrozenTrial) -> bool:
        beat = trial.user_attrs.get("beat")
        return not self.storage.shared or (beat is not None and beat[0] == self.owner)

    def _put_back(self, trial: FrozenTrial, *, mine: bool = True) -> bool:
        """Put a trial back in line, unless nobody is at work on it, or another than this host where it must be mine."""
        if trial.state is not TrialState.RUNNING or (mine and not self._is_mine(trial)):
            return False
        storage = self.storage.optuna
        with contextlib.suppress(UpdateFinishedTrialError):
            if self.storage.shared:  # a beat that nobody has: whoever saw the old one starts to watch anew
                storage.set_trial_user_attr(trial._trial_id, "beat", [None, time.time_ns()])
            storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        return True


def _alike(chosen: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Whether two trials have the same values; a database may round a number's last digit."""
    if chosen.keys() != params.keys():
        return False
    pairs = [(value, params[key]) for key, value in chosen.items()]
    return all(a == b or (isinstance(a, float) and math.isclose(a, b, rel_tol=1e-9)) for a, b in pairs)
