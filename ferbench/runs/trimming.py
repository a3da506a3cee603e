"""Checkpoints that only going on needs, and that a finished run may therefore lose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ferbench.errors import UserError
from ferbench.runs import index
from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import at_work, only_writer
from ferbench.runs.saved import is_trained, loss_file, snapshot_names
from ferbench.storage import remedy_for

#: What `training.keep` says by default: its snapshots are there for going on, not to be looked at.
_FOR_RESUMING = "last2+best"


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What a run can do without.

    Attributes:
        directory: of the run.
        files: of its snapshots; a description before the tensors that it describes.
        bytes: of all of them.
        kept: why they stay; empty where they may go.
    """

    directory: RunDirectory
    files: tuple[Path, ...]
    bytes: int
    kept: str


def trimmed(results: Path, directory: RunDirectory, *, asked: bool) -> Trimmed | None:
    """The snapshots of a run, and whether they may go; None where it has none.

    Args:
        results: where the runs are that may go on from it.
        directory: of the run.
        asked: it was named, so that checkpoints may go that ``training.keep`` was told to keep.
    """
    names = snapshot_names(directory.checkpoints)
    files = [
        directory.checkpoints / file
        for name in names
        for file in (f"{name}.json", f"{name}.safetensors", loss_file(name))
        if (directory.checkpoints / file).is_file()
    ]
    if not files:
        return None
    return Trimmed(
        directory, tuple(files), sum(path.stat().st_size for path in files), _why_kept(results, directory, asked)
    )


def _why_kept(results: Path, directory: RunDirectory, asked: bool) -> str:
    if (holder := at_work(directory)) is not None:
        return f"{holder} is at work on it"
    if not is_trained(directory):
        return "it is not done, or its best weights are not what was written: it needs them to go on"
    keep = directory.load().recipe.training.get("keep", _FOR_RESUMING)
    if keep != _FOR_RESUMING and not asked:
        return f"training.keep is {keep}; name the run to remove them all the same"
    waiting = _waiting(results, directory.path.name)
    return f"unfinished runs start from it: {', '.join(waiting)}" if waiting else ""


def _waiting(results: Path, name: str) -> Sequence[str]:
    return [run.run for run in index.summaries(results) if name in run.parents and run.status != "done"]


def trim(one: Trimmed) -> None:
    """Remove the snapshots of a run. Its record goes on naming their digests: `ferbench.runs.covered.differences`.

    Raises:
        UserError: a process is at work on the run, or one cannot be removed.
    """
    with only_writer(one.directory, to_remove=True):
        try:
            for path in one.files:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{error.filename} cannot be removed: {error.strerror}", remedy_for(error)) from error
