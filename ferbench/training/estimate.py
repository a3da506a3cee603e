"""How long a plan will take and how much disk it will need, without training it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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

#: Times that a batch is timed, where that fits into the time that there is.
_ROUNDS = 3

#: Seconds that all batches together are timed for, whatever is estimated; one of the smallest is in any case.
TIMING_SECONDS = 5.0

#: Samples of the smallest batch that is timed, which batch norm can do with, and how many times as many the next has.
_FEWEST, _MORE = 2, 4

#: Training samples of the first fit of an estimator, at least; and images that one looks at.
_SMALL, _LOOKED_AT = 1000, 256


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will probably cost on this machine.

    Attributes:
        seconds: of training, validation and test.
        disk_bytes: of the run directory when it is done, as ``ferbench runs list`` counts them.
        disk_peak_bytes: the most that it takes at any time.
        low: seconds by the fastest of the timings.
        high: seconds by the slowest.
        whole: batches as large as the recipe's were timed, several of them; there was no time for that otherwise.
    """

    seconds: float
    disk_bytes: int
    disk_peak_bytes: int
    low: float
    high: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Rates:
    """What a sample takes.

    Attributes:
        train: seconds of training with it, one for each timing, at least one.
        evaluate: likewise of evaluating it.
        parameters: of the model.
        whole: as in `Estimate`.
    """

    train: tuple[float, ...]
    evaluate: tuple[float, ...]
    parameters: int
    whole: bool = True


class Estimator:
    """Times a few batches of each distinct model and batch size, and measures what a checkpoint holds, all of it on
    throw-away copies.

    Of several devices one is timed; what they exchange is not.

    Args:
        threads: of the CPU, where the recipe does not say; None: as a run takes here.
        plans: all that will be estimated, which share the time that batches are timed for.
    """

    def __init__(self, threads: int | None = None, plans: Sequence[Plan] = ()) -> None:
        self._threads = threads
        different = {_batch_key(plan) for plan in plans if not plan.fits_at_once}
        self._seconds = TIMING_SECONDS / max(1, len(different))
        self._measured: dict[str, Rates] = {}
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
        rates = self._rates(plan)
        check_epochs(plan, plan.split.labels[plan.split.train])
        settings = plan.resolved.recipe.training
        full = plan.task.height
        sizes = planned_sizes(plan) or (full,) * settings.epochs
        trained = sum(plan.lengths.samples_of(epoch) * (size / full) ** 2 for epoch, size in enumerate(sizes, 1))
        evaluated = len(plan.split.validation) * (settings.epochs + 1) + len(plan.split.test)
        if plan.closure:
            trained *= passes(plan.resolved.components["optimizer"].build)
        middle, low, high = (
            (trained * of(rates.train) + evaluated * of(rates.evaluate)) / plan.resolved.recipe.runtime.devices
            for of in (statistics.median, min, max)
        )
        return Estimate(middle, *room(plan, *self._checkpoint_bytes(plan)), low, high, rates.whole)

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
        seconds = whole + evaluated * each
        return Estimate(seconds, *room(plan, round(held), 0), seconds, seconds, whole=n == sizes[-1])

    def _checkpoint_bytes(self, plan: Plan) -> tuple[int, int]:
        settings = plan.resolved.recipe.training
        chosen = {name: plan.resolved.components[name].describe().plain() for name in ("model", "loss", "optimizer")}
        factors = [settings.head_lr_factor, settings.loss_lr_factor, settings.loss_decay]
        groups = [settings.decay_all, *factors, settings.ema is None, settings.teacher == AVERAGE, settings.epochs == 0]
        key = digest([chosen, groups, plan.identity["rows"]["input"], len(plan.task.class_names)])
        if key not in self._checkpoints:
            self._checkpoints[key] = checkpoint_bytes(plan, build_model(plan))
        return self._checkpoints[key]

    def _rates(self, plan: Plan) -> Rates:
        check_devices(plan)
        device = runtime.choose_device(plan.resolved.recipe.runtime.device)
        key = _batch_key(plan)
        if key not in self._measured:
            model = checked_model(plan)
            if plan.start is not None:
                begin(plan.start, model)
            self._measured[key] = in_memory(
                lambda size: _measure(plan, device, size, self._threads, self._seconds), _batch_size(plan), device
            )
        check_budget(plan, self._measured[key].parameters)
        return self._measured[key]


def _batch_size(plan: Plan) -> int:
    """Samples of a batch on one device."""
    usual = plan.resolved.recipe.training.batch_size
    if plan.lengths.whole:
        usual = -(-plan.lengths.samples_of(1) // plan.lengths.batches_of(1))
    largest = min(usual, len(plan.split.train))
    # Batch norm needs two, which devices have together.
    return max(-(-largest // plan.resolved.recipe.runtime.devices), min(largest, 2))


def _batch_key(plan: Plan) -> str:
    """Of all that decides how long a batch takes."""
    recipe = plan.resolved.recipe
    sections = ("model", "loss", "augmentation")
    return digest(
        [
            {name: plan.resolved.components[name].describe().plain() for name in sections},
            None if plan.start is None else plan.start.sha256,
            recipe.training.teacher,
            _batch_size(plan),
            recipe.runtime.device,
            recipe.runtime.devices,
            recipe.training.precision,
            plan.identity["rows"]["input"],
            len(plan.task.class_names),
        ]
    )


def _measure(plan: Plan, device: torch.device, batch_size: int, threads: int | None, seconds: float) -> Rates:
    """Times batches for about so many seconds."""
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

    def learn(size: int) -> None:
        for images, targets in batches.training(order[:size], size, augment, seed=0, epoch=1, views=plan.views):
            if teacher is not None:
                targets.teacher = teacher(images)
            with precision.autocast():
                outputs = forward(model, images, plan.needs)
            evaluate_loss(loss, precision.full(outputs), targets).total.backward()

    def look(size: int) -> None:
        with torch.inference_mode():
            forward(model, batches.images(order[:size]))

    def timed(action: Callable[[int], None], size: int) -> float:
        started = time.perf_counter()
        action(size)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return (time.perf_counter() - started) / size

    train, whole = _timings(lambda size: timed(learn, size), batch_size, 0.7 * seconds)
    evaluate, _ = _timings(lambda size: timed(look, size), batch_size, 0.3 * seconds)
    return Rates(train, evaluate, parameters, whole)


def _timings(timed: Callable[[int], float], batch_size: int, seconds: float) -> tuple[tuple[float, ...], bool]:
    """Seconds of a sample, by the largest batches that there is time for, once warm; and whether these are whole, and
    several.

    Args:
        timed: times a batch of so many samples, and gives the seconds of each of them.
        batch_size: of whole ones.
        seconds: that there are.
    """
    end = time.perf_counter() + seconds
    size = min(_FEWEST, batch_size)
    timed(size)  # warms up
    found = [timed(size)]
    while time.perf_counter() + found[-1] * (larger := min(_MORE * size, batch_size)) < end and size < batch_size:
        size = larger
        found = [timed(size)]
    first = found.pop()
    while len(found) < _ROUNDS and time.perf_counter() + (found or [first])[-1] * size < end:
        found.append(timed(size))
    return tuple(found) or (first,), size == batch_size and len(found) > 1


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
