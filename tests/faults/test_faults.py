"""Runs that are killed, and runs that cannot write; a part of what ``python tests/faults/full.py`` does."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest
from damage import interrupted
from damage import trial as damaged
from disk import FAULTS, KILLED, Disk
from injection import calls, trial, verified
from kills import kill, terminate
from small_run import fresh, run, run_directory

from ferbench.records.run import Failure
from ferbench.runs.directory import RunDirectory

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def count(whole, tmp_path_factory):
    """How many calls of the run change the disk."""
    return len(calls(fresh(tmp_path_factory.mktemp("calls") / "run", whole.directory)))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("share", [0.31, 0.74])
def test_a_run_survives_a_fault_and_ends_with_the_same_bits(whole, count, tmp_path, fault, share):
    assert trial(tmp_path / "trial", whole, round(share * count), fault) is None


def test_a_run_that_ended_early_and_is_killed_as_it_goes_on_is_not_taken_for_a_changed_one(whole, count, tmp_path):
    """What its record covers changes from then on."""
    early = fresh(tmp_path / "early", whole.directory)
    assert run(early, lambda: Disk([early / "results"], at=round(0.6 * count)).install()).code == KILLED
    directory = RunDirectory(run_directory(early))
    record = directory.load()
    record.status, record.finished, record.error = "interrupted", record.started, Failure(message="SIGTERM")
    directory.save(record)
    assert "history.jsonl" in directory.load().files
    assert verified(early) is None
    for at in (4, 9, 14, 20):
        again = tmp_path / str(at)
        shutil.copytree(early, again, symlinks=True)
        assert run(again, lambda at=at, again=again: Disk([again / "results"], at=at).install()).code == KILLED
        assert verified(again, "damaged", False) is None, at
    assert run(again).code == 0
    assert verified(again) is None


@pytest.mark.parametrize("at", [5, 20, 60])
def test_packing_survives_a_full_disk(whole, tmp_path, at):
    assert trial(tmp_path / "trial", whole, at, "ENOSPC from then on", packing=True) is None


def test_calls_of_every_kind_are_watched(whole, tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    seen = Counter(name for name, _ in calls(directory))
    assert {"open", "write", "fsync", "replace", "mkdir", "unlink"} <= set(seen)
    (record,) = directory.glob("results/runs/*/run.json")
    assert json.loads(record.read_text())["status"] == "done"


def test_a_killed_run_goes_on(whole, tmp_path, draw):
    for _ in range(3):
        assert kill(tmp_path / "run", whole, draw).wrong is None


def test_a_terminated_run_goes_on(whole, tmp_path, draw):
    for _ in range(3):
        assert terminate(tmp_path / "run", whole, draw).wrong is None


def test_damaged_checkpoints_are_named_and_the_newest_whole_one_is_used(whole, tmp_path, draw):
    of = interrupted(tmp_path / "interrupted", whole)
    assert run_directory(of.directory).is_dir()
    for _ in range(4):
        files, wrong = damaged(tmp_path / "run", of, whole, draw)
        assert files
        assert wrong is None
