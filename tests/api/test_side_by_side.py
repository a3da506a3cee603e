"""Several runs of a grid at once, in worker processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import numpy as np
import psutil
import pytest

from ferbench.api import side_by_side
from ferbench.api.conduct import Outcome, Progress
from ferbench.api.run import run
from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory
from ferbench.training.interruption import Interrupted
from ferbench.training.observer import Observer

TINY = {
    "dataset.train": 60,
    "dataset.test": 14,
    "data.image_size": 16,
    "training.epochs": 2,
    "training.batch_size": 16,
    "runtime.threads": 1,
}

ODD = """
import os, signal, time
from pathlib import Path
from torch import nn
import ferbench

@ferbench.hookimpl
def ferbench_models():
    for name in ("breaks", "refuses", "dies", "lingers"):
        yield ferbench.ModelSpec(name, build=f"odd:{name}")

def breaks(task: ferbench.Task):
    print("it is about to break")
    raise ValueError("it is broken")

def refuses(task: ferbench.Task):
    raise ferbench.UserError("it does not fit", "use another")

class Linear(nn.Module):
    def __init__(self, task, act):
        super().__init__()
        self.head = nn.Linear(task.channels * task.height * task.width, len(task.class_names))
        self.act, self.calls = act, 0

    def forward(self, images):
        self.calls += 1
        self.act(self.calls)
        return self.head(images.flatten(1))

def dies(task: ferbench.Task):
    return Linear(task, lambda calls: calls > 4 and os.kill(os.getpid(), signal.SIGKILL))

def lingers(task: ferbench.Task):
    "Has time for its second epoch and those after it, while there is a file."
    return Linear(task, lambda calls: time.sleep(0.2 * (calls > 5 and Path("linger").exists())))
"""


class Told(Progress):
    """What is told of a grid; ``at_epoch`` is called after each epoch of any run."""

    def __init__(self, at_epoch: Callable[[], None] = lambda: None):
        self.begun, self.outcomes, self.lines, self.interruptions = [], [], [], []
        self.printed_lines, self.epochs = [], []
        self.at_once = self.most_at_once = 0
        self._at_epoch = at_epoch

    def begins(self, number, combination):
        told = self

        class Counting(Observer):
            def __enter__(self):
                told.begun.append(number)
                told.at_once += 1
                told.most_at_once = max(told.most_at_once, told.at_once)
                return self

            def __exit__(self, *_):
                told.at_once -= 1

            def epoch_ended(self, epoch):
                told.epochs.append((number, epoch.epoch, epoch.validation.metrics["accuracy"]))
                told._at_epoch()

        return Counting()

    def ended(self, outcome: Outcome):
        self.outcomes.append(outcome)

    def interrupted(self, run):
        self.interruptions.append(run)

    def warn(self, line):
        self.lines.append(line)

    def printed(self, run, line):
        self.printed_lines.append((run, line))


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERBENCH_PLUGINS", "")
    return {"results": tmp_path / "results", "cache": tmp_path / "cache"}


def workers_there() -> list[psutil.Process]:
    """Workers of this process that still run."""
    children = psutil.Process().children(recursive=True)
    return [one for one in children if "ferbench.processes.worker" in " ".join(one.cmdline())]


def test_runs_at_once_are_those_that_run_alone_and_what_fails_stops_no_other(places, tmp_path, monkeypatch):
    monkeypatch.setattr(side_by_side, "_MOST_ATTEMPTS", 2)
    (tmp_path / "odd.py").write_text(ODD, encoding="utf-8")
    told = Told()
    asked = {"settings": TINY, "plugins": [tmp_path / "odd.py"], **places}
    models = ["dies", "linear", "breaks", "refuses", "basic-cnn"]
    runs = run(model=models, workers=2, progress=told, **asked)
    assert workers_there() == []
    outcomes = {outcome.combination.settings["model"]["name"]: outcome for outcome in told.outcomes}
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "dies": "failed",
        "linear": "done",
        "breaks": "failed",
        "refuses": "failed",
        "basic-cnn": "done",
    }
    # In the order of the grid; what could not be built has no record.
    assert [one.record.recipe.model.name for one in runs] == ["dies", "linear", "breaks", "basic-cnn"]
    assert sorted(told.begun) == [1, 1, 2, 5]
    assert [epoch for number, epoch, _ in told.epochs if number == 5] == [1, 2]

    dead = outcomes["dies"]
    assert dead.reason == "its worker died 2 times (killed by signal 9, as where memory runs out)"
    assert "--workers" in dead.error.remedy
    assert RunDirectory(dead.directory.path).load().status == "failed"
    (line,) = [line for line in told.lines if not line.startswith("warning: ")]
    assert line.startswith(f"the worker of run {dead.directory.path.name} died (killed by signal 9")
    assert line.endswith("another goes on with the run")

    assert "it is broken" in outcomes["breaks"].reason
    printed = [line for run, line in told.printed_lines if run == outcomes["breaks"].directory.path.name]
    assert "it is about to break" in printed
    assert 'raise ValueError("it is broken")' in "\n".join(printed)  # where, as without workers
    assert (outcomes["refuses"].error.message, outcomes["refuses"].error.remedy) == ("it does not fit", "use another")

    alone = run(model="linear", **asked | {"results": tmp_path / "alone"})
    (one,), (other,) = alone, [one for one in runs if one.record.recipe.model.name == "linear"]
    assert one.record.identity == other.record.identity
    assert one.record.training.weights_sha256 == other.record.training.weights_sha256
    assert one.record.recipe == other.record.recipe


def test_a_signal_saves_all_runs_and_the_same_call_goes_on_with_them(places, tmp_path):
    (tmp_path / "odd.py").write_text(ODD, encoding="utf-8")
    (tmp_path / "linger").touch()
    saved = {"settings": TINY | {"training.epochs": 20}, "model": "lingers", "plugins": "odd.py", **places}
    told = Told()

    def end() -> None:
        if told.at_once == 2 and len({number for number, *_ in told.epochs}) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    told._at_epoch = end
    with pytest.raises(Interrupted) as ended:
        run(seed=[0, 1, 2], workers=2, progress=told, **saved)
    assert ended.value.signal == signal.SIGTERM
    assert workers_there() == []
    records = {path.parent.name: RunDirectory(path.parent).load() for path in places["results"].glob("runs/*/run.json")}
    assert sorted(told.interruptions) == sorted(records)
    assert {record.status for record in records.values()} == {"interrupted"}
    (tmp_path / "linger").unlink()
    again = Told()
    runs = run(seed=[0, 1, 2], workers=2, progress=again, **saved)
    assert [one.record.status for one in runs] == ["done"] * 3
    assert again.most_at_once == 2
    assert all(one.record.resumed for one in runs[:2])
    for number in (1, 2):  # each epoch once, in one call or the other
        assert sorted(epoch for who, epoch, _ in told.epochs + again.epochs if who == number) == list(range(1, 21))


@pytest.mark.parametrize("workers", [0, -1, 1025, 1.5, "two", True, np.int64(0)])
def test_a_number_of_workers_that_is_none_is_the_users_mistake(places, workers):
    with pytest.raises(UserError, match=r"workers is .*\ngive a whole number from 1 to 1,024"):
        run(model="linear", seed=[0, 1], workers=workers, settings=TINY, **places)


def test_runs_over_several_devices_are_not_trained_at_once(places):
    with pytest.raises(UserError) as refused:
        run(model="linear", seed=[0, 1], workers=2, devices=2, settings=TINY, **places)
    assert refused.value.message.startswith("workers=2 with runs over 2 devices")
    assert not places["results"].exists()


@pytest.mark.parametrize(
    ("devices", "shared"),
    [
        (["auto"], True),
        (["cuda", "cpu"], True),
        (["cpu"], False),
        (["cuda:0", "cuda:1"], False),
        (["auto", "mps"], False),
    ],
)
def test_gpus_are_taken_in_turn_unless_the_recipes_say_which(monkeypatch, devices, shared):
    from types import SimpleNamespace

    def of(device: str) -> SimpleNamespace:
        return SimpleNamespace(resolved=SimpleNamespace(recipe=SimpleNamespace(runtime=SimpleNamespace(device=device))))

    monkeypatch.setattr(side_by_side, "visible_gpus", lambda: ("0", "1"))
    assert side_by_side._gpus([of(device) for device in devices]) == (("0", "1") if shared else ())
