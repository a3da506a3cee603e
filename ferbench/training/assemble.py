"""The parts of a training, built from a plan and checked before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.batches import Batches
from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.experiment.plan import Plan
from ferbench.experiment.sampling import build_sampler, draw, told_lengths
from ferbench.metrics.measures import AFFECT_METRICS, HIGHER_IS_BETTER
from ferbench.plugin.partners import needs_teacher
from ferbench.training.asking import described, rates_at
from ferbench.training.building import build_model, check_budget, check_outputs, check_single_images, feature_width
from ferbench.training.closure import check_closure
from ferbench.training.ema import averaged
from ferbench.training.epoch_metrics import EpochMetrics
from ferbench.training.evaluation import evaluating
from ferbench.training.growing import planned_sizes
from ferbench.training.layers import count_parameters
from ferbench.training.loop import Sampler, Training
from ferbench.training.loss_state import check_parameters, check_state, shaped, trainable
from ferbench.training.mixing import Mixing
from ferbench.training.parameter_groups import parameter_groups, scaled
from ferbench.training.precision import Precision
from ferbench.training.ranks import ALONE, Ranks
from ferbench.training.scores import Scores
from ferbench.training.step import Loss, evaluate_loss, forward
from ferbench.training.stopping import BestEpoch, EarlyStopping
from ferbench.training.teachers import build_teacher


def build_loss(plan: Plan, device: torch.device, model: nn.Module | None = None) -> Loss:
    """The planned loss; one that is a module is on the device.

    Args:
        plan: of the run.
        device: where the training happens.
        model: of the plan, anywhere; not asked where the loss needs no features.
    """
    task = plan.task
    if "features" in plan.needs:
        assert model is not None, "only the model knows how many features it gives"
        task = replace(task, features=feature_width(plan, model))
    loss: Callable[[Outputs, Targets], LossValue | Tensor] = plan.resolved.components["loss"].build(task)
    return loss.to(device) if isinstance(loss, nn.Module) else loss


def checked_model(plan: Plan) -> nn.Module:
    """The planned model on the CPU, tried with the planned loss.

    Raises:
        UserError: one of them, or both together, cannot serve the plan.
    """
    model = build_model(plan)
    if plan.fits_at_once:  # there is nothing to try before it is fitted
        return model
    check_budget(plan, sum(count_parameters(model)))
    check_outputs(plan, model)
    check_single_images(plan, model)
    check_loss(plan, model, build_loss(plan, torch.device("cpu"), model))
    return model


def check_loss(plan: Plan, model: nn.Module, loss: Loss) -> None:
    """Try a loss on what the model gives for two blank images, both on the CPU.

    Raises:
        UserError: the loss needs what the model or the data do not have, returns no scalar, has parameters that would
            not be trained, or a state that cannot be stored.
    """
    blank = torch.zeros(2, plan.task.channels, plan.task.height, plan.task.width)
    affect = torch.zeros(2, 2) if plan.task.has_affect else None
    built = shaped(loss)
    with evaluating(model, loss), torch.no_grad():
        targets = Targets(torch.zeros(2, dtype=torch.int64), affect=affect)
        evaluate_loss(loss, forward(model, blank, plan.needs), targets)
        if needs_teacher(plan.loss_spec):
            targets.teacher = forward(model, blank, plan.needs)
            evaluate_loss(loss, forward(model, blank, plan.needs), targets)
        if len(plan.views) > 1:
            several = blank[:, None].expand(-1, len(plan.views), -1, -1, -1)
            evaluate_loss(loss, forward(model, several, plan.needs), targets)
    check_parameters(loss, built)
    check_state(loss)


def _made_up_scores(plan: Plan) -> Scores:
    """Everything that is known of an epoch on validation, none of it measured."""
    affect = plan.task.has_affect and plan.resolved.predicts_affect
    names = [name for name in HIGHER_IS_BETTER if affect or name not in AFFECT_METRICS]
    names += [metric.component.name for metric in plan.resolved.metrics]
    by_class = dict.fromkeys(plan.task.class_names, 0.5)
    support = dict.fromkeys(plan.task.class_names, 1)
    epochs = plan.resolved.recipe.training.epochs
    return Scores(epochs, dict.fromkeys(names, 0.5), by_class, by_class, by_class, support)


def assemble(
    plan: Plan,
    model: nn.Module,
    loss: Loss,
    train: Batches,
    validation: Batches,
    device: torch.device,
    ranks: Ranks = ALONE,
) -> Training:
    """Everything that the training loop works with.

    Args:
        plan: of at least one epoch.
        model: on the device.
        loss: likewise.
        train: the training split.
        validation: the split to select on.
        device: where the training happens.
        ranks: that share it.

    Raises:
        UserError: a component's options do not fit the task, the device does not have the precision, or the teacher is
            not there any more.
    """
    chosen, settings = plan.resolved.components, plan.resolved.recipe.training
    precision = Precision(settings.precision, device)
    sampler: Sampler = build_sampler(plan.resolved, train.truth.labels, plan.task)
    check_epochs(plan, train.truth.labels)
    augment = chosen["augmentation"].build(plan.task)
    optimizer = scaled(chosen["optimizer"].build(parameter_groups(model, settings, trainable(loss))))
    check_closure(optimizer, plan.closure)
    steps = plan.lengths.steps_per_epoch(settings.accumulate)
    rates = tuple(float(group["lr"]) for group in optimizer.param_groups)
    schedule = chosen["schedule"].build(rates, settings.epochs, steps)
    # Tried on one of its own, so that a metric that will never come is refused now and not after an epoch.
    trial = chosen["schedule"].build(rates, settings.epochs, steps)
    rates_at(trial, settings.epochs * steps - 1, _made_up_scores(plan), len(rates))
    if (metrics := EpochMetrics.of_plan(plan)) is not None:
        metrics.try_out()
    mix, stopping = None, None
    if settings.mixup or settings.cutmix:
        mix = Mixing(settings.mixup, settings.cutmix, settings.mix_probability, len(plan.task.class_names))
    if settings.patience is not None:
        stopping = EarlyStopping(settings.select, settings.patience, settings.min_gain)
    return Training(
        model=model,
        loss=loss,
        optimizer=optimizer,
        schedule=schedule,
        sampler=sampler,
        augment=augment,
        train=train,
        validation=validation,
        class_names=plan.task.class_names,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        seed=settings.seed,
        best=BestEpoch(settings.select),
        norm_batches=settings.norm_batches,
        accumulate=settings.accumulate,
        clip_norm=settings.clip_norm,
        precision=precision,
        mix=mix,
        average=None if settings.ema is None else averaged(model, settings.ema),
        teacher=build_teacher(plan, model, train.shape, device, precision),
        stopping=stopping,
        sizes=planned_sizes(plan),
        ranks=ranks,
        needs=plan.needs,
        views=plan.views,
        per_sample=plan.sampler_spec.per_sample,
        closure=plan.closure,
        lengths=plan.lengths,
        metrics=metrics,
    )


def check_epochs(plan: Plan, labels: NDArray[np.int64]) -> None:
    """Draw the first two epochs and the last from a sampler of its own, which is given no scores.

    Raises:
        UserError: they are not of the planned length, or the sampler draws what is not there or says what no record
            holds.
    """
    settings, trial = plan.resolved.recipe.training, build_sampler(plan.resolved, labels, plan.task)
    told_lengths(trial, settings.epochs)
    for epoch in sorted({1, min(2, settings.epochs), settings.epochs} - {0}):
        draw(trial, epoch, len(labels), settings.batch_size, plan.lengths if epoch > 1 else None)
        described(trial)
