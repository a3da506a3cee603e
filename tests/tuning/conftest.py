"""Studies over light trials."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import light
import pytest

from ferbench.training.interruption import Interruption
from ferbench.tuning.algorithms import Strategy, make_pruner, make_sampler
from ferbench.tuning.conductor import Conductor, StudyObserver
from ferbench.tuning.database import Storage, quiet_optuna, sqlite_url
from ferbench.tuning.pending import PendingResults
from ferbench.tuning.trials import Trials
from ferbench.tuning.workers import Workers

quiet_optuna()


class Noted(StudyObserver):
    """Everything that a display would be given."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.lines: list[str] = []
        self.ticks: list[Any] = []

    def trial_ended(self, result, chosen) -> None:
        self.results.append(result)

    def note(self, line: str) -> None:
        self.lines.append(line)

    waits = note

    def tick(self, conductor) -> None:
        for act in self.ticks:
            act(conductor)


@pytest.fixture
def opened(tmp_path):
    """``opened(url)`` gives the trials of a study; the default is an SQLite file in ``tmp_path``."""
    storages = []

    def call(url: str | None = None, *, pruner: str = "none", name: str = "light", grace: float = 60.0) -> Trials:
        storage = Storage(url or sqlite_url(tmp_path / "study.db"))
        storages.append(storage)
        trials = Trials(storage, name, light.OBJECTIVES, owner=secrets.token_hex(4), grace=grace)
        by = Strategy("random", pruner, 0)
        sampler = make_sampler("random", light.OBJECTIVES, 0)
        trials.use(sampler, make_pruner(pruner, 9), lambda before: by.chosen_by(before, 0))
        return trials

    yield call
    for storage in storages:
        storage.close()


@pytest.fixture
def conductor(tmp_path):
    """``conductor(trials, …)`` gives one that has not started."""
    started = []

    def call(trials: Trials, *, target: int = 4, workers: int = 2, grace: float = 60.0, **context: Any) -> Conductor:
        processes = Workers(workers, "sleeping:prepare", context, Path(tmp_path / "logs"))
        started.append(processes)
        processes.start()
        pending = PendingResults(tmp_path / "spool")
        return Conductor(trials, light.SPACE, processes, pending, target, Noted(), Interruption(), grace)

    yield call
    for processes in started:
        processes.kill()
