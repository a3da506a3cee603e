"""Studies over light trials."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import light
import pytest

from ferbench.training.interruption import Interruption
from ferbench.tune.algorithms import choice, make_pruner, make_sampler
from ferbench.tune.conductor import Conductor, Watch
from ferbench.tune.crew import Crew
from ferbench.tune.ledger import Ledger
from ferbench.tune.spool import Spool
from ferbench.tune.storage import Storage, quiet_optuna, sqlite_url

quiet_optuna()


class Heard(Watch):
    """Everything that a display would hear."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.lines: list[str] = []
        self.beats: list[Any] = []

    def ended(self, result, chosen) -> None:
        self.results.append(result)

    def said(self, line: str) -> None:
        self.lines.append(line)

    def beat(self, conductor) -> None:
        for act in self.beats:
            act(conductor)


@pytest.fixture
def opened(tmp_path):
    """``opened(url)`` gives a ledger; the default is an SQLite file in ``tmp_path``."""
    storages = []

    def call(url: str | None = None, *, pruner: str = "none", name: str = "light", grace: float = 60.0) -> Ledger:
        storage = Storage(url or sqlite_url(tmp_path / "study.db"))
        storages.append(storage)
        ledger = Ledger(storage, name, light.OBJECTIVES, owner=secrets.token_hex(4), grace=grace)
        by = {"algorithm": "random", "pruner": pruner, "seed": 0}
        ledger.use(make_sampler("random", light.OBJECTIVES, 0), make_pruner(pruner, 9), choice(by, 0))
        return ledger

    yield call
    for storage in storages:
        storage.close()


@pytest.fixture
def conductor(tmp_path):
    """``conductor(ledger, …)`` gives one that has not started."""
    crews = []

    def call(ledger: Ledger, *, target: int = 4, workers: int = 2, grace: float = 60.0, **context: Any) -> Conductor:
        crew = Crew(workers, "sleeping:prepare", context, Path(tmp_path / "logs"))
        crews.append(crew)
        crew.start()
        spool = Spool(tmp_path / "spool")
        return Conductor(ledger, light.SPACE, crew, spool, target, Heard(), Interruption(), grace)

    yield call
    for crew in crews:
        crew.kill()
