"""Whether a snapshot holds what a training can go on from.

Its digest only says that nothing has changed since it was sealed, which anybody can do. So every part is held against
the training as it was built: types, shapes, what can be counted, and what the parts say of each other.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ferbench.data.corrections import Corrections
from ferbench.data.order import Lengths
from ferbench.records.epoch import Epoch
from ferbench.training.loss_state import state_of
from ferbench.training.scores import Scores
from ferbench.training.stopping import better

if TYPE_CHECKING:
    from ferbench.training.epoch import EpochSums
    from ferbench.training.loop import Training
    from ferbench.training.position import Position, TrainingOutcome
    from ferbench.training.snapshots import RandomState, Snapshot

#: Optimisers of torch with a state that is not of the shape of its parameter.
_FREE = (torch.optim.LBFGS, torch.optim.Adafactor)

#: Of a position: what a snapshot's JSON says once more.
COUNTED = ("step", "epoch", "batches")


def fault(snapshot: Snapshot) -> str:
    """What is wrong with a snapshot, whatever training it is of; empty where nothing is."""
    averages = [average for average in (snapshot.average, snapshot.teacher) if average is not None]
    if not all(map(_are_tensors, (snapshot.model, *averages))):
        return "its weights are no tensors"
    match snapshot.best:
        case (int(best), float() | int()) if not isinstance(best, bool):
            pass
        case _:
            return "it does not say which epoch was the best"
    return next(_position_faults(snapshot.position, best), "")


def _position_faults(at: Position, best: int) -> Iterator[str]:
    if not (all(_is_count(getattr(at, name)) for name in COUNTED) and at.epoch and _is_time(at.seconds)):
        yield "it does not say where the training is"
        return
    ended = at.epoch - 1
    if not (1 <= best <= ended if ended else best == 0):
        yield f"of {ended} epochs, {best} was the best"
    yield from _outcome_faults(at.outcome, ended)
    if not (_is_of(at.record, Epoch, ended) if ended else at.record is None):
        yield "its record is of another epoch"
    if not (_is_of(at.scores, Scores, ended) if ended else at.scores is None):
        yield "its scores are of another epoch"
    elif at.scores is not None and not _are_scores(at.scores):
        yield "its scores are no numbers by name"
    elif at.scores is not None and at.record is not None and not _agree(at.scores, at.record):
        yield "its scores are not those of its record"
    if (at.sums is None) != (at.batches == 0):
        yield "its sums are not those of its batches"
    elif at.sums is not None and not _are_sums(at.sums):
        yield "its sums are none of an epoch"


def _outcome_faults(outcome: TrainingOutcome, ended: int) -> Iterator[str]:
    spent, micro = (outcome.seconds, outcome.train_seconds), outcome.micro_batch
    if not (all(map(_is_time, spent)) and _is_count(outcome.images) and _is_count(outcome.epochs)):
        yield "it does not say what was trained"
    elif outcome.epochs != ended:
        yield f"it says that {outcome.epochs} epochs are done, and that {ended} are"
    if not (micro is None or (_is_count(micro) and micro)) or outcome.stopped not in ("epochs", "patience"):
        yield "it does not say how it was trained"


def misfit(snapshot: Snapshot, training: Training) -> str:
    """Why a training cannot go on from a snapshot without a `fault`; empty where it can."""
    return next(_misfits(snapshot, training), "")


def _misfits(snapshot: Snapshot, training: Training) -> Iterator[str]:
    at = snapshot.position
    yield from _weights_misfits(training.model, snapshot.model)
    if (training.average is None) != (snapshot.average is None):
        yield "it has no average of the weights, or one that nothing keeps"
    elif training.average is not None and snapshot.average is not None:
        yield from _weights_misfits(training.average.module, snapshot.average)
    learnt = None if training.teacher is None else training.teacher.learnt()
    if (learnt is None) != (snapshot.teacher is None):
        yield "it has no average that teaches, or one that teaches nothing"
    elif training.teacher is not None and snapshot.teacher is not None:
        yield from _weights_misfits(training.teacher.model, snapshot.teacher)
    if at.epoch - 1 + bool(at.batches) > training.epochs:
        yield f"it is in epoch {at.epoch} of {training.epochs}"
    if training.lengths is not None:
        batches = training.lengths.batches_of(at.epoch)
        before = training.lengths.steps_before(at.epoch, training.accumulate)
        if at.batches > batches:
            yield f"it has {at.batches:,} batches of an epoch of {batches:,}"
        elif at.step != before - (-at.batches // training.accumulate):
            yield f"it says {at.step:,} updates in epoch {at.epoch}, after {at.batches:,} of its batches"
    yield from _score_misfits(snapshot, training)
    yield from _predicted_misfits(at, training)
    yield from _optimizer_misfits(training.optimizer, snapshot.optimizer, at.step)
    schedule, scaler = getattr(training.schedule, "state_dict", None), training.precision.scaler
    for name, own, kept in (
        ("scaler", None if scaler is None else scaler.state_dict(), snapshot.scaler),
        ("schedule", None if schedule is None else schedule(), snapshot.schedule),
        ("sampler", training.sampler.state_dict(), snapshot.sampler),
    ):
        if (own is None) != (kept is None):
            yield f"it has no state of the {name}, or one that the {name} has not"
        elif what := _unlike(own, kept, name):
            yield what
    if snapshot.corrections is not None:
        done = at.epoch - (0 if at.batches else 1)
        known = Corrections(training.train.truth.labels)
        yield from filter(None, [known.misfit(snapshot.corrections, len(training.class_names), done)])
    own = state_of(training.loss)
    if (own is None) != (snapshot.loss is None) or isinstance(own, Mapping) != isinstance(snapshot.loss, Mapping):
        yield "it has no state of the loss, or one that the loss has not"
    elif isinstance(training.loss, torch.nn.Module):
        parameters = [name for name, _ in training.loss.named_parameters() if name in own]
        yield from _parameters_misfits(parameters, own, snapshot.loss)
    if what := _random_fault(snapshot.random):
        yield what


def _predicted_misfits(at: Position, training: Training) -> Iterator[str]:
    predicted, truth = at.predictions, training.validation.truth.labels
    if predicted is None:  # an older release kept none
        return
    if predicted.shape[1] != len(truth) or len(predicted) > at.epoch - 1:
        yield "its predictions are of other samples or epochs"
    elif predicted.size and predicted.max() >= len(training.class_names):
        yield "its predictions are of other classes"
    elif at.scores is not None and len(predicted) == at.epoch - 1:
        right = float((predicted[-1] == np.asarray(truth)).mean())
        if not math.isclose(right, at.scores.metrics.get("accuracy", right), abs_tol=1e-6):
            yield "its predictions have another accuracy than its scores"


def _weights_misfits(model: torch.nn.Module, kept: Mapping[str, Tensor]) -> Iterator[str]:
    own = model.state_dict()
    if own.keys() != kept.keys():
        yield "its weights are of another model"
        return
    for name, value in own.items():
        if (value.shape, value.dtype) != (kept[name].shape, kept[name].dtype):
            yield f"its {name} has another shape or type than the model's"
    for name, _ in model.named_parameters():
        if name in kept and not kept[name].isfinite().all():
            yield f"its {name} has values that are no numbers"


def _parameters_misfits(names: Sequence[str], own: Mapping[str, Any], kept: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the parameters of a loss; its buffers may be of any shape, as some are made later."""
    for name in names:
        value = kept.get(name)
        if not isinstance(value, Tensor) or (value.shape, value.dtype) != (own[name].shape, own[name].dtype):
            yield f"its {name} has another shape or type than the loss's"
        elif not value.isfinite().all():
            yield f"its {name} has values that are no numbers"


def _score_misfits(snapshot: Snapshot, training: Training) -> Iterator[str]:
    at, (epoch, value), known = snapshot.position, snapshot.best, set(training.class_names)
    if at.scores is not None:
        of_classes = (at.scores.f1, at.scores.recall, at.scores.train_f1, at.scores.support)
        if at.scores.f1.keys() != known or any(values.keys() not in (known, set()) for values in of_classes):
            yield "its scores are of other classes"
        elif not all(_is_share(value) for values in of_classes[:3] for value in values.values()):
            yield "its scores are none"
        elif at.scores.support and sum(at.scores.support.values()) != len(training.validation):
            yield "its scores are of other samples"
        elif epoch == at.scores.epoch and not _same(_read(at.scores, training.best.metric), value):
            yield f"its best {training.best.metric} is not that of epoch {epoch}"
        elif better(training.best.metric, _read(at.scores, training.best.metric), value):
            yield f"its best {training.best.metric} is not the best of its epochs"
    if at.sums is not None:
        numbers = torch.cat([*at.sums.labels, *at.sums.predicted])
        if len(numbers) and not (int(numbers.min()) >= 0 and int(numbers.max()) < len(known)):
            yield "its sums are of other classes"
        if bool(at.sums.losses) != training.per_sample:
            yield "its sums have no losses of single samples, or some that no sampler asks for"
        elif at.sums.losses:
            places = torch.cat(at.sums.positions)
            if int(places.min()) < 0 or int(places.max()) >= len(training.train):
                yield "its sums are of other samples"
    stopping = training.stopping
    match snapshot.stopping:
        case None if stopping is None:
            waited, patience = 0, 1
        case (float() | int() as gained, int(waited)) if stopping is not None and 0 <= waited < at.epoch:
            patience = stopping.patience
            last = gained if at.scores is None else _read(at.scores, stopping.metric)
            since = better(stopping.metric, last, gained, stopping.min_gain) if waited else not _same(last, gained)
            going_on = at.epoch <= training.epochs  # after the last epoch nothing is waited for
            if (since and going_on) or better(stopping.metric, gained, value):
                yield "what it waits for a gain on is none of its epochs"
        case _:
            yield "it does not say how long it has waited for a gain"
            return
    if at.outcome.stopped == "patience" and waited < patience:
        yield "it says that it stopped early, and did not"


def _read(scores: Scores, metric: str) -> float:
    try:
        return scores.read(metric)
    except KeyError:
        return math.nan


def _optimizer_misfits(optimizer: torch.optim.Optimizer, kept: Any, steps: int) -> Iterator[str]:
    match kept:
        case {"state": dict() as states, "param_groups": list(groups)} if len(groups) == len(optimizer.param_groups):
            pass
        case _:
            yield "the state of the optimizer is that of another one"
            return
    # What an optimiser of torch itself keeps is known; another one may keep what it likes, if that can be put back.
    plain = type(optimizer).__module__.startswith("torch.optim") and not isinstance(optimizer, _FREE)
    for own, group in zip(optimizer.state_dict()["param_groups"], groups, strict=True):
        if not isinstance(group, dict) or not {"params", "lr"} <= group.keys():
            yield "a group of the optimizer is not there"
            return
        for key, value in own.items():
            fixed = key != "lr" and (plain or key == "params" or isinstance(value, (bool, str, tuple, type(None))))
            held = group.get(key, value)  # releases of torch add some that say yes or no
            lost = key not in group and isinstance(value, (int, float)) and not isinstance(value, bool)
            if lost or not (type(held) is type(value) and held == value if fixed else not _unlike(value, held, key)):
                yield f"the optimizer's {key} is another one"
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    layouts = set()
    for number, state in states.items():
        if not (_is_count(number) and number < len(parameters) and isinstance(state, dict)):
            yield "the optimizer has a state of no parameter"
            return
        shape = parameters[number].shape
        layouts.add(tuple(sorted((str(key), type(value).__name__) for key, value in state.items())))
        for key, value in state.items():
            if not isinstance(value, (Tensor, int, float, list, tuple, dict, type(None))):
                yield f"the optimizer's {key} is of another kind"
            elif isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all():
                yield f"the optimizer's {key} has values that are no numbers"
            elif plain and key == "step":
                if not (isinstance(value, (Tensor, int, float)) and 0 <= float(value) <= steps):
                    yield f"the optimizer says other updates than {steps:,}"
            elif plain and not (value is None or (isinstance(value, Tensor) and value.shape in (shape, torch.Size()))):
                yield f"the optimizer's {key} has another shape than its parameter"
    momentum = any(group.get("momentum", True) for group in groups)  # SGD without one keeps nothing
    if plain and (len(layouts) > 1 or (steps and momentum and not states)):
        yield "the optimizer has a part of its state"


def _unlike(own: Any, kept: Any, place: str) -> str:
    """Where a state is not of the types of one of the same component, just built; empty where it is. What that does
    not have yet, such as the scores of classes, may be anything."""
    fits = True
    if isinstance(own, Mapping):
        fits = isinstance(kept, Mapping) and own.keys() <= kept.keys()
        for key in own if fits else ():
            if what := _unlike(own[key], kept[key], f"{place}.{key}"):
                return what
    elif isinstance(own, (Tensor, np.ndarray)):
        fits = isinstance(kept, (Tensor, np.ndarray)) and own.dtype == kept.dtype
        fits = fits and (not math.prod(own.shape) or own.ndim == kept.ndim)
    elif isinstance(own, (bool, str, list, tuple)):
        fits = type(kept) is type(own)
    elif isinstance(own, int):
        fits = isinstance(kept, int) and not isinstance(kept, bool)
    elif isinstance(own, float):
        fits = isinstance(kept, (int, float)) and (math.isfinite(kept) or not math.isfinite(own))
    return "" if fits else f"its {place} is of another kind"


def _random_fault(state: RandomState) -> str:
    """Why the random generators cannot be put where a state says; they are not touched."""
    try:
        random.Random().setstate(state["python"])
        match state["python"], state["numpy"]:  # neither looks at all of it
            case (_, _, None | float()), (name, keys, int(position), 0 | 1 as has_gauss, float(gauss)):
                if not (0 <= position <= 624 and math.isfinite(gauss)):
                    return "its random state is none"
            case _:
                return "its random state is none"
        np.random.RandomState().set_state((name, keys, position, has_gauss, gauss))
        torch.Generator().set_state(state["torch"])
        cuda = state["cuda"]
        if cuda is not None and not (cuda.dtype == torch.uint8 and cuda.shape == (16,)):
            return "the random state of the device is none"
    except (TypeError, ValueError, LookupError, RuntimeError, AttributeError, OverflowError) as error:
        return f"its random state is none: {error}"
    return ""


def try_on(training: Training) -> None:
    """Draw the next epoch and its first learning rates, on copies: a state that was put back may say what cannot be.

    Raises:
        Exception: whatever the sampler or the schedule says of it.
    """
    from ferbench.experiment.sampling import draw
    from ferbench.training.asking import rates_at

    at = training.at
    if at.epoch > training.epochs:
        return
    sampler, size = copy.deepcopy(training.sampler), training.batch_size
    order = draw(sampler, at.epoch, len(training.train), size, training.lengths)
    lengths = training.lengths or Lengths((len(order),), (len(order.bounds),))
    step = lengths.scheduled(at.epoch, at.batches, training.accumulate)
    rates_at(copy.deepcopy(training.schedule), step, at.scores, len(training.optimizer.param_groups))


def _are_tensors(state: Any) -> bool:
    return isinstance(state, dict) and all(isinstance(key, str) and isinstance(of, Tensor) for key, of in state.items())


def _are_scores(scores: Scores) -> bool:
    by_name = (scores.metrics, scores.f1, scores.recall, scores.train_f1, scores.support)
    return all(isinstance(values, Mapping) and all(map(_is_named, values.items())) for values in by_name)


def _agree(scores: Scores, record: Epoch) -> bool:
    """Whether the scores of an epoch are those that its record has, where what is no number is null."""
    return all(
        {name: value if math.isfinite(value) else None for name, value in own.items()} == dict(stated)
        for own, stated in (
            (scores.metrics, record.validation.metrics),
            (scores.f1, record.validation.f1),
            (scores.train_f1, record.train.f1),
        )
    )


def _is_named(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and type(item[1]) in (int, float)


def _is_share(value: float) -> bool:
    return 0 <= value <= 1 + 1e-9 or value != value


def _are_sums(sums: EpochSums) -> bool:
    totals = [sums.loss, *sums.components.values()] if isinstance(sums.components, dict) else [None]
    vectors = [*sums.labels, *sums.predicted, *sums.positions]
    return (
        all(isinstance(total, Tensor) and total.ndim == 0 and total.is_floating_point() for total in totals)
        and all(isinstance(one, Tensor) and not one.is_floating_point() and one.ndim == 1 for one in vectors)
        and all(isinstance(one, Tensor) and one.is_floating_point() and one.ndim == 1 for one in sums.losses)
        and len(sums.losses) == len(sums.positions)
        and _is_count(sums.images)
        and all(len(one) == sums.images for one in [*vectors, *sums.losses])
    )


def _is_of(about: Any, kind: type[Any], epoch: int) -> bool:
    return isinstance(about, kind) and _is_count(about.epoch) and about.epoch == epoch


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _same(value: Any, other: Any) -> bool:
    return value == other or (value != value and other != other)
