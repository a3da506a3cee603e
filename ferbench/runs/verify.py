"""Whether a run's files are what was written, and say the same.

Weights and checkpoints are held against their digests, ids against what they cover, scores against the predictions
that they were computed from, and the predictions of an ensemble against those of its members.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.fingerprint import evaluation_id
from ferbench.ids import digest, short
from ferbench.runs.directory import Predictions, RunDirectory, own_digest
from ferbench.runs.learnt import SAMPLES_FILE, SPLITS, read_samples
from ferbench.runs.pixels import STORED
from ferbench.runs.recompute import contradiction, differs_from_members, malformed
from ferbench.runs.saved import BEST, loss_file, saved
from ferbench.runs.summary import summarise

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
    found: dict[str, Finding] = {}
    for file, what, remedy, damage in _findings(directory):
        said = found.get(file)
        if said is not None and said.damage and damage:
            found[file] = replace(said, what=f"{said.what}; {what}")
        elif said is None or damage:
            found[file] = Finding(directory.path.name, file, what, remedy, damage)
    yield from found.values()


_Found = Iterator[tuple[str, str, str, bool]]


def _findings(directory: RunDirectory) -> _Found:
    yield from _strays(directory)
    try:
        record = directory.read()
    except UserError as error:
        yield "run.json", error.message, f"'ferbench runs rm {directory.path.name}', then run again", True
        return
    lacks = summarise(directory.path.name, record)
    if lacks.status == "damaged":
        yield "run.json", lacks.reason, f"'ferbench runs rm {directory.path.name}', then run again", True
        return
    try:
        yield from _identity(directory, record)
        if "ensemble" not in record and "imported" not in record:
            yield from _checkpoints(directory, record)
            yield from _history(directory, record)
            yield from _samples(directory, record)
        yield from _evaluations(directory, record)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"it lacks what a record has: {error}"
        yield "run.json", what, f"'ferbench runs rm {directory.path.name}', then run again", True


def _strays(directory: RunDirectory) -> _Found:
    for path in sorted(directory.path.rglob("*")):
        name = path.relative_to(directory.path).as_posix()
        if path.is_symlink():
            yield name, "a symbolic link: ferbench makes none", "put the file or folder itself in its place", True
        elif path.name.startswith(".") and path.name.endswith(".tmp"):
            yield name, "left behind by a write that was cut short", "'ferbench doctor --fix' removes it", False


def _identity(directory: RunDirectory, record: Mapping[str, Any]) -> _Found:
    identity, remedy = record["identity"], "it was changed after it was written: take it from a backup, or run again"
    covers = identity.get("covers") or {}
    if "ensemble" in record:
        members = [[one["training_id"], one["weight"]] for one in record["ensemble"]["members"]]
        expected = digest({"kind": "ensemble", "members": members})
    else:
        expected = digest({"kind": "training", **covers})
    if identity["training_id"] != expected:
        yield "run.json", "the training id is not that of what it covers", remedy, True
    elif short(identity["training_id"]) != directory.path.name:
        other = short(identity["training_id"])
        yield "run.json", f"it is the record of run {other}", f"rename the directory to {other}", True


def _checkpoints(directory: RunDirectory, record: Mapping[str, Any]) -> _Found:
    found = saved(directory, record["identity"]["training_id"])
    done = record["status"] == "done"
    for one in found:
        if one.fault and one.is_best:
            yield f"checkpoints/{BEST}.safetensors", one.fault, f"{_AGAIN}: it trains anew what is lost", True
        elif one.fault:
            remedy = "remove its two files; a run goes on from the one before it"
            yield f"checkpoints/{one.name}.json", one.fault, remedy, True
    best = next((one for one in found if one.is_best), None)
    if best is None and done:
        yield f"checkpoints/{BEST}.safetensors", "the weights are not there", f"{_AGAIN}: it trains anew", True
    elif best is not None and done and not best.fault:
        about, training = json.loads((directory.checkpoints / f"{BEST}.json").read_bytes()), record["training"]
        for key, stated in (("epoch", training["best_epoch"]), ("sha256", training.get("weights_sha256"))):
            if stated is not None and about.get(key) != stated:
                what = f"run.json has other weights: {key} {stated}, not {about.get(key)}"
                yield f"checkpoints/{BEST}.json", what, f"remove the run's checkpoints, then {_AGAIN}", True
                break
    names = {one.name for one in found} | {Path(loss_file(BEST)).stem}
    for path in sorted(directory.checkpoints.glob("*.safetensors")):
        if path.stem not in names:
            remedy = "nothing: it does not count, and the run's end or 'ferbench runs rm' removes it"
            yield f"checkpoints/{path.name}", "a checkpoint that was not finished", remedy, False


def _history(directory: RunDirectory, record: Mapping[str, Any]) -> _Found:
    path, remedy = directory.path / "history.jsonl", "take it from a backup, or remove the run and run again"
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        done = record["status"] == "done"
        if done or path.exists() or any(directory.checkpoints.glob("*.safetensors")):  # else it never began an epoch
            yield path.name, f"it cannot be read: {error.strerror}", remedy, done
        return
    for number, line in enumerate(lines, 1):
        try:
            epoch = json.loads(line)["epoch"]
        except (ValueError, KeyError, TypeError):
            cut = number == len(lines) and record["status"] != "done"
            what = f"line {number} was cut short" if cut else f"line {number} is no epoch"
            yield path.name, what, f"{_AGAIN}: it is mended then" if cut else remedy, not cut
            return
        if epoch != number:
            yield path.name, f"line {number} is of epoch {epoch}", remedy, True
            return
    trained = record["training"]["epochs"] if record["status"] == "done" else None
    if trained is not None and trained != len(lines):
        yield path.name, f"it has {len(lines)} epochs, run.json {trained}", remedy, True


def _samples(directory: RunDirectory, record: Mapping[str, Any]) -> _Found:
    if not (directory.path / SAMPLES_FILE).exists():  # runs of older releases, and those that never began
        return
    remedy = "take it from a backup, or remove it: tests then cannot say what the run has seen"
    samples = read_samples(directory)
    if samples is None:
        yield SAMPLES_FILE, "it cannot be read", remedy, True
        return
    inherits = bool(record["lineage"]["parents"])  # then those of the runs that it comes from are among them
    for split in SPLITS:
        held, stated = samples[split], sum(record["data"]["counts"][split].values())
        fits = len(held.ids) == stated or (inherits and len(held.ids) > stated)
        if not (fits and len(held.ids) == len(held.pixel_hashes)):
            yield SAMPLES_FILE, f"it has {len(held.ids):,} {split} samples, run.json {stated:,}", remedy, True
            return


def _evaluations(directory: RunDirectory, record: Mapping[str, Any]) -> _Found:
    folder = directory.path / "evaluations"
    for name, entry in record["evaluations"].items():
        place, remedy = f"evaluations/{name}", f"remove that evaluation, then {_AGAIN}"
        if "data" in entry:
            remedy = "remove that evaluation, then give its 'ferbench evaluate' command again"
        elif "ensemble" in record:
            remedy = "remove that evaluation, then give the 'ferbench ensemble' command again"
        elif "imported" in record:
            remedy = "remove that run, then give the 'ferbench import' command again"
        if Path(name).name != name or name.startswith("."):
            yield "run.json", f"'{name}' is no name of an evaluation", remedy, True
            continue
        stored, what = _read_metrics(folder / name / "metrics.json")
        if stored is None:
            yield f"{place}/metrics.json", what, remedy, True
            continue
        own = stored.pop("own", None)  # evaluations of older releases have none
        if own is not None and own != own_digest(stored):
            yield f"{place}/metrics.json", "it is not what was written: its own digest is another", remedy, True
            continue
        unlike = [key for key in _TWICE if stored.get(key) != entry.get(key)]
        unlike += ["id"] if stored.get("evaluation_id") != entry.get("id") else []
        if unlike:
            yield f"{place}/metrics.json", f"run.json says something else: {', '.join(unlike)}", remedy, True
        elif _id_is_wrong(name, entry, record):
            yield f"{place}/metrics.json", "the evaluation id is not that of what it covers", remedy, True
        try:
            predictions = directory.predictions(name)
        except UserError as error:
            what = error.message.removeprefix(f"{folder / name / 'predictions.npz'} is ")
            yield f"{place}/predictions.npz", what, remedy, True
            continue
        try:
            yield from _scores(directory, record, place, stored, predictions, remedy)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            yield f"{place}/metrics.json", f"it lacks what an evaluation has: {error}", remedy, True
    known = set(record["evaluations"])
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in known and not path.name.startswith("."):
            remedy = "remove it, or give the command that was interrupted again"
            yield f"evaluations/{path.name}", "an evaluation that run.json does not have", remedy, False


def _scores(
    directory: RunDirectory,
    record: Mapping[str, Any],
    place: str,
    stored: Mapping[str, Any],
    predictions: Predictions,
    remedy: str,
) -> _Found:
    stated = stored.get("predictions_sha256")
    content = (directory.path / place / "predictions.npz").read_bytes()
    if stated is not None and hashlib.sha256(content).hexdigest() != stated:
        what = "it is not what was written: its SHA-256 is another"
        yield f"{place}/predictions.npz", what, remedy, True
        return
    what = malformed(predictions, stored)
    if what:
        yield f"{place}/predictions.npz", what, remedy, True
        return
    what = contradiction(predictions, stored)
    if what:
        yield f"{place}/metrics.json", f"it is not what follows from the predictions: {what}", remedy, True
    if "ensemble" in record:
        what, damage = differs_from_members(directory, record, stored["split"], predictions)
        if what:
            yield f"{place}/predictions.npz", what, remedy if damage else "nothing: an ensemble stands alone", damage


def _read_metrics(path: Path) -> tuple[dict[str, Any] | None, str]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        return None, f"it cannot be read: {error.strerror}"
    except ValueError:
        return None, "it is no JSON"
    return (found, "") if isinstance(found, dict) else (None, "it is no evaluation")


def _id_is_wrong(name: str, entry: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    if short(str(entry.get("id"))) != name:
        return True
    if "data" in entry or "options" not in entry:  # later tests cover their classes too; older records say less
        return False
    options = {key: value for key, value in entry["options"].items() if key != STORED}
    stored = (entry.get(STORED) or {}).get("digest")
    return entry["id"] != evaluation_id(record["identity"]["training_id"], entry["rows_digest"], options, stored)
