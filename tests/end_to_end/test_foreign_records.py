"""Run directories from elsewhere: what their records ask for outside is not done, and said."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from record_files import write_record

from ferbench.runs.directory import RunDirectory
from ferbench.training.interruption import Interrupted
from ferbench.training.saving import RunSaver

PLUGIN = """
import ferbench
from pathlib import Path

@ferbench.hookimpl
def ferbench_trackers():
    yield ferbench.TrackerSpec("spy", build="spy:Spy", summary="Writes a file")

class Spy:
    def __init__(self, *, path: str = "spied"):
        Path(path).write_text("")
"""
SETS = {
    "dataset.train": "60",
    "dataset.test": "30",
    "dataset.size": "16",
    "data.image_size": "8",
    "training.epochs": "3",
}
TINY = [part for key, value in SETS.items() for part in ("--set", f"{key}={value}")]
HERE = ["--results", "r", "--cache", "c", "--quiet", "--plugin", "spy.py"]


@pytest.fixture
def call(ferbench_cli, tmp_path):
    (tmp_path / "spy.py").write_text(PLUGIN)
    return lambda *args: ferbench_cli(*args, *HERE)


@pytest.fixture
def stopped(call, monkeypatch):
    """The record of a run that ended early, which then asks for a tracker."""
    real = RunSaver.epoch_done

    def stop(self, training, improved):
        real(self, training, improved)
        if training.at.epoch == 2:
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "epoch_done", stop)
    assert call("run", "--model", "basic-cnn", *TINY, "--name", "mine", "--no-report").exit_code != 0
    monkeypatch.setattr(RunSaver, "epoch_done", real)
    (path,) = Path("r/runs").glob("*/run.json")
    record = json.loads(path.read_text())
    record["recipe"]["trackers"] = [{"name": "spy", "path": "there, outside"}]
    write_record(RunDirectory(path.parent), record)
    return path


def test_resume_goes_on_without_the_trackers_of_the_record_and_gives_the_command_that_has_them(
    stopped, call, ferbench_cli
):
    done = call("resume", "mine")
    assert done.exit_code == 0, done.stderr
    assert not Path("there, outside").exists()
    (said,) = [line for line in done.stderr.splitlines() if "does not decide" in line]
    assert "trackers" in said
    again = shlex.split(said.partition("say ")[2])
    assert again[:2] == ["ferbench", "resume"]
    stopped.with_name("checkpoints").joinpath("best.json").unlink()  # so that there is something left to do
    assert ferbench_cli(*again[1:], "--cache", "c").exit_code == 0
    assert Path("there, outside").exists()


def test_a_run_from_another_has_trackers_of_its_own_command_alone(stopped, call):
    child = call("run", "--from", "mine", "--set", "training.epochs=1", "--no-report")
    assert child.exit_code == 0, child.stderr
    assert not Path("there, outside").exists()
    assert "add --tracker" in child.stderr
    told = call("run", "--from", "mine", "--seed", "3", "--set", "training.epochs=1", "--tracker", "spy", "--no-report")
    assert "does not decide" not in told.stderr
    assert Path("spied").exists()


def test_places_that_the_user_never_named_are_not_read(stopped, call):
    record = json.loads(stopped.read_text())
    del record["recipe"]["trackers"]
    record["recipe"]["data"]["exclude"] = "secret.csv"
    record["recipe"]["model"] |= {"weights": "evil.pth", "allow_pickled_weights": True}
    write_record(RunDirectory(stopped.parent), record)
    Path("secret.csv").write_text("id\n")
    Path("evil.pth").write_bytes(b"no pickle")
    done = call("resume", "mine")
    (said,) = [line for line in done.stderr.splitlines() if "does not decide" in line]
    for flag in ("data.exclude=secret.csv", "model.weights=evil.pth", "model.allow_pickled_weights=true"):
        assert f"--set {flag}" in said
    assert "reading pickled weights" not in done.stderr


def test_resume_takes_no_setting_that_the_record_has_already(stopped, call):
    refused = call("resume", "mine", "--set", "training.epochs=9")
    assert refused.exit_code == 2
    assert "goes on with the settings that it began with" in refused.stderr
