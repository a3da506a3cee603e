"""What the weights that a run kept predict of validation and test."""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ferbench.data.views import VIEWS
from ferbench.data.votes import class_shares
from ferbench.experiment.plan import Plan
from ferbench.experiment.postprocessing import Postprocessing
from ferbench.ids import short
from ferbench.records.run import Run
from ferbench.runs.covered import has_evaluation
from ferbench.runs.directory import RunDirectory
from ferbench.runs.saved import BEST
from ferbench.training.ancestry import seen_before
from ferbench.training.building import split_batches
from ferbench.training.checkpoints import read_loss
from ferbench.training.evaluation import SplitResult, evaluate, evaluation_batch
from ferbench.training.evaluation_record import add_metrics, write_evaluation
from ferbench.training.loss_state import put_state
from ferbench.training.neighbours import dependence
from ferbench.training.ranks import Ranks
from ferbench.training.step import Loss, start_epoch


def evaluate_kept(
    plan: Plan,
    model: nn.Module,
    loss: Loss | None,
    device: torch.device,
    directory: RunDirectory,
    record: Run,
    ranks: Ranks,
) -> None:
    """Predictions and scores of the kept weights, validation first, test last and once."""
    assert record.training is not None
    epoch = record.training.best_epoch
    for role, (rows, rows_digest) in plan.evaluation_rows().items():
        identifier = plan.evaluation_id(role)
        votes = class_shares(plan.pack, rows, plan.task.class_names)
        if has_evaluation(directory, record, name := short(identifier)):
            if lacking := plan.lacking_metrics(record.evaluations[name]):
                add_metrics(directory, record, name, lacking, votes)
            continue
        started = time.perf_counter()
        ranks.broadcast(["evaluate", role, epoch])
        result, spoilt = evaluate_role(plan, model, loss, device, directory, role, epoch, ranks)
        chosen, used = plan.postprocessing(role), None
        if chosen is not None:
            processing = Postprocessing(chosen, plan.task)
            if processing.fits:
                processing.fit(*_validation(plan, directory))
            result, used = result.processed(processing), processing.record()
        write_evaluation(
            directory,
            record,
            plan.pack,
            rows,
            result,
            plan.task.class_names,
            started,
            plan.resolved.recipe.evaluation,
            seen=seen_before(plan, directory, role, rows),
            losses=result.losses(),
            evaluation_id=identifier,
            split=role,
            rows_digest=rows_digest,
            protocol=plan.split.protocol,
            synthetic=plan.dataset_spec.synthetic,
            excluded=plan.split.excluded.get(role, 0),
            contaminated=spoilt,
            postprocessing=used,
            metrics=[metric.component for metric in plan.resolved.metrics],
            votes=votes,
        )


def _validation(plan: Plan, directory: RunDirectory) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What the run has recorded of its validation: probabilities as the model gives them, and true class ids."""
    predictions, _ = directory.tested(short(plan.evaluation_id("validation")))
    return predictions.probabilities, predictions.truth


def evaluate_role(
    plan: Plan,
    model: nn.Module,
    loss: Loss | None,
    device: torch.device,
    directory: RunDirectory,
    role: str,
    epoch: int,
    ranks: Ranks,
) -> tuple[SplitResult, str | None]:
    """What the weights of an epoch predict of the samples of "validation" or "test", and why that says nothing of
    single images, where it is so."""
    recipe = plan.resolved.recipe
    if epoch and loss is not None:  # the loss of the test set is that of the validation that chose the epoch
        start_epoch(loss, epoch, recipe.training.epochs)
        put_state(loss, read_loss(directory.checkpoints, BEST), device)
    batches = split_batches(plan, plan.evaluation_rows()[role][0], device)
    size = evaluation_batch(recipe.training.batch_size, device)
    views = VIEWS[recipe.evaluation.tta]
    classes, needs = len(plan.task.class_names), plan.needs
    result = evaluate(model, batches, classes, loss, size, views, ranks=ranks, needs=needs)
    return result, None if ranks.index else dependence(model, batches, result.probabilities, views)
