"""One run from plan to record: build, train, test once, write everything down."""

from __future__ import annotations

import contextlib
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ferbench.data.shards import Shards
from ferbench.errors import UserError, is_out_of_memory, out_of_memory
from ferbench.estimators.fitting import fit as fit_estimator
from ferbench.estimators.module import EstimatorModule
from ferbench.experiment.plan import Plan
from ferbench.experiment.sampling import mean_draws
from ferbench.locks import TakenOver
from ferbench.plugin.culprit import blame, using
from ferbench.records.epoch import Epoch
from ferbench.records.run import ModelSize, Run, Session, Stopped
from ferbench.records.run import Training as TrainingRecord
from ferbench.runs.corrections import remove_corrections, write_corrections
from ferbench.runs.directory import RunDirectory
from ferbench.runs.epoch_predictions import on_test, remove_epoch_predictions, write_epoch_predictions
from ferbench.runs.learnt import SAMPLES_FILE, write_samples
from ferbench.runs.lock import only_writer
from ferbench.runs.saved import BEST, is_trained
from ferbench.training import checkpoints, runtime
from ferbench.training.ancestry import add_changes, samples_of, sources_of
from ferbench.training.assemble import assemble, build_loss, checked_model
from ferbench.training.building import build_model, built, split_batches
from ferbench.training.epoch import Diverged
from ferbench.training.final_evaluation import evaluate_kept, evaluate_role
from ferbench.training.interruption import Interruption
from ferbench.training.layers import layer_table
from ferbench.training.loop import Training, fit
from ferbench.training.loss_state import trainable
from ferbench.training.observer import Observer
from ferbench.training.position import Position, TrainingOutcome
from ferbench.training.ranks import ALONE, OutOfMemory, PeerLost, Ranks
from ferbench.training.record import corrections_of, first_record, now, other_threads, write_failure
from ferbench.training.saving import RunSaver
from ferbench.training.snapshots import Snapshots
from ferbench.training.starting import begin_from
from ferbench.training.step import Loss
from ferbench.training.stopping import Pruned
from ferbench.training.trackers import Trackers


def execute(plan: Plan, results: Path, observer_for: Callable[[Run], Observer], ranks: Ranks = ALONE) -> Run:
    """Train and test a plan, or only evaluate it when its weights are there already.

    Args:
        plan: what to do.
        results: the results directory.
        observer_for: gives an observer for a run's first record.
        ranks: that share the run, of which this process is the first; the others `follow`.

    Returns:
        The run's record as written to ``run.json``; its status says how it ended.

    Raises:
        UserError: the run cannot start (budget, device, another process at work on it).
        KeyboardInterrupt: after writing the status ``interrupted``.
    """
    with Interruption().listening() as interruption, using(*plan.resolved.used, innocent=is_out_of_memory):
        return _execute(plan, results, observer_for, interruption, ranks)


def follow(plan: Plan, results: Path, ranks: Ranks) -> None:
    """Do the part of another rank than the first, for as long as the first has something to do.

    Raises:
        PeerLost: it has ended.
    """
    with using(*plan.resolved.used, innocent=is_out_of_memory):
        directory = plan.directory(results)
        device, model, loss = ranks.device, None, None
        assert device is not None
        while True:
            match ranks.broadcast():
                case ["train", snapshot]:
                    model = _placed(build_model(plan), device)
                    loss = build_loss(plan, device, model)
                    training = _assembled(plan, model, loss, device, ranks)
                    if snapshot is not None:
                        state = Snapshots(directory.checkpoints, plan.training_id).read(snapshot)
                        if state is None:
                            raise UserError(
                                f"{directory.checkpoints} has no checkpoint {snapshot} on host {platform.node()}",
                                "give a results directory that all hosts of the run see",
                            )
                        state.restore(training)
                    runtime.seed_everything(plan.resolved.recipe.training.seed)
                    with contextlib.suppress(Diverged):  # as on all ranks
                        fit(training, Observer())
                case ["evaluate", role, epoch]:
                    model = model or _trained_model(plan, device)
                    loss = loss or build_loss(plan, device, model)
                    evaluate_role(plan, model, loss, device, directory, role, epoch, ranks)


def _execute(
    plan: Plan,
    results: Path,
    observer_for: Callable[[Run], Observer],
    interruption: Interruption,
    ranks: Ranks,
) -> Run:
    recipe = plan.resolved.recipe
    directory = plan.directory(results)
    device = ranks.device
    if device is None:
        device = runtime.choose_device(recipe.runtime.device)
        runtime.prepare(device, recipe.runtime.threads, recipe.training.deterministic)
    with only_writer(directory):
        if is_trained(directory):
            return _evaluate_again(plan, device, directory, ranks)
        record = first_record(plan, device)
        if directory.exists():  # what an earlier process left stays covered as it was, should this one fail at once
            record.files = directory.load().files
        trackers = Trackers(plan.resolved.trackers)
        try:
            model = checked_model(plan)
            lost = begin_from(plan.start, model)
            loss: Loss | None = None
            if plan.fits_at_once:
                record.model = ModelSize()
            else:
                record.model = ModelSize(**layer_table(model, plan.task).totals())
                model = _placed(model, device)
                loss = build_loss(plan, device, model)
                if of_loss := sum(parameter.numel() for parameter in trainable(loss)):
                    record.model.loss_parameters = of_loss
            training = None
            if recipe.training.epochs and loss is not None:
                training = _assembled(plan, model, loss, device, ranks)
            snapshots = Snapshots(directory.checkpoints, plan.training_id, recipe.training.keep)
            saver = RunSaver(
                directory,
                snapshots,
                recipe.runtime.checkpoint_every,
                interruption,
                written=lambda checkpoint: trackers.notify("checkpoint_written", checkpoint),
            )
            resumed = training is not None and _resume(training, directory, saver, record)
            if lost is not None and not resumed:
                raise lost
            if not resumed:
                record.files = {}
            if not sources_of(plan) or not resumed:  # a run that goes on may outlive the one that it started from
                samples = samples_of(plan)
                add_changes(plan, record, _warn)
                directory.save(record)
                if samples is not None:
                    saver.files[SAMPLES_FILE] = write_samples(directory, samples)
            else:
                directory.save(record)
            if not resumed:
                snapshots.clear()
                directory.start_history()
                remove_corrections(directory)
                remove_epoch_predictions(directory)
            trackers.notify("run_started", record.plain())
            observer = _Recorder(directory, trackers, observer_for(record))
            if training is None:
                outcome = _fitted(plan, model, device) if isinstance(model, EstimatorModule) else TrainingOutcome()
                _keep_built(plan, model, directory, record, outcome)
                saver.report("best", BEST, Position(epoch=1))
            else:
                ranks.broadcast(["train", saver.resumed_from])
                # Initialisation of some plugin, or a tracker, may have drawn any number of random numbers.
                runtime.seed_everything(recipe.training.seed)
                if resumed:
                    observer.resumed(training.at)
                    saver.restore_random(device)
                with interruption.waiting():
                    outcome = fit(training, observer, saver)
                record.training = _training_record(plan, directory, outcome)
                if training.train.corrections is not None:
                    corrections = corrections_of(plan, training.train.corrections)
                    record.training.corrected = write_corrections(directory, corrections)
                assert record.training.best_epoch == training.best.epoch
                _keep_predicted(plan, directory, record.training, training.at)
            checkpoints.load_weights(directory.checkpoints, BEST, model, device)
            evaluate_kept(plan, model, loss, device, directory, record, ranks)
        except BaseException as raised:
            error = ranks.explain(raised if is_out_of_memory(raised) else blame(raised))
            if isinstance(error, (OutOfMemory, PeerLost)):  # all ranks may start again
                raise error from None
            if not isinstance(error, UserError) or directory.exists():
                # The record may be another process's to write.
                with interruption.writing(), contextlib.suppress(TakenOver):
                    write_failure(directory, record, error)
                trackers.notify("run_failed", record.plain())
            if isinstance(error, (Diverged, Pruned)):
                return record
            if "does not have a deterministic implementation" in str(error):
                raise UserError(
                    f"the run uses an operation without a deterministic version: {str(error).split()[0]}",
                    "allow it with --set training.deterministic=false; results may then differ between two runs",
                ) from error
            if is_out_of_memory(error):
                raise out_of_memory(error) from error
            if error is not raised:
                raise error from None
            raise
        with interruption.writing():
            record.status = "done"
            record.finished = now()
            directory.save(record)
        trackers.notify("run_finished", record.plain())
    return record


class _Recorder(Observer):
    """Writes the history before trackers and the display get an epoch."""

    def __init__(self, directory: RunDirectory, trackers: Trackers, display: Observer) -> None:
        self._directory = directory
        self._trackers = trackers
        self._display = display

    def planned(self, images: Sequence[int]) -> None:
        self._display.planned(images)

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        self._display.batch_done(epoch, images, total, loss)

    def epoch_ended(self, epoch: Epoch) -> None:
        self._directory.append_history(epoch)
        self._trackers.notify("epoch_ended", epoch.plain())
        self._display.epoch_ended(epoch)  # which may end the run

    def resumed(self, at: Position) -> None:
        self._display.resumed(at)

    def stopped(self, epoch: int, reason: str) -> None:
        self._display.stopped(epoch, reason)


def _placed(model: nn.Module, device: torch.device) -> nn.Module:
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _trained_model(plan: Plan, device: torch.device) -> nn.Module:
    """The model that trained weights can be put into."""
    chosen, seed = plan.resolved.components["model"].without_initial_weights(), plan.resolved.recipe.training.seed
    return _placed(built(chosen, plan.task, seed), device)


def _evaluate_again(plan: Plan, device: torch.device, directory: RunDirectory, ranks: Ranks) -> Run:
    """Predictions of weights that are there already, for samples that they were not evaluated on before."""
    record = directory.load()
    model = _trained_model(plan, device)
    checkpoints.load_weights(directory.checkpoints, BEST, model, device, record.training)
    loss = None if plan.fits_at_once else build_loss(plan, device, model)
    evaluate_kept(plan, model, loss, device, directory, record, ranks)
    directory.save(record)
    return record


def _assembled(plan: Plan, model: nn.Module, loss: Loss, device: torch.device, ranks: Ranks) -> Training:
    train = split_batches(plan, plan.split.train, device)
    return assemble(plan, model, loss, train, split_batches(plan, plan.split.validation, device), device, ranks)


def _fitted(plan: Plan, model: EstimatorModule, device: torch.device) -> TrainingOutcome:
    """Fit an estimator on the training split."""
    train = split_batches(plan, plan.split.train, device)
    weights = mean_draws(plan.resolved, train.truth.labels, plan.task)
    started = time.perf_counter()
    fit_estimator(model, train, weights, torch.get_num_threads(), _warn)
    seconds = time.perf_counter() - started
    return TrainingOutcome(stopped="fit", seconds=seconds, images=len(train), train_seconds=seconds)


def _keep_built(plan: Plan, model: nn.Module, directory: RunDirectory, record: Run, outcome: TrainingOutcome) -> None:
    """Zero epochs: the weights as they were built, or what was fitted, is what is kept."""
    about = {"epoch": 0, "select": plan.resolved.recipe.training.select, "value": None}
    checkpoints.save_weights(directory.checkpoints, BEST, model, about)
    record.training = _training_record(plan, directory, outcome)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)


def _resume(training: Training, directory: RunDirectory, saver: RunSaver, record: Run) -> bool:
    """Go on from where an earlier process stopped; what the record has of that process stays."""

    if not directory.exists():
        return False
    before = directory.load()

    def begin() -> None:
        if before.status != "running":  # what its record covers may change from here on
            directory.save(before.model_copy(update={"status": "running"}))
        record.files = before.files and {}

    if not saver.resume(training, _warn, before, begin):
        return False
    last = [session.environment for session in before.resumed if session.environment is not None]
    if (line := other_threads((last or [before.environment])[-1], record.environment, "this run was")) is not None:
        _warn(line)
    assert record.started is not None
    at, environment = training.at, record.environment
    session = Session(started=record.started, epoch=at.epoch, batches=at.batches, environment=environment)
    record.resumed = [*before.resumed, session]
    record.started, record.environment, record.lineage = before.started, before.environment, before.lineage
    return True


def _keep_predicted(plan: Plan, directory: RunDirectory, record: TrainingRecord, at: Position) -> None:
    """Keep what each epoch predicted of validation, and say what choosing the epoch on test would have bought."""
    predicted, rows = at.predictions, plan.split.validation
    if predicted is None or len(predicted) != record.epochs:  # an older release trained the first of them
        return
    write_epoch_predictions(directory, predicted)
    truth, ids, classes = plan.split.labels[rows], np.asarray(plan.pack.ids[rows]), len(plan.task.class_names)
    if (found := on_test(predicted, truth, classes, ids, plan.pack.facts(rows))) is not None:
        record.on_test = found


def _training_record(plan: Plan, directory: RunDirectory, outcome: TrainingOutcome) -> TrainingRecord:
    """A training as ``run.json`` has it; of the kept weights, what stands beside them."""
    settings = plan.resolved.recipe.training
    kept = checkpoints.read_facts(directory.checkpoints, BEST)
    record = TrainingRecord(
        epochs=outcome.epochs,
        stopped=Stopped(reason=outcome.stopped, epoch=outcome.epochs),
        best_epoch=kept.epoch,
        select=kept.select,
        best_value=kept.value,
        seconds=round(outcome.seconds, 3),
        images_per_second=round(outcome.images / outcome.train_seconds, 2) if outcome.train_seconds else None,
        micro_batch=outcome.micro_batch,
        weights_sha256=kept.sha256,
    )
    if plan.fits_at_once:
        return record
    record.batch_size, record.accumulate = settings.batch_size, settings.accumulate
    record.effective_batch = settings.batch_size * settings.accumulate
    if "last_batch" in plan.identity:
        record.last_batch = settings.batch_size + 1
    devices = plan.resolved.recipe.runtime.devices
    if devices > 1 and outcome.epochs:
        record.shards = [len(part) for part in Shards(devices).all(settings.batch_size)]
    return record
