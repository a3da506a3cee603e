"""A trial as an ordinary run, in a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ferbench.experiment.plan import Plan
from ferbench.experiment.prepare import Preparer, pack_in
from ferbench.locks import TakenOver
from ferbench.plugin.discovery import load_registry
from ferbench.processes.worker import Parent
from ferbench.records.epoch import Epoch
from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import AtWork
from ferbench.runs.reads import noted_as
from ferbench.training.observer import Observer
from ferbench.training.position import Position
from ferbench.training.run import execute
from ferbench.training.starting import find_start
from ferbench.training.stopping import Pruned
from ferbench.tuning.messages import Job, JobEnded, Progress
from ferbench.tuning.objectives import Objective

#: Seconds between two looks at a run that another worker is at work on.
_LOOK = 0.5


def prepare(context: Mapping[str, Any]) -> Callable[[Job, Parent], JobEnded]:
    """What runs trials.

    Args:
        context: ``results`` and ``cache`` (directories), ``plugins`` (as ``--plugin`` names them), ``objectives``
            (names).
    """
    results = Path(context["results"])
    objectives = tuple(Objective(name) for name in context["objectives"])
    preparer = Preparer(
        load_registry(tuple(context["plugins"])), pack_in(Path(context["cache"])), partial(find_start, results)
    )

    def run(job: Job, parent: Parent) -> JobEnded:
        planned = preparer.prepare(job["settings"], reads_test=job["test"])
        with noted_as("tune"):
            record = _execute(planned, results, objectives, parent, prunes=not job["test"])
        return {**_ending(record, objectives), "run": planned.directory(results).path.name}

    return run


def _execute(planned: Plan, results: Path, objectives: Sequence[Objective], parent: Parent, *, prunes: bool) -> Run:
    directory = planned.directory(results)
    objective = objectives[0] if prunes and len(objectives) == 1 and objectives[0].by_epoch else None
    epochs = planned.resolved.recipe.training.epochs
    while True:
        if planned.is_complete(results):
            _tell_past(parent, _history(directory, objective))
            return directory.load()
        try:
            return execute(planned, results, lambda _: _Observer(directory, objective, parent, epochs))
        except (AtWork, TakenOver):  # the same settings came up twice: what the other makes serves both
            time.sleep(_LOOK)


@dataclass
class _Observer(Observer):
    """Reports epochs to the parent, and ends the run when the parent says so."""

    directory: RunDirectory
    objective: Objective | None
    parent: Parent
    epochs: int

    def resumed(self, at: Position) -> None:
        past = _history(self.directory, self.objective)
        _tell_past(self.parent, [(epoch, value) for epoch, value in past if epoch < at.epoch])

    def epoch_ended(self, epoch: Epoch) -> None:
        number = epoch.epoch
        value = None if self.objective is None else self.objective.of_epoch(epoch)
        ended = Progress(values=[] if value is None else [(number, value)], text=f"{number}/{self.epochs}")
        if value is None:
            self.parent.say(ended)
        elif self.parent.ask(ended, otherwise=False) and number < self.epochs:
            raise Pruned(f"other trials were better after epoch {number}")


def _tell_past(parent: Parent, values: list[tuple[int, float]]) -> None:
    if values:
        parent.say(Progress(values=values, text=""))


def _history(directory: RunDirectory, objective: Objective | None) -> list[tuple[int, float]]:
    """(epoch, value) of the epochs so far that have one."""
    if objective is None:
        return []
    values = ((epoch.epoch, objective.of_epoch(epoch)) for epoch in directory.epochs())
    return [(epoch, value) for epoch, value in values if value is not None]


def _ending(run: Run, objectives: Sequence[Objective]) -> JobEnded:
    """What the study learns of a run."""
    reason = "" if run.error is None else run.error.message
    if run.status in ("pruned", "diverged"):
        # A run that diverged says that its settings are bad; one that failed says nothing about them.
        reason = reason if run.status == "pruned" else f"diverged: {reason}"
        return JobEnded(ending="pruned", values=None, reason=reason, run=None)
    values = [objective.of_run(run) for objective in objectives]
    finite = [value for value in values if value is not None]
    if len(finite) < len(values):
        name = objectives[values.index(None)].name
        reason = f"the run has no {name}, or it is not finite"
        return JobEnded(ending="failed", values=None, reason=reason, run=None)
    return JobEnded(ending="complete", values=finite, reason="", run=None)
