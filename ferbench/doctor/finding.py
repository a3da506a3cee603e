"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        level: ``ok``; ``note``: worth knowing; ``problem``: something is to be done.
        what: in one line.
        remedy: what to do, in one line; empty when nothing is.
        fix: does it, where that is safe: what it removes is of no use to anybody.
    """

    level: Level
    what: str
    remedy: str = ""
    fix: Callable[[], object] | None = None

    def to_record(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"level": self.level, "what": self.what, "remedy": self.remedy, "fixable": self.fix is not None}


def entries(directory: Path) -> list[Path]:
    """What lies in a directory, by name; nothing where it cannot be read."""
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []
