"""Which files of a run its record covers by their SHA-256: the one place that makes these digests and looks at them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.bounded import Damaged, sha256_of
from ferbench.errors import UserError
from ferbench.runs.corrections import CORRECTIONS
from ferbench.runs.directory import HISTORY, RunDirectory
from ferbench.runs.epoch_predictions import EPOCHS_FILE
from ferbench.runs.learnt import SAMPLES_FILE
from ferbench.runs.saved import BEST, is_whole, read_about, snapshot_names, tensor_files

if TYPE_CHECKING:
    from ferbench.records.epoch import Epoch
    from ferbench.records.run import Run

#: Of the best weights; it holds the digests of their tensors.
BEST_FILE = f"checkpoints/{BEST}.json"

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


def vouched(directory: RunDirectory, snapshot: str) -> dict[str, str]:
    """What a snapshot says of the files that a run goes on with beside it: their SHA-256 when it was made, of
    ``history.jsonl`` that of the epochs that had ended. Empty where an older release made it, or it is damaged."""
    try:
        about = read_about(directory.checkpoints, snapshot)
    except (OSError, ValueError):
        return {}
    files = about.get("files")
    known = files if isinstance(files, dict) and isinstance(about.get("epoch"), int) else {}
    return {name: known[name] for name in (HISTORY, SAMPLES_FILE, BEST_FILE) if isinstance(known.get(name), str)}


def changed_since(directory: RunDirectory, snapshot: str, last: Epoch | None = None) -> list[str]:
    """Which of the files that a snapshot has `vouched` for are others now.

    Args:
        directory: of a run that has not ended.
        snapshot: that it goes on from; its JSON is not damaged.
        last: the last epoch that had ended then, whose line is written after the snapshot; None: whether there is
            another one in its place is not looked at where it is missing.
    """
    changed, known = [], vouched(directory, snapshot)
    next_epoch = read_about(directory.checkpoints, snapshot)["epoch"] if known else 0
    for name, stated in known.items():
        if name == HISTORY:
            kept = directory.kept_history(next_epoch - 1, last)
            missing = last is None and kept.count(b"\n") == next_epoch - 2
            same = missing or hashlib.sha256(kept).hexdigest() == stated
        else:
            same = _sha256(directory.path / name) == stated
        if name == BEST_FILE and not same:  # those of an epoch that the snapshot has not come to are written anew
            with contextlib.suppress(OSError, ValueError, TypeError):
                same = read_about(directory.checkpoints, BEST)["epoch"] >= next_epoch
        if not same:
            changed.append(name)
    return changed


def unfinished_differences(directory: RunDirectory) -> tuple[str | None, list[str]]:
    """Of a run that has not ended: its newest snapshot that is whole and vouches for other files, and which of them
    are others now. Whoever trains the run may write a newer one meanwhile, which is then the one."""
    while True:
        names = snapshot_names(directory.checkpoints)
        whole = (name for name in reversed(names) if is_whole(directory.checkpoints, name))
        snapshot = next((name for name in whole if vouched(directory, name)), None)
        try:
            changed = [] if snapshot is None else changed_since(directory, snapshot)
        except (OSError, ValueError):  # it has just gone
            snapshot, changed = None, []
        except UserError:  # the history cannot be read
            return snapshot, []
        if (snapshot and not changed) or snapshot_names(directory.checkpoints) == names:
            return snapshot, changed


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
    plain = (HISTORY, SAMPLES_FILE, CORRECTIONS, EPOCHS_FILE)
    names: list[tuple[str, str | None]] = [(name, None) for name in plain]
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
