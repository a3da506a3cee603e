"""Grids that several commands are at."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from ferbench.api import conduct
from ferbench.api.conduct import Grid, Outcome, Progress, forewarnings
from ferbench.api.run import run
from ferbench.ids import short
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import AtWork, only_writer

TINY = {
    "dataset.train": 60,
    "dataset.test": 14,
    "data.image_size": 16,
    "training.epochs": 1,
    "training.batch_size": 16,
    "runtime.threads": 1,
}


class Told(Progress):
    """What is told of other processes; ``at_line`` is called then."""

    def __init__(self, at_line):
        self.ended_runs, self.lines, self._at_line = [], [], at_line

    def ended(self, outcome: Outcome):
        self.ended_runs.append((outcome.combination.settings["training"]["seed"], outcome.status, outcome.reused))

    def warn(self, line):
        if line.startswith("another process"):
            self.lines.append(line)
            self._at_line()


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERBENCH_PLUGINS", "")
    monkeypatch.setattr(conduct, "LOOK", 0.05)
    return {"results": tmp_path / "results", "cache": tmp_path / "cache"}


@pytest.fixture
def first_id(places):
    """The id of the first run of the grid, and what it gave elsewhere."""
    (one,) = run(model="linear", settings=TINY, **places | {"results": "elsewhere"})
    return short(one.record.identity.training_id)


def at_work(directory: RunDirectory, until: threading.Event) -> threading.Thread:
    """Hold a run's lock as another command does that is at work on it."""
    holds = threading.Event()

    def hold() -> None:
        with only_writer(directory):
            holds.set()
            until.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait()
    return thread


@pytest.mark.parametrize("finishes", [True, False])
def test_a_run_that_another_command_is_at_is_waited_for(places, tmp_path, first_id, finishes):
    directory = RunDirectory(run_path(places["results"], first_id))
    places["results"].joinpath("runs").mkdir(parents=True)
    over = threading.Event()
    other = at_work(directory, over)

    def let_go() -> None:
        if finishes:
            RunDirectory(run_path(tmp_path / "elsewhere", first_id)).path.rename(directory.path)
        over.set()

    told = Told(let_go)
    runs = run(model="linear", seed=[0, 1, 2], settings=TINY, progress=told, **places)
    other.join()
    assert [one.record.seed for one in runs] == [0, 1, 2]
    assert told.ended_runs == [(1, "done", False), (2, "done", False), (0, "done", finishes)]
    (line,) = told.lines
    assert line.startswith(f"another process is at work on run {first_id}: ")
    assert line.endswith("; this command waits for it")


def test_a_run_that_workers_of_the_same_command_are_at_is_left_without_a_word(tmp_path):
    """As where one run is to be tested in several ways."""
    directory = RunDirectory(run_path(tmp_path, "0" * 12))
    directory.path.parent.mkdir(parents=True)
    plan = SimpleNamespace(directory=lambda results: directory)
    combination = SimpleNamespace(plan=plan, skip=None, done=False, settings={})
    told = Told(lambda: None)
    grid = Grid([combination, combination], tmp_path, tmp_path, [], told)
    over = threading.Event()
    worker = at_work(directory, over)
    try:
        assert grid.next({directory.path.name}) is None
        assert told.lines == []
        assert grid.next() is None
        assert [line.partition(":")[0] for line in told.lines] == [
            f"another process is at work on run {directory.path.name}"
        ] * 2
    finally:
        over.set()
        worker.join()


def test_bf16_on_a_cpu_without_units_for_it_is_said_before_a_run(monkeypatch):
    training = SimpleNamespace(precision="bf16", epochs=1, batch_size=1, accumulate=1)
    recipe = SimpleNamespace(training=training, runtime=SimpleNamespace(device="cpu"))
    plan = SimpleNamespace(
        resolved=SimpleNamespace(recipe=recipe),
        lengths=SimpleNamespace(samples=[9], steps_per_epoch=lambda accumulate: 9),
        split=SimpleNamespace(train=range(9), counts=lambda rows: {"happy": len(rows)}),
    )
    for units, lines in ((("avx512_bf16",), 0), (("avx512_bw", "avx512_vl"), 1), (("bf16",), 0)):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda units=units: dict.fromkeys(units, True), raising=False)
        assert len(forewarnings(plan)) == lines
    monkeypatch.setattr("torch.cpu.get_capabilities", dict, raising=False)
    (line,) = forewarnings(plan)
    assert line.startswith("warning: training.precision = 'bf16', but this CPU has no bf16 units")
    assert line.endswith("use --set training.precision=float32")
    training.precision = "float32"
    assert forewarnings(plan) == []


def test_the_only_run_is_refused_at_once(places, first_id):
    places["results"].joinpath("runs").mkdir(parents=True)
    over = threading.Event()
    other = at_work(RunDirectory(run_path(places["results"], first_id)), over)
    try:
        with pytest.raises(AtWork, match=f"another process is at work on run {first_id}"):
            run(model="linear", settings=TINY, **places)
    finally:
        over.set()
        other.join()
