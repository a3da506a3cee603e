"""Studies over light trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import light
import pytest

from ferbench.processes.workers import Workers
from ferbench.training.interruption import Interruption
from ferbench.tuning.algorithms import Strategy, make_pruner, make_sampler
from ferbench.tuning.conductor import Conductor
from ferbench.tuning.database import Storage, quiet_optuna, sqlite_url
from ferbench.tuning.observer import StudyObserver
from ferbench.tuning.trials import Trials

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
        storage = Storage(url or sqlite_url(tmp_path / "study.db"), grace)
        storages.append(storage)
        trials = Trials(storage, name, light.OBJECTIVES)
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

    def call(trials: Trials, *, target: int = 4, workers: int = 2, **context: Any) -> Conductor:
        processes = Workers(workers, "sleeping:prepare", context, Path(tmp_path / "logs"))
        started.append(processes)
        processes.start()
        return Conductor(trials, light.SPACE, processes, target, Noted(), Interruption())

    yield call
    for processes in started:
        processes.kill()
