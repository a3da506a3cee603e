"""A trial as an ordinary run, in a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ferbench.experiment.plan import Plan
from ferbench.experiment.prepare import Preparer, pack_in
from ferbench.plugin.discovery import load_registry
from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import AtWork
from ferbench.training.loop import Observer, Position
from ferbench.training.run import execute
from ferbench.training.starting import find_start
from ferbench.training.stopping import Pruned
from ferbench.tune.objectives import Objective
from ferbench.tune.worker import Job, Reporter

#: Seconds between two looks at a run that another worker is at work on.
_LOOK = 0.5


def prepare(context: dict[str, Any]) -> Callable[[Job, Reporter], dict[str, Any]]:
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

    def run(job: Job, reporter: Reporter) -> dict[str, Any]:
        planned = preparer.prepare(_placed(job), reads_test=job.test)
        record = _execute(planned, results, objectives, reporter, prunes=not job.test)
        return {"run": planned.directory(results).path.name, **_ending(record, objectives)}

    return run


def _placed(job: Job) -> dict[str, Any]:
    """The settings with the share of the machine that the worker has."""
    runtime = dict(job.settings.get("runtime", {}))
    if job.threads is not None:
        runtime["threads"] = job.threads
    if job.device is not None and runtime.get("device", "auto") == "auto":
        runtime["device"] = job.device
    return {**job.settings, "runtime": runtime}


def _execute(
    planned: Plan, results: Path, objectives: Sequence[Objective], reporter: Reporter, *, prunes: bool
) -> dict[str, Any]:
    directory = planned.directory(results)
    objective = objectives[0] if prunes and len(objectives) == 1 and objectives[0].by_epoch else None
    while True:
        if planned.is_complete(results):
            reporter.past(_history(directory, objective))
            return directory.read()
        try:
            return execute(planned, results, lambda record: _Observer(directory, objective, reporter, record))
        except AtWork:  # the same settings came up twice: what the other makes serves both
            time.sleep(_LOOK)


class _Observer(Observer):
    """Tells the parent of epochs, and ends the run when the parent says so."""

    def __init__(
        self, directory: RunDirectory, objective: Objective | None, reporter: Reporter, record: dict[str, Any]
    ) -> None:
        self._directory = directory
        self._objective = objective
        self._reporter = reporter
        self._epochs = record["recipe"]["training"]["epochs"]

    def resumed(self, at: Position) -> None:
        past = _history(self._directory, self._objective)
        self._reporter.past([one for one in past if one[0] < at.epoch])

    def epoch_ended(self, record: dict[str, Any]) -> None:
        epoch = record["epoch"]
        value = None if self._objective is None else self._objective.of_epoch(record)
        if self._reporter.epoch(epoch, value, f"{epoch}/{self._epochs}") and epoch < self._epochs:
            raise Pruned(f"other trials were better after epoch {epoch}")


def _history(directory: RunDirectory, objective: Objective | None) -> list[tuple[int, float]]:
    """(epoch, value) of the epochs so far that have one."""
    if objective is None:
        return []
    values = ((epoch["epoch"], objective.of_epoch(epoch)) for epoch in directory.history())
    return [(epoch, value) for epoch, value in values if value is not None]


def _ending(record: dict[str, Any], objectives: Sequence[Objective]) -> dict[str, Any]:
    """What the study learns of a run."""
    if record["status"] in ("pruned", "diverged"):
        # A run that diverged says that its settings are bad; one that failed says nothing about them.
        said = record["error"]["message"]
        return {"ending": "pruned", "reason": said if record["status"] == "pruned" else f"diverged: {said}"}
    values = [objective.of_run(record) for objective in objectives]
    if None in values:
        name = objectives[values.index(None)].name
        return {"ending": "failed", "reason": f"the run has no {name}, or it is not finite"}
    return {"ending": "complete", "values": values}
