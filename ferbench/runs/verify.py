"""Whether a run's files are what was written, and say the same.

Weights and checkpoints are held against their digests, ids against what they cover, scores against the predictions
that they were computed from, and the predictions of an ensemble against those of its members.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ferbench.bounded import Damaged, read_file
from ferbench.errors import UserError
from ferbench.ids import digest, short
from ferbench.records.evaluation import Evaluation, EvaluationEntry, evaluation_id
from ferbench.records.reading import read_epoch, read_evaluation
from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory
from ferbench.runs.learnt import SAMPLES_FILE, SPLITS, read_samples
from ferbench.runs.pixels import STORED
from ferbench.runs.predictions import Predictions, malformed, read_predictions
from ferbench.runs.recompute import contradiction, differs_from_members
from ferbench.runs.saved import BEST, loss_file, saved

#: What an evaluation has twice: in ``metrics.json`` and in ``run.json``.
_TWICE = ("split", "rows_digest", "options", STORED, "n", "metrics", "per_class")

_AGAIN = "give the run's 'ferbench run' command, or 'ferbench resume', again"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one file of a run.

    Attributes:
        run: name of its directory.
        file: in that directory.
        what: is the matter.
        remedy: what to do.
        damage: the run is not what it was; else it is only worth knowing.
    """

    run: str
    file: str
    what: str
    remedy: str
    damage: bool = True


def verify(directory: RunDirectory) -> Iterator[Finding]:
    """Everything that is the matter with a run, one finding a file."""
    findings: dict[str, Finding] = {}
    for file, what, remedy, damage in _findings(directory):
        before = findings.get(file)
        if before is not None and before.damage and damage:
            findings[file] = replace(before, what=f"{before.what}; {what}")
        elif before is None or damage:
            findings[file] = Finding(directory.path.name, file, what, remedy, damage)
    yield from findings.values()


_Found = Iterator[tuple[str, str, str, bool]]


def _findings(directory: RunDirectory) -> _Found:
    yield from _strays(directory)
    try:
        record = directory.load()
    except UserError as error:
        yield "run.json", error.message, f"'ferbench runs rm {directory.path.name}', then run again", True
        return
    yield from _identity(directory, record)
    if record.kind == "trained":
        yield from _checkpoints(directory, record)
        yield from _history(directory, record)
        yield from _samples(directory, record)
    yield from _evaluations(directory, record)


def _strays(directory: RunDirectory) -> _Found:
    for path in sorted(directory.path.rglob("*")):
        name = path.relative_to(directory.path).as_posix()
        if path.is_symlink():
            yield name, "a symbolic link: ferbench makes none", "put the file or folder itself in its place", True
        elif path.name.startswith(".") and path.name.endswith(".tmp"):
            yield name, "left behind by a write that was cut short", "'ferbench doctor --fix' removes it", False


def _identity(directory: RunDirectory, record: Run) -> _Found:
    training_id = record.identity.training_id
    if record.ensemble is not None:
        members = [[member.training_id, member.weight] for member in record.ensemble.members]
        expected = digest({"kind": "ensemble", "members": members})
    else:
        expected = digest({"kind": "training", **record.identity.covers})
    if training_id != expected:
        remedy = "it was changed after it was written: take it from a backup, or run again"
        yield "run.json", "the training id is not that of what it covers", remedy, True
    elif (other := short(training_id)) != directory.path.name:
        yield "run.json", f"it is the record of run {other}", f"rename the directory to {other}", True


def _checkpoints(directory: RunDirectory, record: Run) -> _Found:
    checkpoints = saved(directory, record.identity.training_id)
    done = record.status == "done"
    for checkpoint in checkpoints:
        if checkpoint.fault and checkpoint.is_best:
            yield f"checkpoints/{BEST}.safetensors", checkpoint.fault, f"{_AGAIN}: it trains anew what is lost", True
        elif checkpoint.fault:
            remedy = "remove its two files; a run goes on from the one before it"
            yield f"checkpoints/{checkpoint.name}.json", checkpoint.fault, remedy, True
    best = next((checkpoint for checkpoint in checkpoints if checkpoint.is_best), None)
    if best is None and done:
        yield f"checkpoints/{BEST}.safetensors", "the weights are not there", f"{_AGAIN}: it trains anew", True
    elif best is not None and record.training is not None and done and not best.fault:
        about, training = json.loads((directory.checkpoints / f"{BEST}.json").read_bytes()), record.training
        for key, stated in (("epoch", training.best_epoch), ("sha256", training.weights_sha256)):
            if stated is not None and about.get(key) != stated:
                what = f"run.json has other weights: {key} {stated}, not {about.get(key)}"
                yield f"checkpoints/{BEST}.json", what, f"remove the run's checkpoints, then {_AGAIN}", True
                break
    names = {checkpoint.name for checkpoint in checkpoints} | {Path(loss_file(BEST)).stem}
    for path in sorted(directory.checkpoints.glob("*.safetensors")):
        if path.stem not in names:
            remedy = "nothing: it does not count, and the run's end or 'ferbench runs rm' removes it"
            yield f"checkpoints/{path.name}", "a checkpoint that was not finished", remedy, False


def _history(directory: RunDirectory, record: Run) -> _Found:
    path, remedy = directory.path / "history.jsonl", "take it from a backup, or remove the run and run again"
    try:
        lines = read_file(path).splitlines()
    except (OSError, Damaged) as error:
        done = record.status == "done"
        if done or path.exists() or any(directory.checkpoints.glob("*.safetensors")):  # else it never began an epoch
            yield path.name, f"it cannot be read: {getattr(error, 'strerror', None) or error}", remedy, done
        return
    for number, line in enumerate(lines, 1):
        try:
            epoch = read_epoch(line).epoch
        except ValueError:
            cut = number == len(lines) and record.status != "done"
            what = f"line {number} was cut short" if cut else f"line {number} is no epoch"
            yield path.name, what, f"{_AGAIN}: it is mended then" if cut else remedy, not cut
            return
        if epoch != number:
            yield path.name, f"line {number} is of epoch {epoch}", remedy, True
            return
    if record.status == "done" and record.training is not None and record.training.epochs != len(lines):
        yield path.name, f"it has {len(lines)} epochs, run.json {record.training.epochs}", remedy, True


def _samples(directory: RunDirectory, record: Run) -> _Found:
    if not (directory.path / SAMPLES_FILE).exists():  # runs of older releases, and those that never began
        return
    remedy = "take it from a backup, or remove it: tests then cannot say what the run has seen"
    samples = read_samples(directory)
    if samples is None:
        yield SAMPLES_FILE, "it cannot be read", remedy, True
        return
    inherits = bool(record.lineage.parents)  # then those of the runs that it comes from are among them
    for split in SPLITS:
        held, stated = samples[split], sum(record.data.counts.get(split, {}).values())
        fits = len(held.ids) == stated or (inherits and len(held.ids) > stated)
        if not (fits and len(held.ids) == len(held.pixel_hashes)):
            yield SAMPLES_FILE, f"it has {len(held.ids):,} {split} samples, run.json {stated:,}", remedy, True
            return


def _evaluations(directory: RunDirectory, record: Run) -> _Found:
    for name, entry in record.evaluations.items():
        place, remedy = f"evaluations/{name}", f"remove that evaluation, then {_AGAIN}"
        if not entry.is_own:
            remedy = "remove that evaluation, then give its 'ferbench evaluate' command again"
        elif record.kind == "ensemble":
            remedy = "remove that evaluation, then give the 'ferbench ensemble' command again"
        elif record.kind == "imported":
            remedy = "remove that run, then give the 'ferbench import' command again"
        if Path(name).name != name or name.startswith("."):
            yield "run.json", f"'{name}' is no name of an evaluation", remedy, True
            continue
        try:
            stored = read_evaluation(read_file(directory.evaluation_path(name) / "metrics.json"))
        except OSError as error:
            yield f"{place}/metrics.json", f"it cannot be read: {error.strerror}", remedy, True
            continue
        except ValueError as error:
            yield f"{place}/metrics.json", str(error), remedy, True
            continue
        unlike = [key for key in _TWICE if getattr(stored, key) != getattr(entry, key)]
        unlike += ["id"] if stored.evaluation_id != entry.id else []
        if unlike:
            yield f"{place}/metrics.json", f"run.json says something else: {', '.join(unlike)}", remedy, True
        elif _id_is_wrong(name, entry, record):
            yield f"{place}/metrics.json", "the evaluation id is not that of what it covers", remedy, True
        try:
            predictions = read_predictions(directory.evaluation_path(name) / "predictions.npz")
        except UserError as error:
            what = error.message.removeprefix(f"{directory.evaluation_path(name) / 'predictions.npz'} is ")
            yield f"{place}/predictions.npz", what, remedy, True
            continue
        yield from _scores(directory, record, place, stored, predictions, remedy)
    folder = directory.path / "evaluations"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in record.evaluations and not path.name.startswith("."):
            remedy = "remove it, or give the command that was interrupted again"
            yield f"evaluations/{path.name}", "an evaluation that run.json does not have", remedy, False


def _scores(
    directory: RunDirectory, record: Run, place: str, stored: Evaluation, predictions: Predictions, remedy: str
) -> _Found:
    stated = stored.predictions_sha256
    content = (directory.path / place / "predictions.npz").read_bytes()
    if stated is not None and hashlib.sha256(content).hexdigest() != stated:
        what = "it is not what was written: its SHA-256 is another"
        yield f"{place}/predictions.npz", what, remedy, True
        return
    what = malformed(predictions, len(stored.class_names))
    if what:
        yield f"{place}/predictions.npz", what, remedy, True
        return
    what = contradiction(predictions, stored)
    if what:
        yield f"{place}/metrics.json", f"it is not what follows from the predictions: {what}", remedy, True
    if record.kind == "ensemble":
        what, damage = differs_from_members(directory, record, stored.split, predictions)
        if what:
            yield f"{place}/predictions.npz", what, remedy if damage else "nothing: an ensemble stands alone", damage


def _id_is_wrong(name: str, entry: EvaluationEntry, record: Run) -> bool:
    if entry.id is None or short(entry.id) != name:
        return True
    # Later tests cover their classes too; older records say less.
    if not entry.is_own or "options" not in entry.model_fields_set:
        return False
    options = {key: value for key, value in entry.options.items() if key != STORED}
    stored = None if entry.stored is None else entry.stored.digest
    return entry.id != evaluation_id(record.identity.training_id, entry.rows_digest, options, stored)
