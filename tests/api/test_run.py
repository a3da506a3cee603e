"""Training from Python."""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from ferbench.api.conduct import Outcome, Progress
from ferbench.api.places import data_places
from ferbench.api.run import run
from ferbench.errors import UserError
from ferbench.experiment.request import Flags
from ferbench.kinds import SECTIONS

TINY = {
    "dataset.train": 60,
    "dataset.test": 14,
    "data.image_size": 16,
    "training.epochs": 1,
    "training.batch_size": np.int64(16),
    "runtime.threads": 1,
}


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERBENCH_PLUGINS", "")
    return {"results": tmp_path / "results", "cache": tmp_path / "cache"}


class Told(Progress):
    def __init__(self):
        self.begun, self.outcomes, self.lines = [], [], []

    def begins(self, number, combination):
        self.begun.append((number, combination.label))
        return super().begins(number, combination)

    def ended(self, outcome: Outcome):
        self.outcomes.append(outcome)

    def warn(self, line):
        self.lines.append(line)


def test_models_and_seeds_make_a_grid_that_is_reused(places):
    told = Told()
    asked = {"model": ["linear", "basic-cnn"], "seed": (0, 1), "settings": TINY, "name": "mine", **places}
    runs = run(**asked, progress=told)
    records = [one.record for one in runs]
    assert [(one.recipe.model.name, one.seed, one.name) for one in records] == [
        ("linear", 0, "mine-linear-s0"),
        ("linear", 1, "mine-linear-s1"),
        ("basic-cnn", 0, "mine-basic-cnn-s0"),
        ("basic-cnn", 1, "mine-basic-cnn-s1"),
    ]
    assert all(one.status == "done" for one in records)
    assert [number for number, _ in told.begun] == [1, 2, 3, 4]
    assert told.begun[3][1] == "synthetic-faces × basic-cnn × cross-entropy × shuffled, seed 1"
    assert [one.combination.varied for one in told.outcomes][3] == {"model": "basic-cnn", "training.seed": 1}
    again = Told()
    assert [one.path for one in run(**asked, progress=again)] == [one.path for one in runs]
    assert again.begun == []
    assert all(outcome.reused for outcome in again.outcomes)


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ("a=b", {"path": str(Path("a=b").absolute())}),
        (Path("x"), {"path": "x"}),
        ({"fer2013": Path("x")}, {"paths": {"fer2013": "x"}}),
    ],
)
def test_places_of_files_are_never_taken_for_something_else(data, settings):
    (asked,) = Flags({"dataset": ["fer2013"]}, data_places(data)).over({})
    assert asked["data"] == settings


def test_a_recipe_is_read_and_lists_are_taken_as_they_are(places):
    Path("recipe.toml").write_text('[model]\nname = "linear"\n[training]\nepochs = 3\n')
    (first, second) = run(
        recipe="recipe.toml",
        settings={**TINY, "data.classes": ("happy", "sad")},
        grid={"optimizer.lr": [0.1, 0.01]},
        **places,
    )
    assert first.record.data.class_names == ["happy", "sad"]
    assert [one.record.components["optimizer"].options["lr"] for one in (first, second)] == [0.1, 0.01]
    assert first.record.training.epochs == 1


def test_one_that_cannot_run_is_warned_of_and_the_others_run(places):
    with pytest.warns(UserWarning, match=r"linear.* was skipped: unknown option 'dropout'"):
        runs = run(model=["linear", "basic-cnn"], grid={"model.dropout": [0.1]}, settings=TINY, **places)
    assert [one.record.recipe.model.name for one in runs] == ["basic-cnn"]


def test_every_fold_is_run(places):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = run(
            model="linear",
            folds=2,
            settings={**TINY, "data.classes": ["happy", "sad"], "training.batch_size": 4},
            **places,
        )
    assert [one.record.data.fold for one in runs] == ["1/2", "2/2"]


@pytest.mark.parametrize(
    ("asked", "message", "remedy"),
    [
        ({"modell": "linear"}, "ferbench.run takes no 'modell'", "did you mean 'model'?"),
        ({"model": "lineer"}, "unknown model 'lineer'", "did you mean 'linear'?"),
        ({"settings": {"training.epoch": 1}}, "unknown option 'epoch' for [training]", "did you mean 'epochs'?"),
        ({"settings": {"training.epochs": -1}}, "training.epochs = -1: must be at least 0", "set training.epochs"),
        ({"settings": {"epochs": 1}}, "there is no section 'epochs'", "sections"),
        ({"grid": {"training.sead": [1]}}, "unknown option 'sead' for [training]", "did you mean 'seed'?"),
        ({"settings": {"training.select": "f2"}}, "training.select = 'f2' is no metric", "choose"),
        ({"dataset": "folder"}, "dataset 'folder' needs to know where its files are", "--data"),
        ({"name": "a b"}, "run name 'a b' is not usable", "letters"),
    ],
)
def test_mistakes_are_the_users_and_nothing_is_written(places, asked, message, remedy):
    with pytest.raises(UserError) as error:
        run(**asked, **places)
    assert message in error.value.message
    assert remedy in error.value.remedy
    assert not places["results"].exists()


def test_help_shows_a_parameter_for_each_section():
    assert list(inspect.signature(run).parameters)[: len(SECTIONS)] == list(SECTIONS)


def test_it_is_the_run_of_the_command(places, ferbench_cli):
    (directory,) = run(model="linear", settings=TINY, **places)
    sets = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    where = ["--results", str(places["results"]), "--cache", str(places["cache"])]
    (outcome,) = json.loads(ferbench_cli("run", "--model", "linear", *sets, *where, "--json", "--no-report").stdout)
    assert outcome["reused"]
    assert Path(outcome["directory"]) == directory.path
