"""One writer at a time where the file system has no locks, or shows them to one host only."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from two_hosts import (
    ERRORS,
    Writer,
    elsewhere,
    forget,
    library,
    log_of_calls,
    stopped_at,
    taken_over,
    together,
)

from ferbench import locks
from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import at_work, holder_path, only_writer
from ferbench.runs.removal import remove


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory):
    made = library(tmp_path_factory.mktemp("library"))
    if made is None:
        pytest.skip("needs a compiler")
    return made


@pytest.fixture
def run(tmp_path):
    return RunDirectory(run_path(tmp_path, "0123456789ab"))


def epochs(run):
    return [json.loads(line)["epoch"] for line in (run.path / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("error", ERRORS)
def test_a_process_that_was_taken_over_writes_nothing_more(run, preloaded, error):
    first = Writer(run.path, elsewhere(preloaded, "a", error))
    assert (first.said, first.write(1)) == ("held", "written")
    refused = Writer(run.path, elsewhere(preloaded, "b", error))
    assert refused.said.startswith(
        f"refused: another process is at work on run 0123456789ab: a pid {first.process.pid} "
    )
    assert refused.end() == 2
    first.process.send_signal(signal.SIGSTOP)
    forget(run.path)
    second = Writer(run.path, elsewhere(preloaded, "b", error))
    assert (second.said, second.write(2)) == ("held", "written")
    first.process.send_signal(signal.SIGCONT)
    assert first.write(2).startswith(f"refused: run 0123456789ab was taken over by b pid {second.process.pid} since ")
    assert first.end() == 2
    assert (second.write(3), second.end()) == ("written", 0)
    assert epochs(run) == [1, 2, 3]
    assert not holder_path(run).exists()


@pytest.mark.parametrize("error", ["ENOSYS", "ENOLCK"])
def test_what_a_killed_process_left_without_locks_is_taken_over_and_removed(run, preloaded, error):
    first = Writer(run.path, elsewhere(preloaded, "a", error))
    assert (first.said, first.write(1)) == ("held", "written")
    first.process.kill()
    first.end()
    assert at_work(run).host == "a"
    with pytest.raises(UserError, match="a pid") as refused:
        remove(run.path.parent.parent, run)
    assert "if it has died, wait 2 minutes" in refused.value.remedy
    forget(run.path)
    assert at_work(run) is None
    remove(run.path.parent.parent, run)
    assert not any(run.path.parent.iterdir())


def test_without_locks_a_killed_process_of_this_host_is_gone_at_once(run, preloaded):
    first, second = (elsewhere(preloaded, "a", "ENOSYS") for _ in range(2))
    killed = Writer(run.path, first)
    killed.process.kill()
    killed.end()
    writer = Writer(run.path, second)
    assert writer.said == "held"
    assert writer.end() == 0


def test_of_many_that_find_a_holder_gone_one_takes_over(run, preloaded):
    gone = Writer(run.path, elsewhere(preloaded, "gone"))
    gone.process.kill()
    gone.end()
    forget(run.path)
    code = (
        "import sys; from pathlib import Path\n"
        "from ferbench.runs.directory import RunDirectory; from ferbench.runs.lock import AtWork, only_writer\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    with only_writer(RunDirectory(Path(sys.argv[1]))): print('held', flush=True); sys.stdin.readline()\n"
        "except AtWork: print('refused', flush=True)\n"
    )
    several = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(run.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=elsewhere(preloaded, f"host-{number}", "ENOSYS"),
        )
        for number in range(6)
    ]
    for process in several:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.stdout.readline().strip() for process in several]
    for process in several:
        process.communicate("end\n")
    assert sorted(said) == ["held", *["refused"] * 5]
    assert not [path for path in run.path.parent.iterdir() if "holder" in path.name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "number"), [("ENOSYS", signal.SIGSTOP), ("", signal.SIGSTOP), ("ENOLCK", signal.SIGKILL)]
)
def test_a_run_is_finished_on_another_host_with_the_same_bits(whole, tmp_path, draw, error, number):
    assert taken_over(tmp_path, whole, draw, error, number).wrong is None


@pytest.mark.slow
@pytest.mark.parametrize(("share", "other"), [(0.4, 0), (0.6, 0.9)])
def test_a_run_that_is_stopped_before_a_call_changes_nothing_that_another_host_made(whole, tmp_path, share, other):
    paths = log_of_calls(tmp_path / "calls", whole)
    renames = [at for at, path in enumerate(paths) if path.endswith("/checkpoints")]  # which is synced after each
    at = renames[round(share * len(renames))]
    trial = stopped_at(tmp_path / "trial", whole, paths, at, round(other * len(paths)))
    assert (trial.wrong, trial.ending) == (None, "taken over")


@pytest.mark.slow
def test_of_twelve_hosts_that_begin_a_run_at_once_one_trains_it(whole, tmp_path):
    assert together(tmp_path, whole, "ENOSYS") is None


def test_a_stopped_process_of_this_host_is_not_taken_over(run):
    process = Writer(run.path, None)
    process.process.send_signal(signal.SIGSTOP)
    forget(run.path)
    with pytest.raises(UserError, match=f"pid {process.process.pid}"), only_writer(run):
        pass
    process.process.send_signal(signal.SIGCONT)
    assert (process.write(1), process.end()) == ("written", 0)
    assert locks.LEASE == 120
