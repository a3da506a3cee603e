"""Results on disk from the moment a worker reports them until the database has them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ferbench.storage import replace_json

Ending = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Result:
    """How a trial ended.

    Attributes:
        trial: its number.
        ending: ``failed``: it has no values and says nothing about its settings.
        values: of the objectives; None unless complete.
        reason: why it failed or was pruned; empty otherwise.
        run: the directory's name, twelve digits; None when no run came of it.
        seconds: that the worker spent on it.
        epochs: (epoch, value of the objective) of those that the database may not know yet.
        chosen: the trial's values by key, as the worker had them; None: not known.
    """

    trial: int
    ending: Ending
    values: tuple[float, ...] | None = None
    reason: str = ""
    run: str | None = None
    seconds: float = 0.0
    epochs: tuple[tuple[int, float], ...] = ()
    chosen: dict[str, Any] | None = None

    @classmethod
    def from_plain(cls, value: dict[str, Any]) -> Result:
        """What ``asdict`` made, after JSON."""
        values = value["values"]
        epochs = tuple((int(epoch), float(number)) for epoch, number in value["epochs"])
        return cls(**{**value, "values": None if values is None else tuple(values), "epochs": epochs})


class Spool:
    """The results that wait to be told.

    Args:
        directory: of their files, one a result.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, result: Result) -> None:
        """Keep a result until `drop`."""
        replace_json(self._path(result.trial), asdict(result))

    def drop(self, trial: int) -> None:
        """The database has it."""
        self._path(trial).unlink(missing_ok=True)

    def waiting(self) -> list[Result]:
        """What an earlier process could not tell."""
        found = []
        for path in sorted(self._directory.glob("*.json")):
            try:
                found.append(Result.from_plain(json.loads(path.read_text(encoding="utf-8"))))
            except (ValueError, KeyError, TypeError):  # not of ours: the trial is run again, and its run reused
                continue
        return found

    def _path(self, trial: int) -> Path:
        return self._directory / f"{trial:06d}.json"
