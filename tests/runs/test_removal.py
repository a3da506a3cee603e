"""Runs that go for good, also where an earlier removal was cut short."""

from __future__ import annotations

import shutil

import pytest
from made_runs import make_run

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory
from ferbench.runs.removal import find_to_remove, remove
from ferbench.runs.verify import verify


@pytest.fixture
def half(tmp_path, monkeypatch):
    """A run whose removal was cut short."""
    run = make_run(tmp_path, name="one")

    def killed(path):
        next(path.glob("history.jsonl")).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", killed)
        remove(tmp_path, run)
    assert not run.path.exists()
    return run


def hidden(results):
    return [path for path in (results / "runs").iterdir() if ".removing-" in path.name]


def test_what_is_half_removed_is_said_to_be_so_and_not_to_be_put_back(half, tmp_path):
    (left,) = hidden(tmp_path)
    (found,) = verify(RunDirectory(left))
    assert found.what == "it is half removed"
    assert found.remedy == f"'ferbench runs rm {half.path.name}' ends that"


def test_the_removal_is_ended_by_the_same_command(half, tmp_path):
    remove(tmp_path, find_to_remove(tmp_path, half.path.name))
    assert list((tmp_path / "runs").iterdir()) == []
    with pytest.raises(UserError, match="there is no run"):
        find_to_remove(tmp_path, half.path.name)


def test_a_run_that_was_made_again_goes_with_what_was_left_of_it(half, tmp_path):
    again = make_run(tmp_path, name="one")
    assert again.path == half.path
    remove(tmp_path, find_to_remove(tmp_path, "one"))
    assert list((tmp_path / "runs").iterdir()) == []
