"""What ranks tell each other, and whoever has started them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ferbench.data.pack_cache import pack_dataset
from ferbench.errors import UserError
from ferbench.experiment.prepare import Preparer, pack_in
from ferbench.experiment.start import Start
from ferbench.plugin.discovery import load_registry
from ferbench.runs.directory import RunDirectory
from ferbench.training.rank_messages import RankFailed, Setup, exception_of, failure_of
from ferbench.training.ranks import OutOfMemory
from ferbench.training.torchrun import Place

FIRST, SECOND = Place(0, 2, 0, 2, True), Place(1, 2, 1, 2, True)


def told(error: BaseException, place: Place = SECOND) -> Exception:
    return exception_of(failure_of(error, place).encode())


def test_errors_of_users_are_raised_again_and_others_name_the_device():
    error = told(UserError("no data", "give some"))
    assert isinstance(error, UserError)
    assert (error.message, error.remedy) == ("no data", "give some")
    error = told(ZeroDivisionError("by zero"))
    assert isinstance(error, RankFailed)
    assert str(error) == "device 2 of 2: ZeroDivisionError: by zero"
    assert "ZeroDivisionError" in error.__notes__[0]
    assert [str(told(error, FIRST)), *told(error, FIRST).__notes__] == [str(error), *error.__notes__]


def test_memory_that_ran_out_is_told_with_how_much_was_too_much():
    error = told(OutOfMemory(48))
    assert isinstance(error, OutOfMemory)
    assert error.size == 48
    assert isinstance(told(MemoryError("no room")), UserError)


@pytest.fixture(scope="module")
def prepares(tmp_path_factory) -> Preparer:
    cache = tmp_path_factory.mktemp("cache")
    registry = load_registry()
    dataset = registry.find("dataset", "synthetic-faces").builder()(None, train=20, test=7, size=16)
    pack_dataset(dataset, name="synthetic-faces", cache=cache)
    return Preparer(registry, pack_in(cache))


def test_a_setup_makes_the_same_plan_again(prepares, tmp_path):
    tables = {"dataset": {"train": 20, "test": 7, "size": 16}, "model": {"name": "linear"}}
    start = Start(RunDirectory(tmp_path / "runs" / "a"), "a@best", None, "v1:t", "v1:c", "best", 3, "ab12", ("happy",))
    plan = prepares.prepare(tables, None)
    setup = Setup.of(plan, tmp_path, Path(), [])
    assert Setup(**json.loads(json.dumps(asdict(setup)))) == setup
    assert setup.settings["runtime"]["devices"] == 1
    plan = replace(plan, start=start)
    again = Setup.of(plan, tmp_path, Path(), []).start
    assert again["directory"] == str(start.directory.path)
    assert json.loads(json.dumps(again))["class_names"] == ["happy"]


def test_a_plan_that_became_another_is_refused(prepares, tmp_path, monkeypatch):
    tables = {"dataset": {"train": 20, "test": 7, "size": 16}, "model": {"name": "linear"}}
    setup = Setup.of(prepares.prepare(tables, None), tmp_path, tmp_path, [])
    monkeypatch.setattr("ferbench.experiment.prepare.pack_in", lambda cache, checked: prepares.pack)
    changed = Setup(**{**asdict(setup), "training_id": "v1:another"})
    with pytest.raises(UserError, match="changed while the run started"):
        changed.plan()
