"""Which files of a run its record covers by their SHA-256: the one place that makes these digests and looks at them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.bounded import Damaged, sha256_of
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
            digest = stated or _sha256(directory.path / name)
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
    return not any(is_changed(directory, record, f"evaluations/{short_id}/{name}") for name in _OF_EVALUATION)


def differences(directory: RunDirectory, record: Run) -> Iterator[tuple[str, str, bool]]:
    """Where files of a run are not those that its record covers: which, what is the matter, and whether that is damage.

    Tensors are held against what the JSON beside them says, which `ferbench.runs.saved.saved` holds them against.
    """
    files, tensors = record.files or {}, _tensors(directory)
    for name, stated in files.items():
        place, path = Path(name), directory.path / name
        if place.is_absolute() or ".." in place.parts:
            yield "run.json", f"'{name}' is no file of a run", True
        elif not path.exists():
            # Snapshots of a run that has ended may go: nothing but a start from them needs them.
            if not name.startswith("checkpoints/step-") or path.with_suffix(".json").exists():
                yield name, "it is not there", True
        elif name in tensors:
            description, said = tensors[name]
            if said != stated and files.get(description) == _sha256(directory.path / description):
                yield name, "its SHA-256 in run.json is another", True
        elif _sha256(path) != stated:
            yield name, "it is not what was written: its SHA-256 is another", True
    for name, _ in _files(directory, record):
        if name not in files:
            yield name, "run.json does not have its SHA-256", True
    for path in sorted(directory.path.rglob("*")):
        name = path.relative_to(directory.path).as_posix()
        stray = name.startswith("evaluations/") and name.split("/")[1] not in record.evaluations
        if path.is_file() and not (stray or path.is_symlink() or name == "run.json" or name in files):
            yield name, "a file that run.json does not cover: ferbench did not leave it", False


def _tensors(directory: RunDirectory) -> dict[str, tuple[str, str]]:
    """Files of tensors that have a JSON beside them: its name, and the SHA-256 that it says."""
    found = {}
    for name in (BEST, *snapshot_names(directory.checkpoints)):
        with contextlib.suppress(OSError, ValueError):
            for file, stated in tensor_files(name, read_about(directory.checkpoints, name)).items():
                found[f"checkpoints/{file}"] = (f"checkpoints/{name}.json", stated)
    return found


def is_changed(directory: RunDirectory, record: Run, name: str) -> bool:
    """Whether a file is not the one that the record covers; False where it covers none of that name."""
    stated = (record.files or {}).get(name)
    return stated is not None and _sha256(directory.path / name) != stated


def _sha256(path: Path) -> str | None:
    """None where there is no regular file that can be read."""
    try:
        return sha256_of(path)
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
