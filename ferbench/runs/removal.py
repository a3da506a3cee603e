"""Runs that go for good: first under a hidden name, so that there is never half a run."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from ferbench.errors import UserError
from ferbench.runs import index
from ferbench.runs.directory import SHORT_ID, RunDirectory, run_path
from ferbench.runs.find import find_run, in_words, which_runs
from ferbench.runs.lock import lock_path, only_writer
from ferbench.runs.names import WHOLE, digits_of
from ferbench.runs.reads import adopt
from ferbench.storage import move_directory, remedy_for

#: In the hidden name of what is being removed.
REMOVING = ".removing-"


def find_to_remove(results: Path, name: str) -> RunDirectory:
    """The run that a user means by its name, its path or its id in full; also one whose record is not there, and by
    its id one that is half removed.

    The beginning of an id is not enough: once a run is gone, the same command would remove another.

    Raises:
        UserError: no run or several answer to ``name``, it is the beginning of an id, or lies in other results.
    """
    whole = RunDirectory(run_path(results, name))
    known = SHORT_ID.fullmatch(name) and (whole.path.is_dir() or half_removed(whole))
    run = whole if known else find_run(results, name)
    if run.path.parent.resolve() != (results / "runs").resolve() or not SHORT_ID.fullmatch(run.path.name):
        raise UserError(
            f"{run.path} is no run of the results directory {results}",
            "name its results directory with --results, and the run by its name or id",
        )
    digits = digits_of(name)
    if not digits:
        return run
    _, meant = which_runs(results, name)
    if len(digits) < WHOLE and run.path.name not in meant.named:
        raise UserError(
            f"no run is named '{name}'; it is the beginning of the id of {in_words(run)}",
            f"to remove that run, say 'ferbench runs rm {run.path.name}'",
        )
    others = [other for other in meant.named if other != run.path.name]
    if others:
        both = "; ".join(in_words(RunDirectory(run_path(results, other))) for other in (run.path.name, *others))
        raise UserError(
            f"'{name}' is the id of one run and the name of another: {both}",
            f"give the path of the run: {run.path}",
        )
    return run


def dependents(results: Path, names: Collection[str]) -> dict[str, list[str]]:
    """Which runs, other than ``names`` themselves, say that they continue or are made of each of ``names``; only of
    those that have any."""
    children: dict[str, list[str]] = {}
    for summary in index.summaries(results):
        for name in sorted(set(summary.parents).intersection(names)) if summary.run not in names else ():
            children.setdefault(name, []).append(summary.run)
    return children


def half_removed(directory: RunDirectory) -> list[Path]:
    """What is left of a run whose removal was cut short."""
    return sorted(directory.path.parent.glob(f".{directory.path.name}{REMOVING}*"))


def remove(results: Path, directory: RunDirectory) -> None:
    """Remove a run with its lock and its entry in the index, and what an earlier removal left of it.

    Raises:
        UserError: a process is at work on it, or it cannot be removed.
    """
    path = directory.path
    with only_writer(directory, to_remove=True):
        adopt(results, {path.name})  # what it was tested on stays known
        if path.exists():
            move_directory(path, path.with_name(f".{path.name}{REMOVING}{secrets.token_hex(4)}"))
        with contextlib.suppress(OSError):  # what stays behind is nobody's, and 'ferbench doctor' sees it
            lock_path(directory).unlink(missing_ok=True)
    index.forget(results, path.name)
    for hidden in half_removed(directory):
        try:
            shutil.rmtree(hidden)
        except OSError as error:
            raise UserError(
                f"run {path.name} is removed, but its files in {hidden} are not: {error.strerror}",
                f"{remedy_for(error)}; then 'ferbench runs rm {path.name}', or 'ferbench doctor --fix', ends it",
            ) from error
