"""How long a plan will take and how much disk it will need, without training it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ferbench.data.stratified import draw_stratified
from ferbench.errors import is_out_of_memory
from ferbench.estimators.fitting import fit
from ferbench.estimators.module import EstimatorModule
from ferbench.experiment.plan import Plan
from ferbench.experiment.recipe import AVERAGE
from ferbench.ids import digest
from ferbench.plugin.culprit import using
from ferbench.training import runtime
from ferbench.training.assemble import build_loss, check_epochs, checked_model
from ferbench.training.building import build_model, check_budget, check_devices, split_batches
from ferbench.training.closure import passes
from ferbench.training.disk import checkpoint_bytes, room
from ferbench.training.evaluation import in_memory
from ferbench.training.growing import planned_sizes
from ferbench.training.layers import count_parameters
from ferbench.training.precision import Precision
from ferbench.training.starting import begin
from ferbench.training.step import evaluate_loss, forward
from ferbench.training.teachers import build_teacher

_ROUNDS = 3

#: Training samples of the first fit of an estimator, at least; and images that one looks at.
_SMALL, _LOOKED_AT = 1000, 256


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will probably cost on this machine.

    Attributes:
        seconds: of training, validation and test.
        disk_bytes: of the run directory when it is done, as ``ferbench runs list`` counts them.
        disk_peak_bytes: the most that it takes at any time.
    """

    seconds: float
    disk_bytes: int
    disk_peak_bytes: int


class Estimator:
    """Times a few batches of each distinct model and batch size, and measures what a checkpoint holds, all of it on
    throw-away copies.

    Of several devices one is timed; what they exchange is not.

    Args:
        threads: of the CPU, where the recipe does not say; None: as a run takes here.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._measured: dict[str, tuple[float, float, int]] = {}
        self._checkpoints: dict[str, tuple[int, int]] = {}

    def estimate(self, plan: Plan) -> Estimate:
        """Probable cost of a plan.

        Raises:
            UserError: the model cannot be built, or is over the parameter budget.
        """
        with using(*plan.resolved.used, innocent=is_out_of_memory):
            return self._estimate(plan)

    def _estimate(self, plan: Plan) -> Estimate:
        if plan.fits_at_once:
            return self._of_fit(plan)
        train_second, evaluation_second, _ = self._rates(plan)
        check_epochs(plan, plan.split.labels[plan.split.train])
        settings = plan.resolved.recipe.training
        full = plan.task.height
        sizes = planned_sizes(plan) or (full,) * settings.epochs
        trained = sum(plan.lengths.samples_of(epoch) * (size / full) ** 2 for epoch, size in enumerate(sizes, 1))
        evaluated = len(plan.split.validation) * (settings.epochs + 1) + len(plan.split.test)
        if plan.closure:
            trained *= passes(plan.resolved.components["optimizer"].build)
        seconds = (trained * train_second + evaluated * evaluation_second) / plan.resolved.recipe.runtime.devices
        return Estimate(seconds, *room(plan, *self._checkpoint_bytes(plan)))

    def _of_fit(self, plan: Plan) -> Estimate:
        """Of an estimator: it is fitted on a small part of the training samples and on twice as many; how much longer
        that takes is how it goes on."""
        recipe, cpu = plan.resolved.recipe, torch.device("cpu")
        runtime.prepare(cpu, recipe.runtime.threads or self._threads, recipe.training.deterministic)
        n, small = len(plan.split.train), max(_SMALL, len(plan.split.train) // 16)
        sizes = [n] if n <= 2 * small else [small, 2 * small]
        fits = [_timed_fit(plan, size) for size in sizes]
        (module, _), whole = fits[-1], _extended(sizes, [seconds for _, seconds in fits], n)
        looked_at = split_batches(plan, plan.split.train[: min(n, _LOOKED_AT)], cpu)
        started = time.perf_counter()
        with torch.inference_mode():
            forward(module, looked_at.images(np.arange(len(looked_at), dtype=np.int64)))
        each = (time.perf_counter() - started) / len(looked_at)
        evaluated = sum(len(rows) for rows, _ in plan.evaluation_rows().values())
        held = _extended(sizes, [len(module.skops) for module, _ in fits], n)
        return Estimate(whole + evaluated * each, *room(plan, round(held), 0))

    def _checkpoint_bytes(self, plan: Plan) -> tuple[int, int]:
        settings = plan.resolved.recipe.training
        chosen = {name: plan.resolved.components[name].describe().plain() for name in ("model", "loss", "optimizer")}
        factors = [settings.head_lr_factor, settings.loss_lr_factor, settings.loss_decay]
        groups = [settings.decay_all, *factors, settings.ema is None, settings.teacher == AVERAGE, settings.epochs == 0]
        key = digest([chosen, groups, plan.identity["rows"]["input"], len(plan.task.class_names)])
        if key not in self._checkpoints:
            self._checkpoints[key] = checkpoint_bytes(plan, build_model(plan))
        return self._checkpoints[key]

    def _rates(self, plan: Plan) -> tuple[float, float, int]:
        settings = plan.resolved.recipe.training
        check_devices(plan)
        count = plan.resolved.recipe.runtime.devices
        device = runtime.choose_device(plan.resolved.recipe.runtime.device)
        usual = (
            -(-plan.lengths.samples_of(1) // plan.lengths.batches_of(1)) if plan.lengths.whole else settings.batch_size
        )
        largest = min(usual, len(plan.split.train))
        batch_size = max(-(-largest // count), min(largest, 2))  # batch norm needs two, which devices have together
        sections = ("model", "loss", "augmentation")
        chosen: dict[str, Any] = {name: plan.resolved.components[name].describe().plain() for name in sections}
        key = digest(
            [
                chosen,
                None if plan.start is None else plan.start.sha256,
                settings.teacher,
                batch_size,
                str(device),
                count,
                settings.precision,
                plan.identity["rows"]["input"],
                len(plan.task.class_names),
            ]
        )
        if key not in self._measured:
            model = checked_model(plan)
            if plan.start is not None:
                begin(plan.start, model)
            self._measured[key] = in_memory(
                lambda size: _measure(plan, device, size, self._threads), batch_size, device
            )
        check_budget(plan, self._measured[key][2])
        return self._measured[key]


def _measure(plan: Plan, device: torch.device, batch_size: int, threads: int | None) -> tuple[float, float, int]:
    """Seconds per training image, seconds per evaluated image, number of parameters."""
    recipe = plan.resolved.recipe
    runtime.prepare(device, recipe.runtime.threads or threads, recipe.training.deterministic, recipe.runtime.devices)
    model = build_model(plan)
    parameters = sum(count_parameters(model))
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = build_loss(plan, device, model)
    precision = Precision(recipe.training.precision, device)
    augment = plan.resolved.components["augmentation"].build(plan.task)
    batches = split_batches(plan, plan.split.train[:batch_size], device)
    order = np.arange(batch_size, dtype=np.int64)
    teacher = build_teacher(plan, model, batches.shape, device, precision)

    def learn() -> None:
        for images, targets in batches.training(order, batch_size, augment, seed=0, epoch=1, views=plan.views):
            if teacher is not None:
                targets.teacher = teacher(images)
            with precision.autocast():
                outputs = forward(model, images, plan.needs)
            evaluate_loss(loss, precision.full(outputs), targets).total.backward()

    def look() -> None:
        with torch.inference_mode():
            forward(model, batches.images(order))

    rates = []
    for action in (learn, look):
        action()  # warms up
        seconds = []
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            action()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - started)
        rates.append(statistics.median(seconds) / batch_size)
    return rates[0], rates[1], parameters


def _timed_fit(plan: Plan, size: int) -> tuple[EstimatorModule, float]:
    """An estimator fitted on so many of the training samples, and how long that took."""
    train, labels = plan.split.train, plan.split.labels
    rows = draw_stratified(
        train, labels, plan.pack.ids, total=size, per_class=None, seed=0, purpose="estimate of an estimator"
    )
    module = build_model(plan)
    assert isinstance(module, EstimatorModule)
    batches = split_batches(plan, rows, torch.device("cpu"))
    started = time.perf_counter()
    fit(module, batches, None, torch.get_num_threads(), lambda line: None)
    return module, time.perf_counter() - started


def _extended(sizes: list[int], costs: Sequence[float], n: int) -> float:
    """What ``n`` samples cost, by what one or two smaller numbers of them do: a power of it, the third at most."""
    if len(sizes) == 1:
        return costs[0]
    power = math.log(costs[1] / costs[0]) / math.log(sizes[1] / sizes[0])
    return float(costs[1] * (n / sizes[1]) ** min(max(power, 0.0), 3.0))
