"""Workers as processes: jobs to idle ones, and what becomes of jobs when workers die, end or cannot begin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from ferbench.errors import UserError
from ferbench.processes import workers as module
from ferbench.processes.workers import Event, Workers, threads_each, visible_gpus

#: Seconds that anything may take on a busy machine.
_LONG = 60


@pytest.fixture
def workers(tmp_path) -> Iterator[Callable[..., Workers]]:
    """``workers(2, …)`` gives so many, started."""
    made = []

    def call(size: int = 1, *, start: bool = True, **given: Any) -> Workers:
        context = {"fault": given.pop("fault", None)}
        made.append(Workers(size, "trying:prepare", context, tmp_path / "logs", **given))
        if start:
            made[-1].start()
        return made[-1]

    yield call
    for one in made:
        one.kill()


def events(workers: Workers, kind: str, count: int = 1) -> list[Event]:
    """What happens until so many events of a kind have come: those of the kind last."""
    seen: list[Event] = []
    deadline = time.monotonic() + _LONG
    while sum(event.kind == kind for event in seen) < count:
        assert time.monotonic() < deadline, seen
        seen += workers.wait(0.5)
    return sorted(seen, key=lambda event: event.kind == kind)


def give(workers: Workers, job: Any) -> Any:
    """Give a job to the first that is idle."""
    deadline = time.monotonic() + _LONG
    while not workers.idle():
        assert time.monotonic() < deadline
        assert not list(workers.wait(0.5))
    worker = workers.idle()[0]
    workers.give(worker, job)
    return worker


def after(workers: Workers, job: Any, kind: str = "done") -> Event:
    """How a job ends."""
    give(workers, job)
    return events(workers, kind)[-1]


def test_a_worker_does_one_job_after_another(workers):
    pool = workers()
    assert [after(pool, {"do": "double", "number": number}).value for number in (1, 2, 3)] == [2, 4, 6]
    assert len({worker.process.pid for worker in pool.all}) == 1


def test_events_name_the_job_as_it_was_given(workers):
    pool = workers(2)
    jobs = [{"do": "double", "number": number} for number in range(2)]
    while len(pool.idle()) < 2:
        assert not list(pool.wait(0.5))
    for worker, job in zip(pool.idle(), jobs, strict=True):
        pool.give(worker, job)
    assert sorted((event.job["number"], event.value) for event in events(pool, "done", 2)) == [(0, 0), (1, 2)]
    assert all(worker.job is None for worker in pool.all)


def test_a_job_asks_and_goes_by_the_answer(workers):
    pool = workers()
    give(pool, {"do": "count", "to": 9})
    while True:
        for event in pool.wait(0.5):
            if event.kind == "done":
                assert event.value == "stopped at 3"
                return
            pool.answer(event, event.value == 3)


def test_an_answer_that_comes_too_late_is_not_the_next_one(workers):
    pool = workers()
    give(pool, {"do": "impatient"})
    late, following = events(pool, "said", 2)
    pool.answer(late, "late")
    pool.answer(following, "in time")
    assert events(pool, "done")[-1].value == ["no answer", "in time"]


def test_a_failed_job_leaves_its_worker_at_work(workers):
    pool = workers()
    raised = after(pool, {"do": "raise"}, "failed")
    assert (raised.reason, raised.remedy) == ("ValueError: no such thing", None)
    assert 'raise ValueError("no' in (raised.trace or "")
    refused = after(pool, {"do": "refuse"}, "failed")
    assert (refused.reason, refused.remedy, refused.trace) == ("this is wrong", "do that", None)
    assert after(pool, {"do": "exit"}, "failed").reason
    assert after(pool, {"do": "double", "number": 4}).value == 8


def test_a_killed_worker_is_replaced_and_the_others_go_on(workers):
    pool = workers(2)
    sleeper = give(pool, {"do": "sleep", "seconds": 2})
    events(pool, "said")
    died = after(pool, {"do": "die"}, "died")
    assert died.job == {"do": "die"}
    assert died.reason == "killed by signal 9, as where memory runs out"
    assert events(pool, "done")[-1].worker is sleeper
    assert after(pool, {"do": "double", "number": 1}).value == 2
    assert sorted(worker.index for worker in pool.all) == [0, 1]


def test_a_death_is_noticed_though_a_child_holds_the_line(workers):
    pool = workers()
    give(pool, {"do": "leave"})
    said, died = events(pool, "died")
    assert died.reason.startswith("killed by signal 9")
    os.kill(said.value, signal.SIGKILL)


def test_jobs_save_what_they_have_when_all_are_stopped(workers):
    pool = workers(2)
    give(pool, {"do": "sleep", "seconds": _LONG})
    events(pool, "said")
    started = time.monotonic()
    seen = list(pool.stop(_LONG))
    assert [event.value for event in seen if event.kind == "said"] == ["saved"]
    assert [event.kind for event in seen if event.job] == ["said", "interrupted"]
    assert time.monotonic() - started < _LONG / 2
    assert pool.all == []


def test_a_job_that_does_not_end_is_killed_when_patience_is_over(workers):
    pool = workers()
    worker = give(pool, {"do": "sleep", "seconds": _LONG, "deaf": True})
    events(pool, "said")
    assert list(pool.stop(0.3)) == []
    assert worker.process.returncode == -signal.SIGKILL
    assert not psutil.pid_exists(worker.process.pid)  # nor a zombie


def test_workers_that_are_stopped_before_they_can_work_are_no_failure(workers):
    pool = workers(4)
    assert all(event.job is None for event in pool.stop(_LONG))


def test_a_task_that_cannot_begin_says_so_itself(workers):
    pool = workers(fault="user")
    with pytest.raises(UserError) as caught:
        events(pool, "done")
    assert (caught.value.message, caught.value.remedy) == ("no such plugin", "install it")
    assert pool.all == []


def test_three_workers_in_a_row_that_end_before_they_can_work_end_it_all(workers, tmp_path):
    pool = workers(fault="raise")
    with pytest.raises(UserError) as caught:
        events(pool, "done")
    assert caught.value.message == "workers end before they can work: ImportError: no module named nothing"
    assert caught.value.remedy == f"see what they print in {tmp_path / 'logs' / 'worker-0.log'}"


@pytest.mark.parametrize("error", [BlockingIOError(11, "Resource temporarily unavailable"), OSError(12, "No memory")])
def test_a_machine_that_gives_no_process_is_an_error_of_two_lines(workers, monkeypatch, error):
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module.subprocess, "Popen", refuse)
    with pytest.raises(UserError, match=r"worker 1 of 3 cannot be started: (Resource temporarily|No memory)"):
        workers(3)


def test_a_worker_has_its_share_of_the_machine_and_prints_to_its_log(workers, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    pool = workers(3, threads=5, gpus=("4", "MIG-7"))
    seen: dict[int, Event] = {}
    while len(seen) < 3:
        for worker in pool.idle():
            pool.give(worker, {"do": "see", "text": str(worker.index)})
        seen |= {event.worker.index: event for event in pool.wait(0.5)}
    assert [seen[index].value["environment"]["CUDA_VISIBLE_DEVICES"] for index in range(3)] == ["4", "MIG-7", "4"]
    assert {event.value["environment"]["OMP_NUM_THREADS"] for event in seen.values()} == {"5"}
    assert "a job prints 2" in (tmp_path / "logs" / "worker-2.log").read_text(encoding="utf-8")
    assert [entry for entry in seen[0].value["path"] if entry] == [str(Path(entry).absolute()) for entry in sys.path]


def test_threads_are_divided_unless_the_environment_says_how_many(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("ferbench.data.images.available_cores", lambda: 8)
    assert [threads_each(workers) for workers in (1, 2, 3, 16)] == [None, 4, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_each(2) is None


def test_gpus_are_those_that_the_environment_leaves(monkeypatch):
    cuda = SimpleNamespace(device_count=lambda: 2)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5")
    assert visible_gpus() == ("3", "GPU-5")
    cuda.device_count = lambda: 0
    assert visible_gpus() == ()


#: A program without `if __name__ == "__main__"`, whose workers are at a job that does not end.
_UNGUARDED = """
import json, sys
from pathlib import Path
from ferbench.processes.workers import Workers
print("begins", flush=True)
workers = Workers(2, "trying:prepare", {}, Path(sys.argv[1]))
workers.start()
while len(workers.idle()) < 2:
    assert not list(workers.wait(0.5))
for worker in workers.idle():
    workers.give(worker, {"do": "sleep", "seconds": 600})
asleep = 0
while asleep < 2:
    asleep += len(list(workers.wait(0.5)))
print(json.dumps([worker.process.pid for worker in workers.all]), flush=True)
workers_end = list(workers.wait(600))
"""


def test_workers_end_by_themselves_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_UNGUARDED, encoding="utf-8")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begins\n"
        pids = json.loads(parent.stdout.readline())
        parent.kill()
        assert parent.stdout.read() == ""  # no worker has begun the script once more
    deadline = time.monotonic() + _LONG
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
