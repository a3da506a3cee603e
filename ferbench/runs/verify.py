"""Whether a run's files are what was written, and say the same.

Every file is held against its digest in the record, and the record against its own; ids against what they cover, what
the record says against itself, scores against the predictions that they were computed from, and the predictions of an
ensemble against those of its members.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ferbench.bounded import Damaged, read_file
from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.plugin.registry import Registry
from ferbench.records.epoch import Epoch
from ferbench.records.evaluation import Evaluation, EvaluationEntry, evaluation_id
from ferbench.records.ledger import LEDGER
from ferbench.records.reading import read_epoch, read_evaluation
from ferbench.records.run import OnTest, OnTestGain, Run
from ferbench.runs.agreement import disagreements
from ferbench.runs.corrections import CORRECTIONS, read_corrections
from ferbench.runs.covered import differences, unfinished_differences
from ferbench.runs.directory import RunDirectory
from ferbench.runs.epoch_predictions import EPOCHS_FILE, on_test, read_epoch_predictions
from ferbench.runs.imported import expected
from ferbench.runs.index import summaries
from ferbench.runs.learnt import SAMPLES_FILE, SPLITS, read_samples
from ferbench.runs.pixels import STORED
from ferbench.runs.plugin_metrics import given_to_metrics, recomputed
from ferbench.runs.predictions import Predictions, malformed, read_predictions
from ferbench.runs.reads import ledger_faults
from ferbench.runs.recompute import (
    contradiction,
    differs_from_folds,
    differs_from_members,
    record_differs_from_folds,
    record_differs_from_members,
)
from ferbench.runs.removal import REMOVING
from ferbench.runs.saved import BEST, loss_file, saved

#: What an evaluation of every release has twice: in ``metrics.json`` and in ``run.json``.
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
        covered: False: no digest vouches for the file, so that a change of it may go unnoticed.
    """

    run: str
    file: str
    what: str
    remedy: str
    damage: bool = True
    covered: bool = True


#: What came of verifying a run. ``not covered``: nothing contradicts it, and no digest vouches for all of it.
Verdict = Literal["whole", "not covered", "damaged"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of verifying a run.

    Attributes:
        verdict: ``whole``, ``not covered`` or ``damaged``.
        findings: what is the matter with its files, one a file.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, directory: RunDirectory, registry: Callable[[], Registry] | None = None) -> Verification:
        """Look at every file of a run.

        Args:
            directory: of the run.
            registry: loads the plugins, where metrics of some are to be computed again; None: they are not.
        """
        findings = tuple(verify(directory, registry))
        if any(finding.damage for finding in findings):
            return cls("damaged", findings)
        return cls("whole" if all(finding.covered for finding in findings) else "not covered", findings)


def verify(directory: RunDirectory, registry: Callable[[], Registry] | None = None) -> Iterator[Finding]:
    """Everything that is the matter with a run, one finding a file."""
    run, findings = directory.path.name, dict[str, Finding]()
    for file, what, remedy, damage in _findings(directory, registry):
        before = findings.get(file)
        if before is not None and before.damage and damage:
            findings[file] = replace(before, what=f"{before.what}; {what}")
        elif before is None or damage:
            findings[file] = Finding(run, file, what, remedy, damage)
    # Of a file that says by itself what is wrong with it, its digest says nothing more.
    for finding in _uncovered(directory):
        if finding.file not in findings or (finding.damage and not findings[finding.file].damage):
            findings[finding.file] = finding
    yield from findings.values()


def verify_ledger(results: Path, names: Collection[str] | None = None) -> Iterator[Finding]:
    """What is the matter with the ledger of test reads.

    Args:
        results: the results directory.
        names: of runs, whose own lines alone are looked for; none: all of it.
    """
    runs = summaries(results)
    if names:
        runs = [run for run in runs if run.run in names]
    for what, remedy in ledger_faults(results, runs, alone=bool(names)):
        yield Finding(results.name, LEDGER, what, remedy)


_Found = Iterator[tuple[str, str, str, bool]]


def _findings(directory: RunDirectory, registry: Callable[[], Registry] | None) -> _Found:
    removed, half, _ = directory.path.name.removeprefix(".").partition(REMOVING)
    if half:
        yield "run.json", "it is half removed", f"'ferbench runs rm {removed}' ends that", True
        return
    yield from _strays(directory)
    try:
        record = directory.load()
    except UserError as error:
        what = error.message.removeprefix(f"{directory.record_path} is damaged: ")
        remedy = f"take it from a backup; or 'ferbench runs rm {directory.path.name}', then run again"
        if not directory.exists():
            remedy = f"give the command that was ended again, or 'ferbench runs rm {directory.path.name}'"
        yield "run.json", what, remedy, True
        return
    changed = "it was changed after it was written: take it from a backup, or run again"
    for what in disagreements(record):
        yield "run.json", what, changed, True
    if (other := short(record.identity.training_id)) != directory.path.name:
        yield "run.json", f"it is the record of run {other}", f"rename the directory to {other}", True
    if record.kind == "ensemble" and (unlike := record_differs_from_members(directory, record)):
        yield "run.json", f"its members say something else: {unlike}", changed, True
    if record.kind == "pooled" and (unlike := record_differs_from_folds(directory, record)):
        yield "run.json", f"its folds say something else: {unlike}", changed, True
    if record.kind == "trained":
        yield from _checkpoints(directory, record)
        yield from _history(directory, record)
        yield from _samples(directory, record)
        yield from _corrections(directory, record)
        yield from _epoch_predictions(directory, record)
    yield from _evaluations(directory, record, registry)


def _uncovered(directory: RunDirectory) -> Iterator[Finding]:
    """Files that are not what the record covers, and what it does not cover."""
    run = directory.path.name
    try:
        record = directory.load()
    except UserError:
        return
    if REMOVING in run:
        return
    if record.files is None:
        what = "it was written by an older release, whose records have no digests: a change may go unnoticed"
        yield Finding(run, "run.json", what, "nothing; a run of today is covered", damage=False, covered=False)
        return
    if record.status == "running":
        snapshot, changed = unfinished_differences(directory)
        for file in changed:
            what = f"it is not what it was when checkpoint {snapshot} was made"
            yield Finding(run, file, what, "take it from a backup, or remove the run and run again")
        vouching = f"beyond what checkpoint {snapshot} vouches for" if snapshot else "its files have no digests yet"
        what = f"it does not say how it ended: {vouching}, a change may go unnoticed"
        yield Finding(run, "run.json", what, f"'ferbench resume {run}'", damage=False, covered=False)
        return
    for file, what, damage in differences(directory, record):
        remedy = "take it from a backup, or remove the run and run again"
        yield Finding(run, file, what, remedy if damage else "nothing, if you know where it comes from", damage)


def _strays(directory: RunDirectory) -> _Found:
    for path in sorted(directory.path.rglob("*")):
        name = path.relative_to(directory.path).as_posix()
        if path.is_symlink():
            yield name, "a symbolic link: ferbench makes none", "put the file or folder itself in its place", True
        elif path.name.startswith(".") and path.name.endswith(".tmp"):
            yield name, "left behind by a write that was cut short", "'ferbench doctor --fix' removes it", False


def _checkpoints(directory: RunDirectory, record: Run) -> _Found:
    checkpoints = saved(directory, record.identity.training_id)
    done = record.status == "done"
    for checkpoint in checkpoints:
        if checkpoint.fault and checkpoint.is_best:
            # A run that ended between its two files is mended when it goes on.
            place, remedy = f"checkpoints/{BEST}.safetensors", f"{_AGAIN}: it trains anew what is lost"
            yield place, checkpoint.fault, remedy, done or place in (record.files or {})
        elif checkpoint.fault:
            remedy = "remove its two files; a run goes on from the one before it"
            yield f"checkpoints/{checkpoint.name}.json", checkpoint.fault, remedy, True
    best = next((checkpoint for checkpoint in checkpoints if checkpoint.is_best), None)
    if best is None and done:
        yield f"checkpoints/{BEST}.safetensors", "the weights are not there", f"{_AGAIN}: it trains anew", True
    elif best is not None and record.training is not None and done and not best.fault:
        about, training = json.loads((directory.checkpoints / f"{BEST}.json").read_bytes()), record.training
        held = [("epoch", training.best_epoch), ("sha256", training.weights_sha256), ("select", training.select)]
        for key, stated in (*held, ("value", training.best_value)):
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
    epochs = []
    for number, line in enumerate(lines, 1):
        try:
            epoch = read_epoch(line)
        except ValueError:
            cut = number == len(lines) and record.status != "done"
            what = f"line {number} was cut short" if cut else f"line {number} is no epoch"
            yield path.name, what, f"{_AGAIN}: it is mended then" if cut else remedy, not cut
            return
        if epoch.epoch != number:
            yield path.name, f"line {number} is of epoch {epoch.epoch}", remedy, True
            return
        epochs.append(epoch)
    if record.status != "done" or record.training is None:
        return
    training = record.training
    if training.epochs != len(epochs):
        yield path.name, f"it has {len(epochs)} epochs, run.json {training.epochs}", remedy, True
    elif 0 < training.best_epoch <= len(epochs):
        value = _selected(epochs[training.best_epoch - 1], training.select or "")
        if None not in (value, training.best_value) and value != training.best_value:
            what = f"epoch {training.best_epoch} has {training.select} {value}, run.json {training.best_value}"
            yield path.name, what, remedy, True


def _selected(epoch: Epoch, metric: str) -> float | None:
    """What an epoch says of a metric of validation; None where it does not."""
    return epoch.validation.f1.get(metric.removeprefix("f1:"), epoch.validation.metrics.get(metric))


def _samples(directory: RunDirectory, record: Run) -> _Found:
    if not (directory.path / SAMPLES_FILE).exists():  # runs of older releases, and those that never began
        return
    remedy = "take it from a backup, or remove it: tests then cannot say what the run has seen"
    samples = read_samples(directory)
    if samples is None:
        yield SAMPLES_FILE, "it cannot be read", remedy, True
        return
    inherits = bool(record.lineage.sources)  # then those of the runs that it comes from are among them
    for split in SPLITS:
        held, stated = samples[split], sum(record.data.counts.get(split, {}).values())
        fits = len(held.ids) == stated or (inherits and len(held.ids) > stated)
        if not (fits and len(held.ids) == len(held.pixel_hashes)):
            yield SAMPLES_FILE, f"it has {len(held.ids):,} {split} samples, run.json {stated:,}", remedy, True
            return


def _corrections(directory: RunDirectory, record: Run) -> _Found:
    remedy = "take it from a backup, or remove the run and run again"
    try:
        corrections = read_corrections(directory)
    except UserError as error:
        yield CORRECTIONS, error.message.removeprefix(f"{directory.path / CORRECTIONS} is damaged: "), remedy, True
        return
    stated = None if record.training is None else record.training.corrected
    if stated is not None and stated != len(corrections):
        yield CORRECTIONS, f"it has {len(corrections):,} corrected labels, run.json {stated:,}", remedy, True
    elif {name for one in corrections for name in (one.given, one.corrected)} - set(record.data.class_names):
        yield CORRECTIONS, "it has other classes than run.json", remedy, True


def _epoch_predictions(directory: RunDirectory, record: Run) -> _Found:
    """The classes after each epoch have the accuracy that the history says, and what choosing the epoch on test would
    have bought follows from them."""
    remedy = "take it from a backup, or remove the run and run again"
    try:
        predicted = read_epoch_predictions(directory)
    except UserError as error:
        yield EPOCHS_FILE, error.message.removeprefix(f"{directory.path / EPOCHS_FILE} is damaged: "), remedy, True
        return
    own = [name for name, entry in record.evaluations.items() if entry.is_own and entry.split == "validation"]
    if predicted is None or record.training is None or record.status != "done" or not own:
        return
    try:
        given, epochs = directory.predictions(own[0]), directory.epochs()
    except UserError:  # which is said of those files
        return
    truth, classes = given.truth, len(record.data.class_names)
    if predicted.shape != (record.training.epochs, len(truth)):
        what = f"it has {predicted.shape[1]:,} samples after {len(predicted):,} epochs, run.json others"
        yield EPOCHS_FILE, what, remedy, True
        return
    for epoch, right in zip(epochs, (predicted == truth).mean(axis=1).tolist(), strict=False):
        stated = epoch.validation.metrics.get("accuracy")
        if stated is not None and abs(stated - right) > 1e-6:
            what = f"the accuracy after epoch {epoch.epoch} is {right:.6f}, history.jsonl says {stated:.6f}"
            yield EPOCHS_FILE, what, remedy, True
            return
    stated_gains = record.training.on_test
    again = on_test(predicted, truth, classes, given.ids, given.columns)
    if (stated_gains is None) != (again is None) or (
        stated_gains is not None and again is not None and not _same_gains(stated_gains, again)
    ):
        what = "what choosing the epoch on test would have bought is not what follows from the predictions"
        yield EPOCHS_FILE, what, remedy, True


def _same_gains(first: OnTest, second: OnTest) -> bool:
    """But for errors of rounding."""
    if (first.n, first.halvings, first.by, first.gains.keys()) != (
        second.n,
        second.halvings,
        second.by,
        second.gains.keys(),
    ):
        return False
    return all(
        abs(getattr(first.gains[name], key) - getattr(second.gains[name], key)) < 1e-9
        for name in first.gains
        for key in OnTestGain.model_fields
    )


def _evaluations(directory: RunDirectory, record: Run, registry: Callable[[], Registry] | None) -> _Found:
    for name, entry in record.evaluations.items():
        place, remedy = f"evaluations/{name}", f"remove that evaluation, then {_AGAIN}"
        if not entry.is_own:
            remedy = "remove that evaluation, then give its 'ferbench evaluate' command again"
        elif record.kind == "ensemble":
            remedy = "remove that evaluation, then give the 'ferbench ensemble' command again"
        elif record.kind == "pooled":
            remedy = "remove that run, then give the 'ferbench run' command of its folds again"
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
        twice = _TWICE if record.files is None else tuple(sorted({*EvaluationEntry.model_fields} - {"id"}))
        unlike = [key for key in twice if getattr(stored, key) != getattr(entry, key)]
        unlike += ["id"] if stored.evaluation_id != entry.id else []
        if entry.is_own and record.kind != "ensemble":  # members may be of several datasets
            about = ("dataset", "synthetic", "protocol", "class_names")
            unlike += [f"data.{key}" for key in about if getattr(stored, key) not in (None, getattr(record.data, key))]
        unlike += ["training_id"] if stored.training_id != record.identity.training_id else []
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
        if stored.plugin_metrics and not malformed(predictions, len(stored.class_names)):
            given = given_to_metrics(predictions, stored.class_names)
            loaded = None if registry is None else registry()
            unlike, unknown = recomputed(stored.plugin_metrics, stored.metrics, given, loaded)
            if unlike:
                what = f"it is not what follows from the predictions: {'; '.join(unlike)}"
                yield f"{place}/metrics.json", what, remedy, True
            if unknown:
                yield f"{place}/metrics.json", "; ".join(unknown), "nothing, or install the plugin as it was", False
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
    if record.kind == "imported":
        yield from _import(record, stored, predictions)
    if record.kind == "ensemble":
        what, damage = differs_from_members(directory, record, stored.split, predictions)
        if what:
            yield f"{place}/predictions.npz", what, remedy if damage else "nothing: an ensemble stands alone", damage
    if record.kind == "pooled":
        what, damage = differs_from_folds(directory, record, stored, predictions)
        if what:
            yield f"{place}/predictions.npz", what, remedy if damage else "nothing: a pooled run stands alone", damage


def _import(record: Run, stored: Evaluation, predictions: Predictions) -> _Found:
    """What an import wrote follows from the predictions and from what they are of."""
    remedy = "remove that run, then give the 'ferbench import' command again"
    content = hashlib.sha256(np.ascontiguousarray(predictions.probabilities).tobytes()).hexdigest()
    if record.identity.covers.get("predictions", content) != content:
        yield "run.json", "the ids cover other predictions", remedy, True
    again = expected(record, stored, predictions)
    unlike = [key for key in ("recipe", "components", "data") if getattr(record, key) != getattr(again, key)]
    if unlike:
        yield "run.json", f"an import of these predictions has another {', '.join(unlike)}", remedy, True


def _id_is_wrong(name: str, entry: EvaluationEntry, record: Run) -> bool:
    if entry.id is None or short(entry.id) != name:
        return True
    # Later tests cover their classes too; older records say less.
    if not entry.is_own or "options" not in entry.model_fields_set:
        return False
    options = {key: value for key, value in entry.covered_options.items() if key != STORED}
    stored = None if entry.stored is None else entry.stored.digest
    return entry.id != evaluation_id(record.identity.training_id, entry.rows_digest, options, stored)
