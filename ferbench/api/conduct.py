"""Trains the combinations of a grid, one after the other or several at once, and says what became of each."""

from __future__ import annotations

import bisect
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.plugin.culprit import in_a_line
from ferbench.plugin.guard import silent
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan
    from ferbench.experiment.prepare import Combination
    from ferbench.holder import Holder
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.records.run import Run
    from ferbench.runs.directory import RunDirectory
    from ferbench.training.observer import Observer

#: Seconds between two looks at runs that other processes are at work on.
LOOK = 1.0


class RunFailed(Exception):
    """A run has failed in a process of its own, which has printed where.

    Args:
        message: one line.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def forewarnings(plan: Plan) -> list[str]:
    """What a user should know before a run is trained, a line each."""
    from ferbench.experiment.plan import lone_samples, single_update

    several = (single_update(plan), lone_samples(plan), _slow_precision(plan))
    return [line for line in several if line is not None]


def _slow_precision(plan: Plan) -> str | None:
    recipe = plan.resolved.recipe
    if recipe.training.precision != "bf16" or not recipe.training.epochs:
        return None
    from ferbench.training.precision import computes_bf16
    from ferbench.training.runtime import choose_device

    if choose_device(recipe.runtime.device).type != "cpu" or computes_bf16():
        return None
    return (
        "warning: training.precision = 'bf16', but this CPU has no bf16 units: steps take several times as long as in "
        "float32; use --set training.precision=float32"
    )


@dataclass
class Outcome:
    """What became of a combination.

    Attributes:
        combination: what was asked for.
        status: of the run; ``skipped`` where there is none, ``failed`` also where it could not start.
        directory: of the run; None where there is none.
        record: of the run; None where it could not start.
        reused: the run was there already.
        reason: why there is no result.
        error: the exception behind the reason, where there is one.
        pooled: of a run that was tested on a fold, the run that all folds are together; None while some are missing.
    """

    combination: Combination
    status: str
    directory: RunDirectory | None = None
    record: Run | None = None
    reused: bool = False
    reason: str | None = None
    error: BaseException | None = None
    pooled: RunDirectory | None = None

    @property
    def evaluations(self) -> dict[str, EvaluationEntry]:
        """Of a run that is done: the evaluations that were asked for, by split."""
        plan, record = self.combination.plan, self.record
        if plan is None or record is None or record.status != "done":
            return {}
        return {role: record.evaluations[short(plan.evaluation_id(role))] for role in plan.evaluation_rows()}

    def plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        combination = self.combination
        common = {"status": self.status, "label": combination.label, "varied": combination.varied}
        if self.directory is None:
            return {**common, "reason": self.reason}
        run = self.directory.path.name
        if self.record is None:
            return {**common, "reason": self.reason, "run": run, "name": None}
        plan, record = combination.plan, self.record
        assert plan is not None
        outcome: dict[str, Any] = {
            "run": run,
            "name": record.name,
            **common,
            "reused": self.reused,
            "directory": str(self.directory.path),
            "training_id": plan.training_id,
            "config_id": plan.config_id,
            "synthetic": record.data.synthetic,
            "fold": record.data.fold,
            "test_fold": record.data.test_fold and record.data.test_fold.fold,
            "skipped_faulty": record.data.skipped_faulty,
            "excluded": record.data.excluded,
            "label_noise": None if record.data.label_noise is None else record.data.label_noise.plain(),
        }
        if not self.evaluations or record.training is None:
            return {**outcome, "reason": self.reason}
        outcome["training"] = record.training.plain()
        outcome["evaluations"] = {split: entry.plain() for split, entry in self.evaluations.items()}
        return outcome

    @property
    def judged(self) -> tuple[str, EvaluationEntry]:
        """The split that the result is judged on, test, or validation for a fold, and what was measured there."""
        split = "test" if "test" in self.evaluations else "validation"
        return split, self.evaluations[split]


class Progress:
    """What is told of a grid while it is worked through; this one shows nothing.

    Derive from it, and give `run_all` yours.
    """

    def begins(self, number: int, combination: Combination) -> AbstractContextManager[Observer]:
        """A run begins: give what observes its epochs, entered while it is trained. Several may be at once.

        Args:
            number: of the combination among all, from 1.
            combination: what is run; its plan is known.
        """
        from ferbench.training.observer import Observer

        return nullcontext(Observer())

    def ended(self, outcome: Outcome) -> None:
        """A combination was run, reused or skipped, or it failed."""

    def pooled(self, directory: RunDirectory, reused: bool) -> None:
        """The tests of all folds of a configuration and seed are one result, or were so already."""

    def interrupted(self, run: str) -> None:
        """Ctrl-C or a signal came while a run was trained; the same call goes on with it."""

    def warn(self, line: str) -> None:
        """Something that the user should know."""

    def printed(self, run: str, line: str) -> None:
        """A run, of several at once, has printed a line."""
        print(f"{run}: {line}", file=sys.stderr, flush=True)


@dataclass
class Grid:
    """Combinations on their way to what becomes of them.

    Attributes:
        combinations: planned, see `ferbench.experiment.prepare.plan_all`.
        results: the results directory.
        cache: where packed datasets are kept.
        plugins: as ``--plugin`` names them.
        progress: is told of everything.
        left: numbers of those that are neither begun nor ended, from 1, in order.
        outcomes: of those that have ended, by number.
    """

    combinations: Sequence[Combination]
    results: Path
    cache: Path
    plugins: Sequence[str]
    progress: Progress
    left: list[int] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)
    _waited_for: set[int] = field(default_factory=set)
    _unfolded: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        from ferbench.experiment.fold_axis import unfolded_key

        self.left = list(range(1, len(self.combinations) + 1))
        self._unfolded = [unfolded_key(combination.settings) for combination in self.combinations]

    def plan(self, number: int) -> Plan:
        """Of a combination that is run."""
        plan = self.combinations[number - 1].plan
        assert plan is not None
        return plan

    def run(self, number: int) -> str:
        """Name of the run's directory."""
        return self.plan(number).directory(self.results).path.name

    def next(self, busy: Collection[str] = ()) -> int | None:
        """Take the next combination that is to be trained; those before it that need no training end here.

        Args:
            busy: runs that this command's own workers are at, as several ways of testing one run may be asked for.

        Returns:
            Its number; None: there is none, or others are at work on all that are `left`.
        """
        from ferbench.runs.lock import at_work

        held: dict[int, Holder] = {}
        for number in list(self.left):
            combination = self.combinations[number - 1]
            if combination.plan is None or combination.skip:
                self._end(number, Outcome(combination, "skipped", reason=combination.skip, error=combination.error))
            elif combination.done:
                self.ended(number)
            elif self.run(number) in busy:
                continue
            elif not self._alone and (holder := at_work(combination.plan.directory(self.results))) is not None:
                held[number] = holder
            elif self._is_done_by_now(combination, combination.plan):
                self.ended(number)
            else:
                self.left.remove(number)
                return number
        for number in held.keys() - self._waited_for:
            self._waited_for.add(number)
            line = f"another process is at work on run {self.run(number)}: {held[number]}; this command waits for it"
            self.progress.warn(line)
        return None

    def train(self, number: int) -> None:
        """Train a combination in this process.

        Raises:
            KeyboardInterrupt: a signal came; the run is saved.
            Exception: whatever ends the only combination.
        """
        from ferbench.locks import TakenOver
        from ferbench.runs.lock import AtWork

        plan = self.plan(number)
        try:
            with ExitStack() as stack:

                def observer_for(record: Any) -> Observer:
                    return stack.enter_context(self.begins(number))

                from ferbench.training.rank_launch import execute

                execute(plan, self.results, observer_for, cache=self.cache, plugins=self.plugins)
        except KeyboardInterrupt:
            self.progress.interrupted(self.run(number))
            raise
        except Exception as error:
            if self._alone:
                raise
            if isinstance(error, (AtWork, TakenOver)):
                self.put_back(number)
                time.sleep(LOOK)
            else:
                self.failed(number, error)
        else:
            self.ended(number)

    def begins(self, number: int) -> AbstractContextManager[Observer]:
        """A run begins: what has been warned of already is not said again."""
        for warning in forewarnings(self.plan(number)):
            if warning not in self._warned:
                self.progress.warn(warning)
            self._warned.add(warning)
        return self.progress.begins(number, self.combinations[number - 1])

    def put_back(self, number: int) -> None:
        """It was taken, and is to be taken again."""
        bisect.insort(self.left, number)

    def ended(self, number: int) -> None:
        """A combination's run is there; its record says how it ended."""
        combination, plan = self.combinations[number - 1], self.plan(number)
        directory = plan.directory(self.results)
        try:
            record = _named(directory, self._first(plan), self.progress)
        except Exception as error:
            if self._alone:
                raise
            self.failed(number, error)
            return
        reason = None if record.error is None else record.error.message
        self._end(number, Outcome(combination, record.status, directory, record, combination.done, reason))

    def failed(self, number: int, error: Exception) -> None:
        """A combination has no result for an error."""
        reason = error.message if isinstance(error, UserError | RunFailed) else in_a_line(error)
        directory = self.plan(number).directory(self.results)
        self._end(number, Outcome(self.combinations[number - 1], "failed", directory, reason=reason, error=error))

    def _first(self, plan: Plan) -> Plan:
        """The first of the plans that share a run: it is called by the name that it has there."""
        plans = (combination.plan for combination in self.combinations)
        return next(one for one in plans if one is not None and one.training_id == plan.training_id)

    def _joined(self, record: Run) -> tuple[RunDirectory, bool] | None:
        """The run that all folds are together of which one has this record, and whether it was there; None: some are
        missing, or it cannot be written, which is warned of and loses none of them."""
        from ferbench.locks import TakenOver
        from ferbench.plugin.discovery import load_registry
        from ferbench.runs.lock import AtWork
        from ferbench.runs.pooled import every_fold, pool

        while True:
            try:
                every = every_fold(self.results, record)
                return pool(self.results, every, lambda: load_registry(self.plugins)) if every else None
            except (AtWork, TakenOver):  # another command has ended with the same folds
                time.sleep(LOOK)
            except UserError as error:
                self.progress.warn(f"the folds are not joined: {error.message}; {error.remedy}")
                return None

    @property
    def _alone(self) -> bool:
        return len(self.combinations) == 1

    def _is_done_by_now(self, combination: Combination, plan: Plan) -> bool:
        """Whether another command, at work on the same grid, has trained it meanwhile."""
        if self._alone or not plan.directory(self.results).exists():
            return False
        with suppress(UserError):  # of a damaged record, which training mends or refuses
            combination.done = plan.is_complete(self.results)
        return combination.done

    def _end(self, number: int, outcome: Outcome) -> None:
        if number in self.left:
            self.left.remove(number)
        self.outcomes[number] = outcome
        self.progress.ended(outcome)
        self._pool(number)

    def _pool(self, number: int) -> None:
        """Join the tests of all folds when the last of this command has ended that a combination is one of."""
        key = self._unfolded[number - 1]
        if key is None:
            return
        folds = [place for place, one in enumerate(self._unfolded, start=1) if one == key]
        ended = [self.outcomes[place] for place in folds if place in self.outcomes]
        done = [outcome for outcome in ended if outcome.record is not None and outcome.record.status == "done"]
        if len(ended) < len(folds) or not done or done[0].record is None:
            return
        made = self._joined(done[0].record)
        for outcome in done:
            outcome.pooled = None if made is None else made[0]
        if made is not None:
            self.progress.pooled(*made)


def run_all(
    combinations: Sequence[Combination],
    results: Path,
    cache: Path,
    plugins: Sequence[str] = (),
    progress: Progress | None = None,
    workers: int = 1,
) -> list[Outcome]:
    """Run what is to be run, and reuse what is there; of several runs, one that fails does not stop the others.

    Several calls may be at work on the same grid: each trains what no other is at, and waits for the rest.

    Args:
        combinations: planned, see `ferbench.experiment.prepare.plan_all`.
        results: the results directory.
        cache: where packed datasets are kept.
        plugins: as ``--plugin`` names them, for processes that this one starts.
        progress: is told of everything; None: nobody is.
        workers: runs of a grid that are trained at once, each in a process of its own.

    Returns:
        What became of them, in the order of the combinations.

    Raises:
        UserError: the only combination cannot run, or no worker can work.
        Exception: whatever a plugin raises in the only combination.
        KeyboardInterrupt: a signal came; the runs are saved.
    """
    silent.clear()  # another call of the same process is another command
    grid = Grid(combinations, results, cache, plugins, progress or Progress())
    if workers > 1 and len(combinations) > 1:
        from ferbench.api.side_by_side import train_all

        train_all(grid, workers)
    while grid.left:
        if (number := grid.next()) is not None:
            grid.train(number)
        elif grid.left:
            time.sleep(LOOK)
    return [outcome for _, outcome in sorted(grid.outcomes.items())]


def refuse_shared(combinations: Sequence[Combination], workers: int) -> None:
    """Refuse several runs at once where a run is over several devices already.

    Raises:
        UserError: naming both numbers.
    """
    recipes = [one.resolved.recipe for one in combinations if one.resolved is not None]
    most = max((recipe.runtime.devices for recipe in recipes), default=1)
    if workers > 1 and most > 1:
        raise UserError(
            f"--workers {workers} with runs over {most} devices: a host is shared out in one way or the other",
            "give --workers alone to train several runs at once, or --devices alone to train each sooner",
        )


def _named(directory: RunDirectory, plan: Plan, progress: Progress) -> Run:
    """The record of a run; one that was there already, in whole or in part, under the name that is asked for now."""
    record, name = directory.load(), plan.resolved.recipe.name
    if name is not None and record.name != name:
        if record.name is not None:
            progress.warn(f"run {directory.path.name}, so far named {one_line(record.name)}, is now named {name}")
        record.name = name
        directory.save(record)
    return record
