"""One writer for a run directory, with real processes."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ferbench import locks
from ferbench.errors import UserError
from ferbench.holder import Holder
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import at_work, holder_path, is_held, lock_path, only_writer

HOLD = """
import sys, time
from pathlib import Path
from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import only_writer
with only_writer(RunDirectory(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    return RunDirectory(run_path(tmp_path, "0123456789ab"))


@pytest.fixture
def other(run):
    """Another process at work on the run."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def left_behind(run, **changes):
    """What a process that no longer lives has left, with ``changes`` to what it says of itself."""
    with only_writer(run):
        said = json.loads(holder_path(run).read_text())
    holder_path(run).write_text(json.dumps({**said, **changes}))


def test_a_second_process_is_refused_and_told_who_the_first_is(run, other):
    started = time.monotonic()
    with pytest.raises(UserError) as refused, only_writer(run):
        pass
    assert time.monotonic() - started < 1
    holder = at_work(run)
    assert f"{os.uname().nodename} pid {other.pid} since 20" in refused.value.message
    assert str(holder) in refused.value.message


def test_a_lock_of_a_process_that_was_killed_is_taken_over(run, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert holder_path(run).exists()
    assert not is_held(run)
    with only_writer(run):
        assert at_work(run).pid == os.getpid()


def test_a_killed_process_that_nobody_has_waited_for_holds_nothing(run, other):
    other.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_held(run) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_held(run)  # though its number is still taken


def test_a_process_that_ends_leaves_no_holder(run):
    with only_writer(run):
        assert is_held(run)
    assert not holder_path(run).exists()
    assert at_work(run) is None


def test_a_number_that_was_used_again_is_not_the_holder(run):
    left_behind(run, born="0 ticks")
    assert not is_held(run)
    with only_writer(run):
        pass


def test_a_living_holder_counts_where_the_operating_system_shows_no_lock(run, other):
    lock_path(run).unlink()  # as if the file system had no locks
    with pytest.raises(UserError, match=f"pid {other.pid}"), only_writer(run):
        pass
    assert at_work(run).pid == other.pid


def test_a_holder_on_another_host_counts_while_its_file_is_fresh(run):
    left_behind(run, host="elsewhere", machine="elsewhere", pid=7)
    with pytest.raises(UserError, match="elsewhere pid 7 since"), only_writer(run):
        pass
    assert at_work(run).host == "elsewhere"


def test_a_holder_on_another_host_that_no_longer_renews_is_taken_over(run):
    left_behind(run, host="elsewhere", machine="elsewhere")
    then = time.time() - locks.LEASE - 1
    os.utime(holder_path(run), (then, then))
    assert not is_held(run)
    with only_writer(run):
        assert at_work(run).pid == os.getpid()


def test_the_holders_file_is_renewed_while_it_works(run, monkeypatch):
    monkeypatch.setattr(locks, "RENEWAL", 0.01)
    with only_writer(run):
        os.utime(holder_path(run), (1, 1))
        deadline = time.monotonic() + 10
        while holder_path(run).stat().st_mtime < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert holder_path(run).stat().st_mtime > 2


def test_a_lock_of_an_older_release_has_no_name(run, other):
    holder_path(run).unlink()
    with pytest.raises(UserError, match="a process that does not say who it is"), only_writer(run):
        pass
    assert at_work(run) == Holder()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"host": 1, "pid": "x"}', '{"evil": 1}', "\x00"])
def test_a_damaged_holder_is_no_holder(run, content):
    run.path.parent.mkdir(parents=True)
    holder_path(run).write_text(content)
    with only_writer(run):
        assert at_work(run).pid == os.getpid()


def test_looking_makes_no_files(run):
    assert at_work(run) is None
    assert not run.path.parent.exists()


@pytest.mark.parametrize("place", [".", "checkpoints", "evaluations/0123456789ab", "history.jsonl", "run.json"])
def test_nothing_is_written_through_symbolic_links(tmp_path, run, place):
    (tmp_path / "outside").mkdir()
    link = run.path / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="symbolic link"), only_writer(run):
        pass
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_linked_directory_of_runs_is_not_written(tmp_path, run):
    (tmp_path / "outside").mkdir()
    run.path.parent.symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="symbolic link"), only_writer(run):
        pass
    assert list((tmp_path / "outside").iterdir()) == []


def test_the_results_directory_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    with only_writer(RunDirectory(run_path(tmp_path / "results", "0123456789ab"))):
        pass


def test_a_holder_reads_well():
    holder = Holder("gpu-7", 4711, "2026-11-23T22:47:02+00:00")
    assert str(holder) == "gpu-7 pid 4711 since 2026-11-23 22:47:02 UTC"
    assert dataclasses.asdict(holder)["born"] == ""


def test_a_run_that_is_refused_before_it_began_leaves_no_lock(run):
    with pytest.raises(UserError, match="too large"), only_writer(run):
        raise UserError("too large", "take less")
    assert not lock_path(run).exists()


def test_a_run_that_fails_keeps_its_lock(run):
    with pytest.raises(ZeroDivisionError), only_writer(run):
        run.path.mkdir()
        raise ZeroDivisionError
    assert lock_path(run).exists()
