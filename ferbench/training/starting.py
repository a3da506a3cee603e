"""The weights of an earlier run at one of its checkpoints, for a run that starts from them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from ferbench.errors import UserError
from ferbench.experiment.start import Start, split_point
from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.find import find_run
from ferbench.runs.lock import is_held
from ferbench.runs.saved import BEST, refuse_untrained
from ferbench.training import checkpoints
from ferbench.training.snapshots import Snapshot, Snapshots, snapshot_name


def find_start(results: Path, given: str) -> Start:
    """What ``RUN@POINT`` names, by the content that is there now.

    Args:
        results: the results directory; ``RUN`` may be a path elsewhere.
        given: a run by name, id or path; without a point its newest checkpoint is meant.

    Raises:
        UserError: there is no such run or it has no such point, or another process is training the run and the point
            may move.
    """
    name, point = split_point(given)
    directory = find_run(results, name)
    record = directory.load()
    run = directory.path.name
    refuse_untrained(directory, record)
    if record.training is not None and record.training.fitted:
        raise UserError(
            f"run {run} is of an estimator, which is fitted at once and has no weights to go on from",
            "name the run of a network",
        )
    if point in ("best", "last") and record.status == "running" and is_held(directory):
        raise UserError(
            f"run {run} is still being trained: its {point} checkpoint may be another one soon",
            f"wait for it, or name an epoch that is done: {_choices(run, points(directory, record))}",
        )
    at, epoch, state = _at_point(directory, record, point)
    place = run if _same(directory, RunDirectory(run_path(results, run))) else str(directory.path.resolve())
    return Start(
        directory,
        f"{place}@{at}",
        record.name,
        record.identity.training_id,
        record.identity.config_id,
        at,
        epoch,
        hashlib.sha256(checkpoints.to_bytes(state)).hexdigest(),
        tuple(record.data.class_names),
    )


def weights_of(start: Start, what_for: str, remedy: str) -> dict[str, Tensor]:
    """The weights, on the CPU.

    Args:
        start: which.
        what_for: ends the sentence that this run …: ``starts from``.
        remedy: where they are not those that the ids cover.

    Raises:
        UserError: they are gone, or are not those that the ids cover.
    """
    _, _, state = _at_point(start.directory, start.directory.load(), start.at)
    if hashlib.sha256(checkpoints.to_bytes(state)).hexdigest() != start.sha256:
        raise UserError(f"{start.label} no longer has the weights that this run {what_for}", remedy)
    return state


def begin(start: Start, model: nn.Module) -> None:
    """Put the weights into a model.

    Raises:
        UserError: they are gone, are not those that the ids cover, or do not fit the model.
    """
    state = weights_of(start, "starts from", "start a new run from it with 'ferbench run --from'")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise UserError(
            f"the weights of {start.label} do not fit the model: {' '.join(lines[1:2])}",
            "keep the parent's model, its options and its data.image_size and data.channels",
        ) from error


def begin_from(start: Start | None, model: nn.Module) -> UserError | None:
    """`begin`, where there is a start; what is wrong comes back, since a run that goes on may not need it any more."""
    if start is not None:
        try:
            begin(start, model)
        except UserError as error:
            return error
    return None


def points(directory: RunDirectory, record: Run) -> dict[str, str]:
    """The checkpoints of a run: by point (``best``, ``12``, ``step3400``), in the order of training, ``best`` first.

    Returns:
        Names of files without suffix. Whether they are whole is not looked at.
    """
    files = {BEST: BEST} if (directory.checkpoints / f"{BEST}.json").is_file() else {}
    snapshots = _snapshots(directory, record)
    for name in snapshots.names():
        position = snapshots.position(name)
        if position is not None:
            step, epoch, batches = position
            files[f"step{step}" if batches else str(epoch - 1)] = name
    return files


#: A point's lasting name, the epoch of the weights, and the weights: the average of them where the run keeps one.
_Weights = tuple[str, int, dict[str, Tensor]]


def _at_point(directory: RunDirectory, record: Run, point: str) -> _Weights:
    """What a run has at a point.

    Raises:
        UserError: there is no such checkpoint, or it is damaged.
    """
    files = points(directory, record)
    if point == "last":
        return _last(directory, record, files)
    name = files.get(point)
    if name is None and point.startswith("step"):  # the update that ended an epoch
        ended = snapshot_name(int(point.removeprefix("step")), batches=0)
        name = ended if ended in files.values() else None
    if name is not None and name != BEST:
        snapshot = _snapshots(directory, record).read(name)
        if snapshot is None:
            left = {key: other for key, other in files.items() if other != name}
            raise UserError(
                f"checkpoint {directory.checkpoints / name}.safetensors is damaged", _remedy(directory, left)
            )
        return _weights(point, snapshot)
    if BEST in files:  # the weights of an epoch that may have no snapshot any more
        recorded = record.training if record.status == "done" else None
        facts, weights = checkpoints.read_weights(directory.checkpoints, BEST, recorded)
        if point in (BEST, str(facts.epoch)):
            return point, facts.epoch, weights
    raise UserError(f"run {directory.path.name} has no checkpoint at '{point}'", _remedy(directory, files))


def _last(directory: RunDirectory, record: Run, files: Mapping[str, str]) -> _Weights:
    """The newest checkpoint that is whole, the best weights when there is no other; damaged ones are named."""
    for point, name in reversed(list(files.items())):
        if name == BEST:
            return _at_point(directory, record, BEST)
        snapshot = _snapshots(directory, record).read(name)
        if snapshot is not None:
            return _weights(point, snapshot)
        print(f"warning: checkpoint {directory.checkpoints / name}.json is damaged", file=sys.stderr, flush=True)
    raise UserError(f"run {directory.path.name} has no checkpoint to start from", _remedy(directory, {}))


def _weights(point: str, snapshot: Snapshot) -> _Weights:
    return point, snapshot.epoch, snapshot.model if snapshot.average is None else snapshot.average


def _remedy(directory: RunDirectory, files: Mapping[str, str]) -> str:
    if not files:
        return "give its 'ferbench run' command again"
    return f"choose {_choices(directory.path.name, files)}; training.keep says which checkpoints a run keeps"


def _snapshots(directory: RunDirectory, record: Run) -> Snapshots:
    return Snapshots(directory.checkpoints, record.identity.training_id)


def _choices(run: str, files: Mapping[str, str]) -> str:
    shown = [f"{run}@{name}" for name in files]
    return ", ".join(shown if len(shown) <= 12 else [*shown[:2], "…", *shown[-9:]])


def _same(directory: RunDirectory, other: RunDirectory) -> bool:
    return other.exists() and directory.path.resolve() == other.path.resolve()
