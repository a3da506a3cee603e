"""The model and the batches of a plan, and what is refused of them before training."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.data.splits import Rows
from ferbench.errors import UserError
from ferbench.estimators.module import EstimatorModule
from ferbench.experiment.plan import Plan, normalization
from ferbench.experiment.resolve import ChosenComponent
from ferbench.plugin.specs import EstimatorSpec
from ferbench.task import Task
from ferbench.training import runtime, torchrun
from ferbench.training.evaluation import evaluating
from ferbench.training.growing import planned_sizes
from ferbench.training.step import forward, is_too_few_to_normalise


def input_shape(plan: Plan) -> InputShape:
    """What the planned model expects of a batch."""
    mean, std = normalization(plan.model_spec, plan.task.channels)
    return InputShape(plan.task.channels, (plan.task.height, plan.task.width), mean, std)


def build_model(plan: Plan) -> nn.Module:
    """The model with its initial weights, on the CPU, as the seed gives them."""
    seed = plan.resolved.recipe.training.seed
    runtime.seed_everything(seed)
    return built(plan.resolved.components["model"], plan.task, seed)


def built(chosen: ChosenComponent, task: Task, seed: int) -> nn.Module:
    """A model as its plugin builds it, on the CPU; an estimator within a module.

    Args:
        chosen: the model.
        task: what it is built for.
        seed: of an estimator's random numbers.
    """
    spec = chosen.component.spec
    if isinstance(spec, EstimatorSpec):
        return EstimatorModule(chosen.build(task, seed=seed), task.num_classes, spec.trusted, spec.name)
    model = chosen.build(task)
    if not isinstance(model, nn.Module):
        raise TypeError(f"the builder of model '{spec.name}' returned {type(model).__name__}, no nn.Module")
    return model


def check_outputs(plan: Plan, model: nn.Module) -> None:
    """Refuse a model whose logits do not fit the task, or that cannot take images that grow, on two blank images.

    Raises:
        UserError: naming the shape that it returns and the one that it should, or the size that it does not take.
    """
    blank = torch.zeros(2, plan.task.channels, plan.task.height, plan.task.width)
    with evaluating(model), torch.no_grad():
        logits = forward(model, blank).logits
        for size in sorted(set(planned_sizes(plan) or ()) - {plan.task.height}):
            try:
                forward(model, blank.new_zeros(2, plan.task.channels, size, size))
            except Exception as error:
                raise UserError(
                    f"model '{plan.model_spec.name}' takes no images of {size}×{size}, as training.start_size asks",
                    "leave training.start_size out, or choose a model for images of any size, such as resnet9",
                ) from error
    wanted = (2, len(plan.task.class_names))
    if tuple(logits.shape) != wanted:
        raise UserError(
            f"model '{plan.model_spec.name}' returns logits of shape {tuple(logits.shape)} for two images, "
            f"{wanted[1]} classes need {wanted}",
            "let its last layer have task.num_classes outputs",
        )


def feature_width(plan: Plan, model: nn.Module) -> int:
    """D of the features float[N, D] that a model gives, by two blank images.

    Raises:
        UserError: it gives none.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    blank = torch.zeros(2, plan.task.channels, plan.task.height, plan.task.width, device=device)
    with evaluating(model), torch.no_grad():
        features = forward(model, blank, ("features",)).features
    assert features is not None
    return features.shape[1]


def check_single_images(plan: Plan, model: nn.Module) -> None:
    """Refuse a model that cannot train on one image alone, where a batch has no more: batch norm may see a single value
    per channel then. The model stays as it is.

    Raises:
        UserError: saying which of the two to change.
    """
    settings = plan.resolved.recipe.training
    if not settings.epochs or not plan.lengths.single:
        return
    remedy = "give it at least two training images, or choose a model without batch norm, such as linear"
    if plan.lengths.whole and settings.batch_size > 1:
        remedy = "let the sampler give batches of two or more, or choose a model without batch norm, such as linear"
    elif min(plan.lengths.samples) > 1:
        remedy = "set training.batch_size to 2 or more, or choose a model without batch norm, such as linear"
    was_training, before = model.training, [buffer.clone() for buffer in model.buffers()]
    model.train()
    try:
        with torch.no_grad():
            for size in sorted({plan.task.height, *(planned_sizes(plan) or ())}):
                forward(model, torch.zeros(1, plan.task.channels, size, size))
    except ValueError as error:
        if not is_too_few_to_normalise(error):
            raise
        raise UserError(
            f"model '{plan.model_spec.name}' cannot train on one image at a time: its batch norm needs more than one "
            "value per channel",
            remedy,
        ) from error
    finally:
        model.train(was_training)
        with torch.no_grad():
            for buffer, values in zip(model.buffers(), before, strict=True):
                buffer.copy_(values)


def check_budget(plan: Plan, parameters: int) -> None:
    """Refuse a model over ``training.parameter_budget``.

    Raises:
        UserError: naming both numbers.
    """
    budget = plan.resolved.recipe.training.parameter_budget
    if budget is not None and parameters > budget:
        raise UserError(
            f"model '{plan.model_spec.name}' has {parameters:,} parameters, over the budget of {budget:,}",
            "choose a smaller model or raise training.parameter_budget",
        )


def check_devices(plan: Plan) -> None:
    """Refuse a run over more devices than there are, or than a batch has samples.

    Raises:
        UserError: saying so.
    """
    recipe, place = plan.resolved.recipe, torchrun.place()
    count, batch_size = recipe.runtime.devices, recipe.training.batch_size
    runtime.choose_devices(recipe.runtime.device, count if place is None else place.count_here)
    if batch_size < count:
        raise UserError(
            f"training.batch_size = {batch_size} leaves some of {count} devices without samples",
            f"use a batch size of at least {count}, or fewer devices",
        )


def split_batches(plan: Plan, rows: Rows, device: torch.device) -> Batches:
    """The batches of one split of a plan."""
    split, pack = plan.split, plan.pack
    labels = split.labels[rows]
    soft = None
    if split.votes is not None:
        votes = split.votes[rows]
        hard = np.eye(len(split.class_names), dtype=np.float32)[labels]
        soft = np.where(np.isnan(votes), hard, votes)
    affect = None if pack.affect is None else np.asarray(pack.affect[rows], dtype=np.float32)
    truth = Truth(labels, soft, affect, drawn=pack.draws_labels)
    return Batches(pack.images, rows, truth, input_shape(plan), device, len(split.class_names))
