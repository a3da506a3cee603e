"""What ``ferbench doctor`` says of a results directory, and what it mends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple

import pytest
from made_runs import make_run

from ferbench.doctor.results_directory import check_results
from ferbench.runs.lock import holder_path, lock_path, only_writer
from ferbench.staging import staging_path


def problems(results):
    return [one.what for one in check_results(results) if one.level == "problem"]


def mend(results):
    for one in check_results(results):
        if one.fix is not None:
            one.fix()


def aged(path, content=b"half"):
    path.write_bytes(content)
    then = time.time() - 3600
    os.utime(path, (then, then))
    return path


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, name="one")


def test_results_in_order_have_no_problems(tmp_path, run):
    with only_writer(run):
        pass  # leaves its lock's file, which is no finding
    (found,) = check_results(tmp_path)
    assert found.level == "ok"
    assert "1 runs, " in found.what


def test_there_need_be_no_results(tmp_path):
    assert problems(tmp_path / "nothing") == []


def test_what_is_left_of_a_removed_run_is_removed(tmp_path, run):
    hidden = run.path.with_name(f".{run.path.name}.removing-0a1b2c3d")
    run.path.rename(hidden)
    (what,) = problems(tmp_path)
    assert str(hidden) in what
    mend(tmp_path)
    assert not hidden.exists()
    assert problems(tmp_path) == []


def test_the_lock_of_a_run_that_is_gone_is_removed(tmp_path, run):
    with only_writer(run):
        pass
    shutil.rmtree(run.path)
    assert problems(tmp_path) == [f"{lock_path(run)} is the lock of a run that is not there"]
    mend(tmp_path)
    assert not lock_path(run).exists()


def test_the_holder_that_a_killed_process_left_is_removed(tmp_path, run):
    code = (
        "import os, signal, sys; from pathlib import Path; from ferbench.runs.directory import RunDirectory\n"
        "from ferbench.runs.lock import only_writer\n"
        "with only_writer(RunDirectory(Path(sys.argv[1]))): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(run.path)], check=False)
    assert problems(tmp_path) == [f"{holder_path(run)}: the process that it names is gone"]
    mend(tmp_path)
    assert not holder_path(run).exists()
    assert lock_path(run).exists()
    assert run.exists()


def test_what_a_process_left_that_died_while_it_took_over_is_removed(tmp_path, run):
    claim = run.path.parent / f".{run.path.name}.holder.json.0123456789abcdef.claim"
    claim.write_bytes(b"half")
    assert problems(tmp_path) == []  # it may be alive
    aged(claim)
    assert problems(tmp_path) == [f"{claim} was left behind by a process that died while it took a lock over"]
    mend(tmp_path)
    assert not claim.exists()


def test_the_staging_that_a_process_left_that_died_as_it_gave_a_lock_up_is_removed(tmp_path, run):
    left = staging_path(lock_path(run))
    (left / "0123456789abcdef").mkdir(parents=True)
    aged(left / "0123456789abcdef" / "half")
    assert problems(tmp_path) == []  # it may be alive
    os.utime(left, (1, 1))
    what = f"{left} was left behind by a process that died while it took a lock, or gave it up"
    assert problems(tmp_path) == [what]
    mend(tmp_path)
    assert not left.exists()
    assert problems(tmp_path) == []


def test_the_holder_that_a_killed_process_left_of_a_study_is_removed(tmp_path, run):
    holder = tmp_path / "studies" / "0123456789ab" / ".holder.json"
    holder.parent.mkdir(parents=True)
    aged(holder, b'{"host": "gone", "pid": 7, "since": "2026", "machine": "gone", "born": "1"}')
    assert problems(tmp_path) == [f"{holder}: the process that it names is gone"]
    mend(tmp_path)
    assert not holder.exists()
    assert problems(tmp_path) == []


def test_nothing_of_a_run_that_is_being_written_is_touched(tmp_path, run):
    left = aged(run.path / ".run.json.0a1b.tmp")
    with only_writer(run):
        assert problems(tmp_path) == []
        mend(tmp_path)
        assert left.exists()
        assert holder_path(run).exists()


@pytest.mark.parametrize(
    "place", ["runs/ID/.run.json.0a.tmp", "runs/ID/checkpoints/.best.json.0a.tmp", ".index.json.0a.tmp"]
)
def test_temporary_files_are_removed(tmp_path, run, place):
    path = tmp_path / place.replace("ID", run.path.name)
    path.parent.mkdir(exist_ok=True)
    aged(path)
    assert problems(tmp_path) == [f"{path} was left behind by a write that was cut short"]
    mend(tmp_path)
    assert not path.exists()
    assert run.exists()


def test_a_temporary_file_that_may_be_in_use_is_left_alone(tmp_path, run):
    path = tmp_path / ".index.json.0a.tmp"
    path.write_bytes(b"half")
    assert problems(tmp_path) == []


def test_a_run_that_nobody_is_at_work_on_is_named_with_both_ways_out(tmp_path):
    run = make_run(tmp_path, name="lost", status="running")
    (found,) = [one for one in check_results(tmp_path) if one.level == "problem"]
    assert run.path.name in found.what
    assert f"ferbench resume {run.path.name}" in found.remedy
    assert f"ferbench runs rm {run.path.name}" in found.remedy
    assert found.fix is None
    with only_writer(run):
        assert problems(tmp_path) == []


def test_damaged_records_and_missing_ones_are_named(tmp_path, run):
    other = make_run(tmp_path, name="two", seed=1)
    run.record_path.write_text("{")
    other.record_path.unlink()
    found = sorted(problems(tmp_path))
    assert any(what.startswith(f"run {run.path.name} is damaged: ") for what in found)
    assert f"run {other.path.name} has no record" in found
    assert len(found) == 2


def test_links_are_named(tmp_path, run):
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / run.path.name
    run.path.rename(moved)
    run.path.symlink_to(moved)
    (tmp_path / "reports").symlink_to(tmp_path / "elsewhere")
    found = problems(tmp_path)
    assert len(found) == 2
    assert all("symbolic link" in what for what in found)


def test_what_is_no_run_is_only_noted(tmp_path, run):
    (run.path.parent / "my notes").mkdir()
    assert problems(tmp_path) == []
    assert [one.what for one in check_results(tmp_path) if one.level == "note"] == [
        f"{run.path.parent / 'my notes'} is no run"
    ]


def test_a_damaged_index_is_only_noted(tmp_path, run):
    (tmp_path / ".index.json").write_text("{}")
    notes = [one.what for one in check_results(tmp_path) if one.level == "note"]
    assert notes == [f"{tmp_path / '.index.json'} is damaged or of another release"]


def test_a_full_disk_is_a_problem(tmp_path, run, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    (what,) = problems(tmp_path)
    assert "1.0 kB of room" in what
    assert "needs 200 MB" in what


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_a_problem(tmp_path, run):
    tmp_path.chmod(0o555)
    try:
        assert any("cannot be written" in what for what in problems(tmp_path))
    finally:
        tmp_path.chmod(0o755)


def test_findings_are_plain_values(tmp_path, run):
    aged(tmp_path / ".index.json.0a.tmp")
    records = json.loads(json.dumps([one.to_record() for one in check_results(tmp_path)]))
    assert [(one["level"], one["fixable"]) for one in records] == [("ok", False), ("problem", True)]
