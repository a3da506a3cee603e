"""Which files of a run its record covers by their SHA-256: the one place that makes these digests and looks at them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.bounded import Damaged, opened
from ferbench.runs.learnt import SAMPLES_FILE
from ferbench.runs.saved import BEST, is_whole, read_about, snapshot_names, tensor_files

if TYPE_CHECKING:
    from ferbench.records.run import Run
    from ferbench.runs.directory import RunDirectory

#: Of an evaluation, below its directory.
_OF_EVALUATION = ("metrics.json", "predictions.npz")


def covered(directory: RunDirectory, record: Run) -> dict[str, str] | None:
    """What `Run.files` says when a record is written.

    A file that has a digest keeps it, whatever became of the file; `uncover` is for those that are written anew. A run
    that goes on changes its files, so none is covered then. Of what an older release wrote nobody knows what it was.
    """
    if record.files is None:
        return None
    if record.status == "running":
        return {}
    found = {}
    for name, stated in _files(directory, record):
        if name not in record.files:
            digest = stated or sha256(directory.path / name)
            if digest is not None:
                found[name] = digest
    return dict(sorted({**found, **record.files}.items()))


def uncover(record: Run, short_id: str) -> None:
    """Forget the digests of an evaluation whose files were written anew."""
    for name in _OF_EVALUATION:
        (record.files or {}).pop(f"evaluations/{short_id}/{name}", None)


def has_evaluation(directory: RunDirectory, record: Run, short_id: str) -> bool:
    """Whether an evaluation is in the record, and its files are those that the record covers."""
    if short_id not in record.evaluations or directory.load_evaluation(short_id) is None:
        return False
    names = [f"evaluations/{short_id}/{name}" for name in _OF_EVALUATION]
    files = record.files or {}
    return all(sha256(directory.path / name) == files[name] for name in names if name in files)


def lacking(directory: RunDirectory, record: Run) -> list[str]:
    """The files that a record should cover and does not."""
    files = record.files or {}
    return [name for name, _ in _files(directory, record) if name not in files]


def sha256(path: Path) -> str | None:
    """Of a regular file; None where there is none that can be read."""
    try:
        with opened(path) as file:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            return digest.hexdigest()
    except (OSError, Damaged):
        return None


def _files(directory: RunDirectory, record: Run) -> Iterator[tuple[str, str | None]]:
    """The files of a run that are there, and the SHA-256 where it was known when the file was written."""
    checkpoints = snapshot_names(directory.checkpoints)
    # Of a run that ended early the best weights may be of another epoch than their JSON; going on mends that.
    if record.status == "done" or is_whole(directory.checkpoints, BEST):
        checkpoints = [BEST, *checkpoints]
    names: list[tuple[str, str | None]] = [("history.jsonl", None), (SAMPLES_FILE, None)]
    for name in checkpoints:
        names.append((f"checkpoints/{name}.json", None))
        try:
            about = read_about(directory.checkpoints, name)
        except (OSError, ValueError):
            continue
        names += [(f"checkpoints/{file}", stated) for file, stated in tensor_files(name, about).items()]
    names += [(f"evaluations/{short_id}/{name}", None) for short_id in record.evaluations for name in _OF_EVALUATION]
    for name, stated in names:
        if (directory.path / name).is_file():
            yield name, stated
