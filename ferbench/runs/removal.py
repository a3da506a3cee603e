"""Runs that go for good: first under a hidden name, so that there is never half a run."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from ferbench.errors import UserError
from ferbench.runs import index
from ferbench.runs.directory import SHORT_ID, RunDirectory, find_run, run_path
from ferbench.runs.lock import lock_path, only_writer
from ferbench.storage import sync_directory, writing

#: In the hidden name of what is being removed.
REMOVING = ".removing-"


def find_to_remove(results: Path, name: str) -> RunDirectory:
    """The run that a user means; also one by its full id whose record is not there.

    Raises:
        UserError: no run or several answer to ``name``, or it lies in other results.
    """
    whole = RunDirectory(run_path(results, name))
    found = whole if SHORT_ID.fullmatch(name) and whole.path.is_dir() else find_run(results, name)
    if found.path.parent.resolve() != (results / "runs").resolve() or not SHORT_ID.fullmatch(found.path.name):
        raise UserError(
            f"{found.path} is no run of the results directory {results}",
            "name its results directory with --results, and the run by its name or id",
        )
    return found


def dependents(results: Path, names: Collection[str]) -> dict[str, list[str]]:
    """Which runs, other than ``names`` themselves, say that they continue or are made of each of ``names``; only of
    those that have any."""
    found: dict[str, list[str]] = {}
    for one in index.summaries(results):
        for name in sorted(set(one.parents).intersection(names)) if one.run not in names else ():
            found.setdefault(name, []).append(one.run)
    return found


def remove(results: Path, directory: RunDirectory) -> None:
    """Remove a run with its lock and its entry in the index.

    Raises:
        UserError: a process is at work on it, or it cannot be removed.
    """
    path = directory.path
    hidden = path.with_name(f".{path.name}{REMOVING}{secrets.token_hex(4)}")
    with only_writer(directory, to_remove=True):
        with writing(path.parent):
            os.replace(path, hidden)
            sync_directory(path.parent)
        with contextlib.suppress(OSError):  # what stays behind is nobody's, and 'ferbench doctor' sees it
            lock_path(directory).unlink(missing_ok=True)
    index.forget(results, path.name)
    try:
        shutil.rmtree(hidden)
    except OSError as error:
        raise UserError(
            f"run {path.name} is removed, but its files in {hidden} are not: {error.strerror}",
            "correct the permissions and say 'ferbench doctor --fix'",
        ) from error
