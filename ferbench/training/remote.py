"""A run that another process does: what it is to do, and what its observer is called with, as plain values."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan
from ferbench.experiment.prepare import Preparer, pack_in
from ferbench.experiment.start import Start
from ferbench.plugin.discovery import load_registry
from ferbench.records.epoch import Epoch
from ferbench.runs.directory import RunDirectory
from ferbench.training.observer import Observer
from ferbench.training.position import Position

#: Seconds between two batches that are told of.
_INTERVAL = 0.1


def job_of(plan: Plan) -> dict[str, Any]:
    """What `plan_of` makes this plan of again."""
    settings = plan.resolved.recipe.model_dump(mode="json", by_alias=True)
    given = {key: value for key, value in settings.items() if value is not None}
    given["data"] = {key: value for key, value in given["data"].items() if value is not None}
    weights = {"start": plan.start, "teacher": plan.teacher and plan.teacher.weights}
    plain = {key: one and asdict(one) | {"directory": str(one.directory.path)} for key, one in weights.items()}
    return {"settings": given, **plain, "reads_test": plan.reads_test, "training_id": plan.training_id}


def preparer_for(context: Mapping[str, Any]) -> Preparer:
    """What prepares runs where whoever asks for them has compared every image with its hash, and said all there is.

    Args:
        context: ``cache`` (directory of the packs) and ``plugins`` (as ``--plugin`` names them).
    """
    pack = pack_in(Path(context["cache"]), checked=True)
    return Preparer(load_registry(tuple(context["plugins"])), pack, warn=lambda line: None)


def plan_of(job: Mapping[str, Any], preparer: Preparer) -> Plan:
    """The plan, made anew.

    Raises:
        UserError: it has become another one.
    """
    start, teacher = map(_start_of, (job["start"], job["teacher"]))
    plan = preparer.prepare(job["settings"], start, teacher, reads_test=job["reads_test"])
    if plan.training_id != job["training_id"]:
        raise UserError("the data or a plugin changed while the run started", "give the command again")
    return plan


def _start_of(given: Mapping[str, Any] | None) -> Start | None:
    if given is None:
        return None
    directory, names = RunDirectory(Path(given["directory"])), tuple(given["class_names"])
    return Start(**{**given, "directory": directory, "class_names": names})


class Telling(Observer):
    """Tells what it is called with, for `pass_on`; of batches not more than can be seen.

    Args:
        tell: is given the name of the method and its arguments; first, that the run has begun.
    """

    def __init__(self, tell: Callable[[list[Any]], None]) -> None:
        self._tell, self._told = tell, 0.0
        tell(["began"])

    def planned(self, images: Sequence[int]) -> None:
        self._tell(["planned", list(images)])

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        now = time.monotonic()
        if now - self._told >= _INTERVAL or images == total:
            self._told = now
            self._tell(["batch_done", epoch, images, total, loss])

    def epoch_ended(self, epoch: Epoch) -> None:
        self._tell(["epoch_ended", epoch.plain()])

    def resumed(self, at: Position) -> None:
        self._tell(["resumed", at.epoch, at.batches])

    def stopped(self, epoch: int, reason: str) -> None:
        self._tell(["stopped", epoch, reason])


def pass_on(told: list[Any], observer: Observer) -> None:
    """Call an observer as a `Telling` one was called."""
    match told:
        case ["epoch_ended", plain]:
            observer.epoch_ended(Epoch.model_validate(plain))
        case ["resumed", epoch, batches]:
            observer.resumed(Position(epoch=epoch, batches=batches))
        case ["planned" | "batch_done" | "stopped" as method, *values]:
            getattr(observer, method)(*values)
