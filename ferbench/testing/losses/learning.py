"""What a loss learns, keeps, corrects and hears of the epochs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.data.targets import LossValue
from ferbench.testing.losses.bench import EPOCHS, RULES, SAMPLES, LossBench, rule, total_of, value_of
from ferbench.testing.rules import NotApplicable, Violation, stored
from ferbench.training.loss_state import late, put_state, shaped, state_of, untrained
from ferbench.training.step import corrections_fault, is_one_each

#: Epochs of a training by the end of which a loss that waits a while has begun to correct labels.
_LATE = 1_000


@RULES.rule()
def parameters(bench: LossBench) -> str:
    """Its parameters are there when it is built, an ``nn.Module`` has them, and a gradient reaches each."""
    reached, every = set[str](), dict[str, nn.Parameter]()
    for one in filter(None, (bench, bench.in_last_epoch())):
        loss = one.build()
        built = shaped(loss)
        total = total_of(loss, one.outputs(), one.targets())  # which may make some
        if names := untrained(loss):
            raise Violation(f"{', '.join(names[:3])} would never be trained: let an nn.Module register what is learnt")
        if names := late(loss, built):
            raise Violation(
                f"{', '.join(names[:3])} come with the first batch, when the optimiser is there: make them before"
            )
        if built and total.requires_grad:
            total.backward()
            every = dict(loss.named_parameters())
            reached |= {name for name, parameter in every.items() if parameter.grad is not None}
    learnt = {name: parameter for name, parameter in every.items() if parameter.requires_grad}
    if without := [name for name in learnt if name not in reached]:
        raise Violation(f"no gradient reaches {', '.join(without[:3])}; freeze what is not to be learnt")
    return f"{sum(parameter.numel() for parameter in learnt.values()):,} numbers to learn" if learnt else "it has none"


@RULES.rule()
def corrections(bench: LossBench) -> str:
    """Where it corrects labels, they are class ids, int64[N]."""
    counts, gives = [], False
    for when, one in (("", bench), ("in the last epoch ", bench.in_last_of(_LATE))):
        loss, corrected = one.build(), 0
        for _ in range(3):
            value = value_of(loss, one.predictions(-1.0), one.targets())
            labels = value.corrected if isinstance(value, LossValue) else None
            if labels is None:
                continue
            gives = True
            if fault := corrections_fault(labels, SAMPLES, one.classes):
                raise Violation(f"{when}it corrects the labels of {SAMPLES} samples to {fault}")
            corrected += int((labels != one.labels).sum())
        counts.append(corrected)
    if not any(counts):
        waits = bench.waits()
        if not gives and not waits:
            return "it corrects none"
        remedy = f"; try an option that lets it begin earlier, such as --set {waits[0]}=1" if waits else ""
        raise NotApplicable(f"it corrected nothing{remedy}")
    return f"of {3 * SAMPLES} wrong predictions it corrects {counts[0]} in the first epoch, {counts[1]} in the last"


@rule()
def single_losses(bench: LossBench) -> str:
    """Where it tells the loss of each sample, that is float[N]."""
    value = value_of(bench.build(), bench.predictions(-1.0), bench.targets())
    each = value.per_sample if isinstance(value, LossValue) else None
    if each is None:
        return "it tells none: samplers that ask hear of cross-entropy"
    if not is_one_each(each, SAMPLES):
        got = f"{each.dtype}{list(each.shape)}" if isinstance(each, Tensor) else type(each).__name__
        raise Violation(f"LossValue.per_sample is {got} for {SAMPLES} samples, not float[{SAMPLES}]")
    return f"{float(each.min()):.3g} to {float(each.max()):.3g} where predictions are wrong"


@rule()
def state_round_trip(bench: LossBench) -> str:
    """A loss that is restored goes on as the one that went on."""
    first = bench.build()

    def learn(loss: Any, step: int) -> float:  # of other images in each, so that a copy cannot come upon what it lacks
        total = total_of(loss, bench.step(step), bench.targets())
        if total.requires_grad:
            total.backward()
        return total.item()

    for step in range(3):
        learn(first, step)
    carries = [name for name in ("state_dict", "load_state_dict") if callable(getattr(first, name, None))]
    if len(carries) == 1:
        raise Violation(f"it has {carries[0]}() alone; a state needs both state_dict() and load_state_dict(state)")
    restored = bench.build(seed=1)
    put_state(restored, stored(state_of(first)))
    new, changes = bench.build(), False
    for step in (3, 4):
        here, there = learn(first, step), learn(restored, step)
        changes |= not math.isclose(here, learn(new, step), rel_tol=1e-5, abs_tol=1e-8)
        if not math.isclose(here, there, rel_tol=1e-5, abs_tol=1e-8):
            how = "its state_dict() lacks something" if carries else "give it state_dict() and load_state_dict(state)"
            raise Violation(f"it is {here:.4g}, and {there:.4g} where a run goes on from a checkpoint: {how}")
    if changes:
        return "it changes with what it is given"
    kept = isinstance(first, nn.Module) and bool(first.state_dict())
    return f"it keeps nothing{' beside its parameters and buffers' if kept else ''}"


@RULES.rule()
def any_epoch(bench: LossBench) -> str | None:
    """Told of an epoch alone, as when a run goes on, it costs what it costs when told of those before too."""
    went = bench.build()
    if not hasattr(went, "epoch_started"):
        return "it hears of no epochs"
    for epoch in range(1, EPOCHS + 1):
        came = bench.build()
        put_state(came, state_of(went))
        for loss in (went, came):
            loss.epoch_started(epoch, EPOCHS)
        with torch.no_grad():
            there, here = (float(total_of(loss, bench.outputs(), bench.targets())) for loss in (went, came))
        if not math.isclose(there, here, rel_tol=1e-5):
            raise Violation(f"in epoch {epoch} it is {there:.4g}, and {here:.4g} when told of that epoch alone")
    return None
