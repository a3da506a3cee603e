"""What the process that starts the ranks of a run makes of them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch.distributed import HashStore

from ferbench.errors import UserError
from ferbench.records.epoch import Epoch, EpochScores
from ferbench.training import torchrun
from ferbench.training.loop import Observer
from ferbench.training.position import Position
from ferbench.training.rank_launch import _crash, _environment, _Relay, execute
from ferbench.training.rank_process import reporting
from ferbench.training.torchrun import Place


class Noting(Observer):
    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def batch_done(self, *arguments) -> None:
        self.calls.append(arguments)

    def epoch_ended(self, epoch) -> None:
        self.calls.append(("epoch", epoch))

    def resumed(self, at) -> None:
        self.calls.append(("resumed", at.epoch, at.batches))

    def stopped(self, epoch, reason) -> None:
        self.calls.append(("stopped", epoch, reason))


def test_an_observer_is_called_as_the_one_in_the_first_rank():
    store, made = HashStore(), []

    def make() -> Noting:
        made.append(Noting())
        return made[-1]

    epoch = Epoch(epoch=2, train=EpochScores(f1={"happy": 0.5}), validation=EpochScores(f1={}))
    relay = _Relay(store, make)
    relay.pass_on()
    assert made == [], "nothing has started"
    for _ in range(2):  # as when all ranks start again
        observer = reporting(store)
        observer.resumed(Position(epoch=2, batches=3))
        observer.batch_done(2, 64, 64, None)
        observer.epoch_ended(epoch)
        observer.stopped(2, "no gain")
        relay.pass_on()
    once = [("resumed", 2, 3), (2, 64, 64, None), ("epoch", epoch), ("stopped", 2, "no gain")]
    assert [observer.calls for observer in made] == [2 * once]
    assert json.loads(json.dumps(epoch.plain())) == epoch.plain()


def failure(rank: int, code: int, when: int = 0) -> SimpleNamespace:
    return SimpleNamespace(local_rank=rank, exitcode=code, timestamp=when)


def crash(tmp_path: Path, *failures: SimpleNamespace) -> Exception:
    return _crash(SimpleNamespace(failures={one.local_rank: one for one in failures}), 2, tmp_path)


def test_of_processes_that_ended_the_one_that_was_killed_is_named(tmp_path):
    error = crash(tmp_path, failure(0, 1, 3), failure(1, -signal.SIGKILL, 5))
    assert isinstance(error, UserError)
    assert error.message == "device 2 of 2: the process ended with SIGKILL"
    assert "memory may have run out" in error.remedy


def test_a_process_that_ended_by_itself_is_named_with_its_last_line(tmp_path):
    log = tmp_path / "ferbench_x" / "attempt_3" / "1" / "stderr.log"
    log.parent.mkdir(parents=True)
    log.write_text("a line\nfatal: no more\n")
    assert str(crash(tmp_path, failure(0, 1), failure(1, 3))) == (
        "device 2 of 2: the process ended with exit code 3: fatal: no more"
    )
    assert str(crash(tmp_path)) == "device 1 of 2: the process ended with exit code 0"


def test_the_environment_is_that_of_the_ranks_alone(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "mine")
    monkeypatch.delenv("TORCHELASTIC_SIGNALS_TO_HANDLE", raising=False)
    with _environment():
        assert os.environ["PYTHONPATH"] != "mine"
        assert "SIGTERM" in os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"].split(",")
    assert os.environ["PYTHONPATH"] == "mine"
    assert "TORCHELASTIC_SIGNALS_TO_HANDLE" not in os.environ


@pytest.mark.parametrize("devices", [1, 3])
def test_another_number_than_torchruns_is_refused(devices, tmp_path, monkeypatch):
    monkeypatch.setattr(torchrun, "place", lambda: Place(0, 2, 0, 2))
    recipe = SimpleNamespace(runtime=SimpleNamespace(devices=devices))
    plan = SimpleNamespace(resolved=SimpleNamespace(recipe=recipe))
    with pytest.raises(UserError, match=f"torchrun has started 2 processes, but runtime.devices is {devices}"):
        execute(plan, tmp_path, None, cache=tmp_path)
