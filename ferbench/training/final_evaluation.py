"""What the weights that a run kept say of validation and test."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import nn

from ferbench.data.batches import Batches
from ferbench.data.splits import Rows
from ferbench.data.views import VIEWS
from ferbench.distributed.ranks import Ranks
from ferbench.experiment.plan import Plan
from ferbench.ids import short
from ferbench.runs.directory import Predictions, RunDirectory
from ferbench.runs.pixels import STORED, stored_as, told_apart
from ferbench.runs.saved import BEST
from ferbench.training.ancestry import seen_before
from ferbench.training.building import split_batches
from ferbench.training.checkpoints import read_loss
from ferbench.training.evaluation import Evaluation, evaluate, evaluation_batch, metrics_record
from ferbench.training.loss_state import put_state
from ferbench.training.step import Loss, tell_epoch


def evaluate_kept(
    plan: Plan,
    model: nn.Module,
    loss: Loss,
    device: torch.device,
    directory: RunDirectory,
    record: dict[str, Any],
    ranks: Ranks,
) -> None:
    """Predictions and scores of the kept weights, validation first, test last and once."""
    class_names = plan.task.class_names
    recipe = plan.resolved.recipe
    for role, (rows, rows_digest) in plan.evaluation_rows().items():
        identifier = plan.evaluation_id(role)
        if short(identifier) in record["evaluations"] and directory.evaluation(short(identifier)) is not None:
            continue
        started = time.perf_counter()
        epoch = record["training"]["best_epoch"]
        ranks.hear(["evaluate", role, epoch])
        ranks.copy_weights(model)
        batches, evaluation = answers(plan, model, loss, device, directory, role, epoch, ranks)
        stored = stored_as(plan.pack, rows)
        told = told_apart(record, role, rows_digest, stored, plan.pack)
        metrics = {
            "evaluation_id": identifier,
            "training_id": plan.training_id,
            "split": role,
            "rows_digest": rows_digest,
            "dataset": plan.pack.dataset,
            "synthetic": plan.dataset_spec.synthetic,
            "protocol": plan.split.protocol,
            "options": {**recipe.evaluation.model_dump(mode="json"), **told},
            STORED: stored,
            "excluded": plan.split.excluded.get(role, 0),
            **seen_before(plan, directory, role, rows),
            "seconds": round(time.perf_counter() - started, 3),
            **metrics_record(evaluation, class_names),
        }
        directory.write_evaluation(short(identifier), metrics, _predictions(plan, rows, batches, evaluation))
        written = directory.evaluation(short(identifier))
        assert written is not None
        kept = ("split", "rows_digest", "options", STORED, "n", "metrics", "per_class", "excluded", "seen")
        record["evaluations"][short(identifier)] = {
            "id": identifier,
            **{key: written[key] for key in kept if key in written},
        }


def answers(
    plan: Plan,
    model: nn.Module,
    loss: Loss,
    device: torch.device,
    directory: RunDirectory,
    role: str,
    epoch: int,
    ranks: Ranks,
) -> tuple[Batches, Evaluation]:
    """The samples of "validation" or "test", and what the weights of an epoch say of them."""
    recipe = plan.resolved.recipe
    if epoch:  # the loss of the test set is that of the validation that chose the epoch
        tell_epoch(loss, epoch, recipe.training.epochs)
        put_state(loss, read_loss(directory.checkpoints, BEST), device)
    batches = split_batches(plan, plan.evaluation_rows()[role][0], device)
    size = evaluation_batch(recipe.training.batch_size, device)
    views = VIEWS[recipe.evaluation.tta]
    return batches, evaluate(model, batches, len(plan.task.class_names), loss, size, views, ranks=ranks)


def _predictions(plan: Plan, rows: Rows, batches: Batches, evaluation: Evaluation) -> Predictions:
    return Predictions(
        ids=np.asarray(plan.pack.ids[rows]),
        truth=batches.truth.labels,
        probabilities=evaluation.probabilities,
        affect_truth=batches.truth.affect,
        affect=evaluation.affect,
        columns=plan.pack.facts(rows),
    )
