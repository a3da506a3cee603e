"""How much disk a run will take: sizes of what it writes, from the state that a training of its plan has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ferbench.experiment.plan import Plan
from ferbench.experiment.recipe import AVERAGE
from ferbench.storage import json_bytes
from ferbench.training import checkpoints
from ferbench.training.assemble import build_loss
from ferbench.training.closure import update
from ferbench.training.loss_state import state_of, trainable
from ferbench.training.parameter_groups import parameter_groups, scaled
from ferbench.training.snapshots import random_state
from ferbench.training.storable import pack

#: Bytes of run.json, of metrics.json on validation and test, and of what stands beside the best weights.
_RECORDS = 20_000
#: Bytes of a line of the history, and of a class in it.
_EPOCH, _CLASS_OF_EPOCH = 500, 40
#: Bytes of a sample in samples.npz, where its digest is 32 of them, and of one in predictions beside its probabilities.
_SAMPLE, _PREDICTION = 36, 4
#: After so many updates an optimiser has all the state that it will have: Lookahead's comes with the sixth.
_UPDATES = 8


def checkpoint_bytes(plan: Plan, model: nn.Module) -> tuple[int, int]:
    """Bytes of the best epoch's weights, with the loss's state, and of one snapshot of the whole training.

    Args:
        plan: of the run.
        model: of the plan, on the CPU; it is spoilt, since its optimiser takes some steps.
    """
    settings = plan.resolved.recipe.training
    weights = len(checkpoints.to_bytes(model.state_dict()))
    if not settings.epochs:
        return weights, 0
    loss = build_loss(plan, torch.device("cpu"), model)
    of_loss = trainable(loss)
    optimizer = scaled(plan.resolved.components["optimizer"].build(parameter_groups(model, settings, of_loss)))

    def learn() -> Tensor:
        for parameter in (*model.parameters(), *of_loss):
            if parameter.requires_grad:
                parameter.grad = 1e-3 * torch.randn_like(parameter)
        return torch.ones(())

    for _ in range(_UPDATES):
        update(optimizer, learn, plan.closure)
    state: dict[str, Any] = {
        "loss": state_of(loss),
        "optimizer": optimizer.state_dict(),
        "random": random_state(torch.device("cpu")),
    }
    tensors: dict[str, Tensor] = {}
    plain = {key: pack(value, tensors, key) for key, value in state.items()}
    parts = sum(tensor.nbytes for tensor in tensors.values()) + len(json_bytes(plain))
    of_loss_state = sum(tensor.nbytes for name, tensor in tensors.items() if name.startswith("loss."))
    networks = 1 + (settings.ema is not None) + (settings.teacher == AVERAGE)
    return weights + of_loss_state, parts + weights * networks


def room(plan: Plan, weights: int, snapshot: int) -> tuple[int, int]:
    """Bytes of a run directory when the run is done, and the most before: a snapshot is whole before an older one goes.

    Args:
        plan: of the run.
        weights: bytes of the best epoch's.
        snapshot: bytes of one.
    """
    settings, every = plan.resolved.recipe.training, plan.resolved.recipe.runtime.checkpoint_every
    classes, epochs = len(plan.task.class_names), settings.epochs
    within = sum(plan.lengths.batches_of(epoch) // every for epoch in range(1, epochs + 1)) if every else 0
    written = epochs + within
    kept = {"last2+best": min(2, written), "epochs": epochs + (1 if within and epochs else 0), "all": written}
    most = min(kept[settings.keep] + 1, written)
    samples = _SAMPLE * (len(plan.split.train) + len(plan.split.validation))
    predicted = sum(len(rows) for rows, _ in plan.evaluation_rows().values()) * (4 * classes + _PREDICTION)
    rest = samples + predicted + _RECORDS + (_EPOCH + _CLASS_OF_EPOCH * classes) * epochs
    snapshots = kept[settings.keep] * snapshot
    peak = max(most * snapshot + weights, snapshots + min(2, max(1, epochs)) * weights)
    return snapshots + weights + rest, peak + rest
