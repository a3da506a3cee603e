"""Trains the combinations of a grid, one after the other, and says what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.plugin.culprit import in_a_line
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan
    from ferbench.experiment.prepare import Combination
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.records.run import Run
    from ferbench.runs.directory import RunDirectory
    from ferbench.training.loop import Observer


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
    """

    combination: Combination
    status: str
    directory: RunDirectory | None = None
    record: Run | None = None
    reused: bool = False
    reason: str | None = None
    error: BaseException | None = None

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
            "skipped_faulty": record.data.skipped_faulty,
            "excluded": record.data.excluded,
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
        """A run begins: give what observes its epochs, entered while it is trained.

        Args:
            number: of the combination among all, from 1.
            combination: what is run; its plan is known.
        """
        from ferbench.training.loop import Observer

        return nullcontext(Observer())

    def ended(self, outcome: Outcome) -> None:
        """A combination was run, reused or skipped, or it failed."""

    def interrupted(self, run: str) -> None:
        """Ctrl-C or a signal came while a run was trained; the same call goes on with it."""

    def warn(self, line: str) -> None:
        """Something that the user should know."""


def run_all(
    combinations: Sequence[Combination],
    results: Path,
    cache: Path,
    plugins: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[Outcome]:
    """Run what is to be run, and reuse what is there; of several runs, one that fails does not stop the others.

    Args:
        combinations: planned, see `ferbench.experiment.prepare.plan_all`.
        results: the results directory.
        cache: where packed datasets are kept.
        plugins: as ``--plugin`` names them, for runs on several devices.
        progress: is told of everything; None: nobody is.

    Raises:
        UserError: the only combination cannot run.
        Exception: whatever a plugin raises in the only combination.
        KeyboardInterrupt: a signal came; the run is saved.
    """
    progress = progress or Progress()
    outcomes: list[Outcome] = []
    warned: set[str | None] = {None}
    for number, combination in enumerate(combinations, start=1):
        plan = combination.plan
        if plan is None or combination.skip:
            outcome = Outcome(combination, "skipped", reason=combination.skip, error=combination.error)
        else:
            directory = plan.directory(results)
            try:
                if not combination.done:
                    _train(number, combination, plan, (results, cache, plugins), progress, warned)
                record = _named(directory, plan, progress)
                reason = None if record.error is None else record.error.message
                outcome = Outcome(combination, record.status, directory, record, combination.done, reason)
            except KeyboardInterrupt:
                progress.interrupted(directory.path.name)
                raise
            except Exception as error:
                if len(combinations) == 1:
                    raise
                reason = error.message if isinstance(error, UserError) else in_a_line(error)
                outcome = Outcome(combination, "failed", directory, reason=reason, error=error)
        outcomes.append(outcome)
        progress.ended(outcome)
    return outcomes


def _train(
    number: int,
    combination: Combination,
    plan: Plan,
    places: tuple[Path, Path, Sequence[str]],
    progress: Progress,
    warned: set[str | None],
) -> None:
    """Train one combination; what has been warned of already is not said again."""
    from ferbench.experiment.plan import single_update

    results, cache, plugins = places
    with ExitStack() as stack:

        def observer_for(record: Any) -> Observer:
            warning = single_update(plan)
            if warning is not None and warning not in warned:
                progress.warn(warning)
            warned.add(warning)
            return stack.enter_context(progress.begins(number, combination))

        from ferbench.training.rank_launch import execute

        execute(plan, results, observer_for, cache=cache, plugins=plugins)


def _named(directory: RunDirectory, plan: Plan, progress: Progress) -> Run:
    """The record of a run; one that was there already, in whole or in part, under the name that is asked for now."""
    record, name = directory.load(), plan.resolved.recipe.name
    if name is not None and record.name != name:
        if record.name is not None:
            progress.warn(f"run {directory.path.name}, so far named {one_line(record.name)}, is now named {name}")
        record.name = name
        directory.save(record)
    return record
