"""Which runs may teach which."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from made_packs import make_pack

from ferbench.data.fit import StoredForm
from ferbench.errors import UserError
from ferbench.experiment.resolve import resolve
from ferbench.experiment.start import Start
from ferbench.experiment.teacher import Teacher, check_lesson, names_run
from ferbench.experiment.trained import RecordedModel
from ferbench.plugin.discovery import load_registry
from ferbench.runs.directory import RunDirectory
from ferbench.task import Task

CLASSES = ("angry", "happy", "sad")
COUNTS = {"train": dict.fromkeys(CLASSES, 2), "test": dict.fromkeys(CLASSES, 2)}


def task(side: int = 16, channels: int = 1) -> Task:
    return Task(CLASSES, channels, side, side, (2, 2, 2))


def teacher(own: Task, form: StoredForm, classes: tuple[str, ...] = CLASSES, doubt: str | None = None) -> Teacher:
    facts = {"name": "old", "training_id": "v1:t", "config_id": "v1:c", "at": "best", "epoch": 3, "sha256": "aa"}
    weights = Start(directory=RunDirectory(Path("old")), given="old@best", class_names=classes, **facts)
    return Teacher(weights, RecordedModel(None, own, (0.0,), (1.0,), form, doubt, {}, None))


def lesson(
    own: Task, form: StoredForm, ours: Task, of_pack: StoredForm | None, smallest: int | None = None, **more
) -> None:
    pack = dataclasses.replace(make_pack(COUNTS, classes=CLASSES), form=of_pack)
    check_lesson(teacher(own, form, **more), ours, pack, smallest or ours.height)


GRAY, COLOUR = StoredForm(1), StoredForm(3)


@pytest.mark.parametrize(
    ("own", "form", "ours", "of_pack"),
    [
        (task(), GRAY, task(), GRAY),
        (task(8), GRAY, task(16), GRAY),
        (task(channels=3), GRAY, task(), GRAY),
        (task(channels=1), COLOUR, task(), GRAY),
        (task(channels=3), COLOUR, task(channels=3), COLOUR),
        (task(), GRAY, task(), None),
    ],
    ids=["alike", "smaller", "gray as three channels", "made gray by the model", "colour", "not known"],
)
def test_a_teacher_that_can_be_shown_what_it_knows_is_taken(own, form, ours, of_pack):
    lesson(own, form, ours, of_pack)


@pytest.mark.parametrize("ours", [(task(), COLOUR), (task(channels=3), GRAY)], ids=["gray model", "gray data"])
def test_a_teacher_for_colours_is_refused_where_there_are_none(ours):
    with pytest.raises(UserError, match="would be shown gray ones"):
        lesson(task(channels=3), COLOUR, *ours)
    lesson(task(channels=3), COLOUR, *ours, doubt="an older record does not say")


def test_a_teacher_for_larger_images_is_refused_where_the_data_has_them():
    side = make_pack(COUNTS, classes=CLASSES).images.shape[-1]
    with pytest.raises(UserError, match="though the data has larger ones") as refused:
        lesson(task(side), GRAY, task(side), GRAY, smallest=side // 2)
    assert f"data.image_size={side}" in refused.value.remedy
    lesson(task(4 * side), GRAY, task(side), GRAY)


def test_images_that_are_brought_to_one_size_in_another_way_are_refused():
    with pytest.raises(UserError, match="fit=pad, and here they are with fit=crop"):
        lesson(task(), StoredForm(1, (32, 32), "pad"), task(), StoredForm(1, (32, 32), "crop"))


def test_a_teacher_of_images_with_other_preprocessing_is_refused():
    registry = load_registry(environ={"FERBENCH_PLUGINS": ""})

    def step(share: float):
        recipe = {"preprocessing": {"name": "centre-crop", "share": share}}
        return resolve(recipe, registry).components["preprocessing"]

    pack = make_pack(COUNTS, classes=CLASSES)
    plain = teacher(task(), GRAY)
    cropped = dataclasses.replace(plain, model=dataclasses.replace(plain.model, preprocessing=step(0.5).describe()))
    check_lesson(cropped, task(), pack, 16, step(0.5))
    with pytest.raises(UserError, match="no preprocessing, and would be shown ones with 'centre-crop'"):
        check_lesson(plain, task(), pack, 16, step(0.5))
    for other in (None, step(0.8)):
        with pytest.raises(UserError, match="with 'centre-crop' preprocessing, and would be shown") as refused:
            check_lesson(cropped, task(), pack, 16, other)
        assert "--preprocessing centre-crop" in refused.value.remedy


def test_other_classes_are_refused_and_another_order_is_not():
    lesson(task(), GRAY, task(), GRAY, classes=("sad", "angry", "happy"))
    with pytest.raises(UserError, match="knows other classes: angry, happy, neutral; here they are angry, happy, sad"):
        lesson(task(), GRAY, task(), GRAY, classes=("angry", "happy", "neutral"))


def test_an_average_is_no_run():
    assert [names_run(who) for who in (None, "ema", "ema@best", "old")] == [False, False, True, True]


@pytest.fixture(scope="module")
def registry():
    return load_registry(environ={"FERBENCH_PLUGINS": ""})


@pytest.mark.parametrize(
    ("loss", "training", "said"),
    [
        ("distillation", {}, "loss 'distillation' needs a teacher, and there is none"),
        ("cross-entropy", {"teacher": "ema"}, "loss 'cross-entropy' has no use for a teacher"),
        ("distillation", {"teacher": "old", "teacher_decay": 0.9}, "which is not asked for"),
        ("cross-entropy", {"teacher_decay": 0.9}, "which is not asked for"),
        ("distillation", {"teacher": " "}, "name a run, or 'ema'"),
    ],
)
def test_a_teacher_that_nobody_listens_to_and_one_that_is_missing_are_refused(loss, training, said, registry):
    with pytest.raises(UserError, match="teacher") as refused:
        resolve({"loss": {"name": loss}, "training": training}, registry)
    assert said in f"{refused.value.message}"
