"""Results on disk from the moment a worker reports them until the database has them."""

from __future__ import annotations

from pathlib import Path

from ferbench.records.study import TrialResult, read_or_none
from ferbench.storage import remove_file, replace_json


class PendingResults:
    """The results that the database does not have yet.

    Args:
        directory: of their files, one a result.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, result: TrialResult) -> None:
        """Keep a result until `drop`."""
        replace_json(self._path(result.trial), result.plain())

    def drop(self, trial: int) -> None:
        """The database has it."""
        remove_file(self._path(trial))

    def waiting(self) -> list[TrialResult]:
        """What an earlier process could not record; a file that is not of ours is none: that trial is run again, and
        its run reused."""
        read = [read_or_none(TrialResult, path) for path in sorted(self._directory.glob("*.json"))]
        return [result for result in read if result is not None]

    def _path(self, trial: int) -> Path:
        return self._directory / f"{trial:06d}.json"
