"""What the studies of ``ferbench tune`` need of the runs, and whether their own files are whole.

A study keeps the values of its trials in a database of its own: the run of a trial may go. What it needs are the runs
over the seeds that it tested, since its report reads them.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from ferbench.bounded import Damaged, opened
from ferbench.errors import UserError
from ferbench.records.study import Outcome, read_as, read_study
from ferbench.runs.directory import run_path
from ferbench.runs.verify import Finding

#: What to do about a damaged database.
RESTORE = "bring it back from a copy, or remove the study's directory and search again: its runs are reused"

_AGAIN = "give the study's 'ferbench tune' command again"


def needed_by_studies(results: Path, names: Collection[str]) -> dict[str, list[str]]:
    """Ids of the studies that tested each of these runs; only of those that one has."""
    needed: dict[str, list[str]] = {}
    for study in _studies(results):
        with contextlib.suppress(OSError, ValueError):
            for run in _tested(study):
                if run in names:
                    needed.setdefault(run, []).append(study.name)
    return needed


def verify_studies(results: Path) -> Iterator[Finding]:
    """Everything that is the matter with the studies of a results directory."""
    for study in _studies(results):
        name, record = f"studies/{study.name}", study / "study.json"
        try:
            read_study(record)
        except UserError as error:
            yield Finding(name, "study.json", error.message.removeprefix(f"{record} "), _AGAIN)
        try:
            gone = [run for run in _tested(study) if not (run_path(results, run) / "run.json").is_file()]
        except (OSError, ValueError):
            yield Finding(name, "outcome.json", "it cannot be read, or is damaged", _AGAIN)
        else:
            if gone:
                what = f"runs that it tested are gone: {', '.join(gone)}"
                yield Finding(name, "outcome.json", what, _AGAIN, False)
        damage = _content_damage(study / "study.db")
        if damage:
            yield Finding(name, "study.db", damage, RESTORE)


def _studies(results: Path) -> list[Path]:
    return sorted(path.parent for path in (results / "studies").glob("*/study.json"))


def _tested(study: Path) -> list[str]:
    """The runs that a study tested, each once.

    Raises:
        OSError: what came of it cannot be read.
        ValueError: it is damaged.
    """
    path = study / "outcome.json"
    return list(dict.fromkeys(read_as(Outcome, path).runs)) if os.path.lexists(path) else []


def database_damage(path: Path) -> str:
    """What lies in the place of a study's database, or of what SQLite keeps beside it, and is no regular file; empty
    where nothing is the matter with that, or nothing is there."""
    for place in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))):
        try:
            with opened(place):
                pass
        except Damaged as error:
            return str(error) if place == path else f"{place.name}: {error}"
        except OSError:  # it is not there, or whoever opens it will say why it cannot be
            pass
    return ""


def _content_damage(path: Path) -> str:
    """What SQLite finds wrong with the file; empty where it is whole or not there."""
    if damage := database_damage(path):
        return f"it is damaged: {damage}"
    if not path.exists():
        return ""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return f"it cannot be read: {error}"
    return "" if verdict == "ok" else f"it is damaged: {verdict}"
