"""The run that a user means by a path, a name, an id, or the beginning of one."""

from __future__ import annotations

import os
from pathlib import Path

from ferbench.errors import UserError
from ferbench.runs import names
from ferbench.runs.directory import RunDirectory, all_runs, run_path
from ferbench.runs.index import summaries
from ferbench.storage import is_file


def find_run(results: Path, name: str) -> RunDirectory:
    """The run that a user means by a path, a ``--name``, an id or a unique prefix of one.

    An id in full is an id; else what is a name and also the beginning of another run's id means neither.

    Raises:
        UserError: no run or several runs answer to ``name``.
    """
    here = _lying_at(name)
    if here is not None and (Path(name).name != name or name == os.pardir):  # no bare word
        return here
    digits = names.digits_of(name)
    exact = RunDirectory(run_path(results, digits))
    if len(digits) == names.WHOLE and exact.exists() and (here is None or here.path == exact.path.resolve()):
        _refuse_another_id(exact, name.removeprefix("v1:"))
        return exact
    runs, meant = which_runs(results, name)
    several = [runs[run] for run in meant.all]
    if here is not None and all(run.path.resolve() != here.path for run in several):
        several.append(here)
    if len(several) == 1:
        return several[0]
    if several:
        raise names.several(name, meant, [in_words(run) for run in several])
    raise UserError(
        f"there is no run '{name}' in {results}",
        "see the runs with 'ferbench runs list', or give the results directory with --results",
    )


def _refuse_another_id(run: RunDirectory, digits: str) -> None:
    """Refuse more digits than a directory's name has where the run's record has others there."""
    if len(digits) == names.WHOLE:
        return
    if not run.load().identity.training_id.startswith(f"v1:{digits}"):
        raise UserError(
            f"there is no run of the id {digits}; that of run {run.path.name} begins with the same digits",
            f"check the id, or say {run.path.name}",
        )


def which_runs(results: Path, name: str) -> tuple[dict[str, RunDirectory], names.Meant]:
    """Every run by name of its directory, and which of them a name or the beginning of an id may mean."""
    runs = {run.path.name: run for run in all_runs(results)}
    # The index knows the names: reading thousands of records takes seconds.
    called = {summary.run: summary.name for summary in summaries(results)}
    return runs, names.meant(name, {run: called.get(run) for run in runs})


def in_words(run: RunDirectory) -> str:
    """A run by id, name, model, dataset, seed and date."""
    try:
        return names.run_words(run.path.name, run.load())
    except UserError:
        return names.run_words(run.path.name, None)


def _lying_at(path: str) -> RunDirectory | None:
    """The run whose directory or record a path leads to: where it really lies, so that all its writers meet at one
    lock, whatever path they were given."""
    given = Path(path)
    for directory in (given, given.parent) if given.name == "run.json" else (given,):
        if path and is_file(directory / "run.json"):
            return RunDirectory(directory.resolve())
    return None
