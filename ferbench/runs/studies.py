"""What the studies of ``ferbench tune`` need of the runs, and whether their own files are whole.

A study keeps the values of its trials in a database of its own: the run of a trial may go. What it needs are the runs
over the seeds that it tested, since its report reads them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ferbench.runs.directory import run_path
from ferbench.runs.verify import Finding

_AGAIN = "give the study's 'ferbench tune' command again"


def needed_by_studies(results: Path, names: Collection[str]) -> dict[str, list[str]]:
    """Ids of the studies that tested each of these runs; only of those that one has."""
    needed: dict[str, list[str]] = {}
    for study in _studies(results):
        for run in dict.fromkeys(_tested(study)):
            if run in names:
                needed.setdefault(run, []).append(study.name)
    return needed


def verify_studies(results: Path) -> Iterator[Finding]:
    """Everything that is the matter with the studies of a results directory."""
    for study in _studies(results):
        name = f"studies/{study.name}"
        for file in ("study.json", "outcome.json"):
            if (study / file).is_file() and _read(study / file) is None:
                yield Finding(name, file, "it is no JSON object", _AGAIN)
        gone = [run for run in dict.fromkeys(_tested(study)) if not (run_path(results, run) / "run.json").is_file()]
        if gone:
            yield Finding(name, "outcome.json", f"runs that it tested are gone: {', '.join(gone)}", _AGAIN, False)
        damage = _database_damage(study / "study.db")
        if damage:
            remedy = "bring it back from a copy, or remove the study's directory and search again: its runs are reused"
            yield Finding(name, "study.db", damage, remedy)


def _studies(results: Path) -> Iterator[Path]:
    for path in sorted((results / "studies").glob("*/study.json")):
        yield path.parent


def _tested(study: Path) -> Iterator[str]:
    finalists = (_read(study / "outcome.json") or {}).get("finalists", [])
    for finalist in finalists if isinstance(finalists, list) else []:
        runs = finalist.get("runs") if isinstance(finalist, dict) else None
        for run in runs if isinstance(runs, list) else []:
            if isinstance(run, dict) and isinstance(run.get("run"), str):
                yield run["run"]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _database_damage(path: Path) -> str:
    """What SQLite finds wrong with the file; empty where it is whole or not there."""
    if not path.is_file():
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
