"""One run of a grid after the other, in a worker process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.experiment.prepare import Preparer, pack_in
from ferbench.experiment.start import Start
from ferbench.locks import TakenOver
from ferbench.plugin.discovery import load_registry
from ferbench.processes.worker import Parent
from ferbench.records.epoch import Epoch
from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import AtWork
from ferbench.training.loop import Observer
from ferbench.training.position import Position
from ferbench.training.run import execute

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan

#: Seconds between two batches that are told of.
_INTERVAL = 0.1


def job_of(plan: Plan, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A run as the job of a worker.

    Args:
        plan: of the run.
        settings: raw settings that the plan was made of.
    """
    start = plan.start and asdict(plan.start) | {"directory": str(plan.start.directory.path)}
    return {"settings": settings, "start": start, "training_id": plan.training_id}


def prepare(context: Mapping[str, Any]) -> Callable[[Any, Parent], str]:
    """What trains runs: ``trained``, or ``busy`` where another process is at work on the run.

    Args:
        context: ``results`` and ``cache`` (directories) and ``plugins`` (as ``--plugin`` names them).
    """
    results = Path(context["results"])
    # The parent has compared every image with its hash, and said what there is to say.
    pack = pack_in(Path(context["cache"]), checked=True)
    preparer = Preparer(load_registry(tuple(context["plugins"])), pack, warn=lambda line: None)

    def train(job: Any, parent: Parent) -> str:
        given = job["start"]
        start = given and Start(
            **{**given, "directory": RunDirectory(Path(given["directory"])), "class_names": tuple(given["class_names"])}
        )
        plan = preparer.prepare(job["settings"], start)
        if plan.training_id != job["training_id"]:
            raise UserError("the data or a plugin changed while the grid was trained", "give the command again")
        try:
            execute(plan, results, lambda _: _Telling(parent))
        except (AtWork, TakenOver):
            return "busy"
        return "trained"

    return train


class _Telling(Observer):
    """Tells the parent what it is called with: the method, and its arguments."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._told = 0.0
        parent.say(["began"])

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        now = time.monotonic()
        if now - self._told >= _INTERVAL or images == total:
            self._told = now
            self._parent.say(["batch_done", epoch, images, total, loss])

    def epoch_ended(self, epoch: Epoch) -> None:
        self._parent.say(["epoch_ended", epoch.plain()])

    def resumed(self, at: Position) -> None:
        self._parent.say(["resumed", at.epoch, at.batches])

    def stopped(self, epoch: int, reason: str) -> None:
        self._parent.say(["stopped", epoch, reason])


def pass_on(told: list[Any], observer: Observer) -> None:
    """Call an observer as the worker's was called."""
    match told:
        case ["epoch_ended", plain]:
            observer.epoch_ended(Epoch.model_validate(plain))
        case ["resumed", epoch, batches]:
            observer.resumed(Position(epoch=epoch, batches=batches))
        case ["batch_done" | "stopped" as method, *values]:
            getattr(observer, method)(*values)
