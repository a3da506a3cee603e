"""The finished run that teaches another one, ``training.teacher``, and whether it can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ferbench.data.pack import Pack
from ferbench.errors import UserError
from ferbench.experiment.recipe import AVERAGE
from ferbench.experiment.resolve import ChosenComponent, ResolvedRecipe
from ferbench.experiment.start import Start, said_start, split_point
from ferbench.experiment.trained import RecordedModel, recorded_model
from ferbench.plugin.discovery import Registry
from ferbench.records.run import Component as Used
from ferbench.records.run import Run
from ferbench.task import Task


@dataclass(frozen=True)
class Teacher:
    """A finished run at one of its checkpoints, whose predictions another run learns from.

    Attributes:
        weights: which run, and which of its weights.
        model: what they are put into; None where the run is not there any more.
    """

    weights: Start
    model: RecordedModel | None


def names_run(teacher: str | None) -> bool:
    """Whether ``training.teacher`` is a run."""
    return teacher not in (None, AVERAGE)


def find_teacher(given: str, find_start: Callable[[str], Start]) -> Start:
    """The weights that ``training.teacher`` names, of a run that is done.

    Raises:
        UserError: there are none, or the run is not done.
    """
    run, point = split_point(given, "best")
    found = find_start(f"{run}@{point}")
    status = found.directory.load().status
    if status != "done":
        raise UserError(
            f"training.teacher = '{given}': that run is not finished, its status is '{status}'",
            "finish it with the same 'ferbench run' command, or name another one",
        )
    return found


def recorded_teacher(results: Path, record: Run) -> Start | None:
    """The teacher of a run by its own record, whether it is still there or not; None: no run teaches it.

    Raises:
        UserError: the record does not say all of it.
    """
    given = record.recipe.training.get("teacher")
    if not isinstance(given, str) or not names_run(given):
        return None
    found = said_start(results, given, record.lineage.teacher, tuple(record.data.class_names))
    if found.directory.exists():  # its outputs may stand in another order than this run's
        return replace(found, class_names=tuple(found.directory.load().data.class_names))
    return found


def teacher_of(weights: Start, registry: Registry) -> Teacher:
    """A run as a teacher.

    Raises:
        UserError: its model's plugin is not loaded.
    """
    if not weights.directory.exists():  # refused when it is to teach
        return Teacher(weights, None)
    record = weights.directory.load()
    return Teacher(weights, recorded_model(record, weights.directory.path.name, registry))


def taught(resolved: ResolvedRecipe, weights: Start) -> ResolvedRecipe:
    """A recipe that names its teacher for good, with an id and a point."""
    training = resolved.recipe.training.model_copy(update={"teacher": weights.given})
    return replace(resolved, recipe=resolved.recipe.model_copy(update={"training": training}))


def check_lesson(
    teacher: Teacher, task: Task, pack: Pack, smallest: int, preprocessing: ChosenComponent | None = None
) -> None:
    """Refuse a teacher that knows other classes, or would see other images than those that it was trained on.

    Args:
        teacher: the run.
        task: of the run that it teaches.
        pack: the data of that run.
        smallest: the least side of its training images in pixels.
        preprocessing: what is done to them before they are stored; None: nothing.

    Raises:
        UserError: saying what cannot be right.
    """
    who = f"the teacher {teacher.weights.label}"
    theirs, ours = teacher.weights.class_names, task.class_names
    if sorted(theirs) != sorted(ours):
        raise UserError(
            f"{who} knows other classes: {', '.join(theirs)}; here they are {', '.join(ours)}",
            "choose its classes with data.classes, or another teacher",
        )
    if teacher.model is None:
        return
    own, form = teacher.model.task, teacher.model.form
    colors = min(task.channels, 3 if pack.form is None else pack.form.channels)
    if teacher.model.doubt is None and min(own.channels, form.channels) > colors:
        raise UserError(
            f"{who} was trained on images in colour, and would be shown gray ones here",
            "set data.channels=3 and read the data in colour, or choose a teacher for gray images",
        )
    side, stored = min(own.height, own.width), min(pack.images.shape[-2:])
    if smallest < min(side, stored):
        raise UserError(
            f"{who} was trained on images of {own.height}×{own.width}, and would be shown ones of "
            f"{smallest}×{smallest} here, though the data has larger ones",
            f"set data.image_size={side} and leave training.start_size out, or choose a teacher for smaller images",
        )
    if pack.form is not None and None not in (pack.form.size, form.size) and pack.form.fit != form.fit:
        raise UserError(
            f"{who} was trained on images brought to one size with fit={form.fit}, and here they are with "
            f"fit={pack.form.fit}",
            f"say --set dataset.fit={form.fit}, or choose another teacher",
        )
    before, here = teacher.model.preprocessing, None if preprocessing is None else preprocessing.describe()
    if _step(before) != _step(here):
        raise UserError(
            f"{who} was trained on images with {_said(before)} preprocessing, "
            f"and would be shown ones with {_said(here)}",
            f"say --preprocessing {'none' if before is None else before.name} with the same options, or choose another "
            "teacher",
        )


def _step(used: Used | None) -> tuple[object, ...] | None:
    """What makes two preprocessing steps the same, whatever their versions."""
    if used is None:
        return None
    return (used.distribution, used.name, used.options, [_step(member) for member in (used.members or {}).values()])


def _said(used: Used | None) -> str:
    return "no" if used is None else f"'{used.name}'"
