"""The standing of each row of a leaderboard, and the file that keeps it: a cache that may be removed at any time."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from ferbench.bounded import from_json, read_file
from ferbench.errors import UserError
from ferbench.storage import replace_file

#: Of the way of computing them: what another one kept is computed again.
VERSION = 9
_MOST_KEPT = 64
_MOST_INTERVALS = 4096


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a row beside its scores.

    Attributes:
        best: 1 + the rows that are significantly better; None without a rank.
        worst: the rows less those that are significantly worse.
        gap: difference to the leader in the metric that ranks; None for the leader itself.
        p: of that difference, adjusted for all pairs (Holm).
        intervals: 95 %, (low, high) by metric.
        reason: why it has no rank; empty where it has one.
    """

    best: int | None = None
    worst: int | None = None
    gap: float | None = None
    p: float | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    reason: str = ""

    @property
    def range(self) -> str | None:
        """``1–3``, or ``1`` where nothing else is possible."""
        if self.best is None:
            return None
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


@dataclass(frozen=True, slots=True)
class Best:
    """What the best is worth, as `ferbench.statistics.winner.Winner` has it, in the direction of the metric.

    Attributes:
        row: its place among the rows that were tested.
        equals: rows among which it is the best.
        luck: how much better the best of as many equal ones would seem.
        won: 95 % interval of its true score given that it is the best.
    """

    row: int
    equals: int
    luck: float
    won: tuple[float, float]


@dataclass(frozen=True)
class GroupStandings:
    """What the predictions of a group's rows tell.

    Attributes:
        standings: of each row.
        clustered_by: the column whose values are drawn as a whole; None: samples are.
        unclustered: samples without a value there.
        lacking: why there is neither a test nor an interval, by metric.
        best: what the leader is worth; None where nothing is ranked.
    """

    standings: list[Standing]
    clustered_by: str | None = None
    unclustered: int = 0
    lacking: dict[str, str] = field(default_factory=dict)
    best: Best | None = None


def _restored(values: Any) -> Standing:
    """A standing as the cache has it.

    Raises:
        ValueError: it has none.
    """
    match values:
        case [int() | None as best, int() | None as worst, gap, p, dict(ends), str(reason)]:
            intervals = {str(name): (float(low), float(high)) for name, (low, high) in ends.items()}
            gap, p = (None if number is None else float(number) for number in (gap, p))
            numbers = [number for number in (gap, p, *chain(*intervals.values())) if number is not None]
            if (best is None) == (worst is None) and all(map(math.isfinite, numbers)):
                return Standing(best, worst, gap, p, intervals, reason)
    raise ValueError("no standing")


def _restored_best(values: Any, rows: int) -> Best:
    """What the leader is worth, as the cache has it.

    Raises:
        ValueError: it says nothing of that.
    """
    match values:
        case {"row": int(row), "equals": int(equals), "luck": float(luck), "won": [float(), float()] as won}:
            if 0 <= row < rows and all(map(math.isfinite, (luck, *won))):
                return Best(row, equals, luck, (won[0], won[1]))
    raise ValueError("no leader")


class KeptStandings:
    """Standings by key; what was not asked for longest goes first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boards: dict[str, Any] | None = None
        self._intervals: dict[str, Any] = {}
        self._changed = False

    def get(self, key: str) -> GroupStandings | None:
        boards = self._read()
        if key not in boards:
            return None
        try:
            kept = dict(boards[key])
            by, unclustered = kept["clustered_by"], int(kept["unclustered"])
            if unclustered < 0:
                return None
            lacking = {str(name): str(why) for name, why in dict(kept["lacking"]).items()}
            standings = [_restored(values) for values in kept["rows"]]
            best = None if kept["best"] is None else _restored_best(kept["best"], len(standings))
        except (TypeError, ValueError, AttributeError, LookupError, OverflowError):
            return None
        if next(reversed(boards)) != key and len(boards) >= _MOST_KEPT:
            boards[key] = boards.pop(key)
            self._changed = True
        return GroupStandings(standings, by if isinstance(by, str) else None, unclustered, lacking, best)

    def put(self, key: str, tested: GroupStandings) -> None:
        about = {name: getattr(tested, name) for name in ("clustered_by", "unclustered", "lacking")}
        about["best"] = None if tested.best is None else asdict(tested.best)
        self._read()[key] = {**about, "rows": [list(asdict(standing).values()) for standing in tested.standings]}
        self._changed = True

    def interval(self, key: str) -> tuple[float, float] | None:
        """The interval of a row that was drawn for an earlier board."""
        self._read()
        match self._intervals.get(key):
            case [float() as low, float() as high] if math.isfinite(low) and math.isfinite(high):
                return low, high
        return None

    def keep(self, key: str, ends: tuple[float, float]) -> None:
        """Keep an interval that took its time."""
        self._read()
        self._intervals[key] = list(ends)
        self._changed = True

    def save(self) -> None:
        if not self._changed or self._boards is None:
            return
        kept = dict(list(self._boards.items())[-_MOST_KEPT:])
        drawn = dict(list(self._intervals.items())[-_MOST_INTERVALS:])
        # Somebody else's results, or a full disk: the next call computes again.
        with contextlib.suppress(UserError):
            content = json.dumps({"version": VERSION, "boards": kept, "intervals": drawn})
            replace_file(self._path, content.encode())

    def _read(self) -> dict[str, Any]:
        if self._boards is None:
            self._boards = {}
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                document = from_json(read_file(self._path))
                if document["version"] == VERSION:
                    self._intervals = dict(document["intervals"])
                    self._boards = dict(document["boards"])
        return self._boards
