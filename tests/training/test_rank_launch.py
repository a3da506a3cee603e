"""What the process that starts torchrun for a run makes of what it hears."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ferbench.errors import UserError
from ferbench.training import torchrun
from ferbench.training.observer import Observer
from ferbench.training.rank_launch import _follow, execute
from ferbench.training.rank_messages import RankFailed
from ferbench.training.torchrun import Place


def heard(*messages: list, code: int = 0) -> tuple[Exception | None, int]:
    """Why the run has failed, and how many observers there were."""
    made: list[Observer] = []

    def make() -> Observer:
        made.append(Observer())
        return made[-1]

    failure = _follow(SimpleNamespace(stdout=map(json.dumps, messages), wait=lambda: code), 2, make)
    return failure, len(made)


def test_there_is_one_observer_however_often_a_run_begins_and_none_of_one_that_did_not():
    assert heard(["began"], ["stopped", 2, "no gain"], ["began"], ["over", None]) == (None, 1)
    failure, observers = heard(["over", {"message": "no data", "remedy": "give some"}])
    assert isinstance(failure, UserError)
    assert observers == 0


def test_a_process_that_was_killed_is_named():
    error, _ = heard(["began"], ["ended", 1, -9, "a line"])
    assert isinstance(error, UserError)
    assert error.message == "device 2 of 2: the process ended with SIGKILL"
    assert "memory may have run out" in error.remedy


def test_a_process_that_ended_by_itself_is_named_with_its_last_line():
    error, _ = heard(["ended", 1, 3, "fatal: no more"])
    assert isinstance(error, RankFailed)
    assert str(error) == "device 2 of 2: the process ended with exit code 3: fatal: no more"
    assert str(heard()[0]) == "device 1 of 2: the process ended with exit code 0"
    assert heard(code=-9)[0].message == "torchrun ended with SIGKILL"


@pytest.mark.parametrize("devices", [1, 3])
def test_another_number_than_torchruns_is_refused(devices, tmp_path, monkeypatch):
    monkeypatch.setattr(torchrun, "place", lambda: Place(0, 2, 0, 2))
    recipe = SimpleNamespace(runtime=SimpleNamespace(devices=devices))
    plan = SimpleNamespace(resolved=SimpleNamespace(recipe=recipe))
    with pytest.raises(UserError, match=f"torchrun has started 2 processes, but runtime.devices is {devices}"):
        execute(plan, tmp_path, None, cache=tmp_path)
