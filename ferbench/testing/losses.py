"""What is asked of losses."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.errors import UserError
from ferbench.metrics.measures import component_fault
from ferbench.plugin.partners import needed
from ferbench.plugin.specs import LossSpec
from ferbench.task import Task
from ferbench.testing.made_up import made_up, reached, reordered, width
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation, stored
from ferbench.training.loss_state import late, put_state, shaped, state_of, trainable, untrained
from ferbench.training.step import corrections_fault, is_number, is_one_each

Check = Callable[["LossBench"], str | None]
Part = TypeVar("Part", Outputs, Targets)

#: What models can give, as far as it has a name that all know.
_GIVEN = ("features", "classifier", "maps", "cosine")
_SAMPLES = 24
_EPOCHS = 5


class LossBench:
    """A loss, and predictions and targets for it, with valence and arousal.

    Attributes:
        spec: the loss's.
        needs: what it reads of outputs beside logits and affect.
        labels: int64[N], every class among them.
        affect: float32[N, 2], valence and arousal.
    """

    def __init__(self, subject: Subject) -> None:
        assert isinstance(subject.component.spec, LossSpec)
        self.spec = subject.component.spec
        self.needs = needed(self.spec)
        self._subject = subject
        self._names = subject.class_names
        self._counts = tuple(90 // (k + 1) + 10 for k in range(len(self._names)))
        generator = torch.Generator().manual_seed(0)
        self.labels = torch.arange(_SAMPLES) % len(self._names)
        self.affect = torch.rand(_SAMPLES, 2, generator=generator) * 1.6 - 0.8
        self._noise = torch.randn(_SAMPLES, len(self._names), generator=generator)
        self._said = torch.rand(_SAMPLES, 2, generator=generator) * 1.6 - 0.8
        self._positions = 5 * torch.arange(_SAMPLES) + 3
        self._last = False

    @property
    def classes(self) -> int:
        return len(self._names)

    def build(self, order: Tensor | None = None, absent: int | None = None, seed: int = 0) -> Any:
        """The loss.

        Args:
            order: int64[K], puts the task's classes into another order.
            absent: a class without training samples.
            seed: of what it draws at random, such as initial weights.
        """
        places = list(range(self.classes)) if order is None else order.tolist()
        names = tuple(self._names[k] for k in places)
        counts = tuple(0 if k == absent else self._counts[k] for k in places)
        features = width(self.classes) if "features" in self.needs else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            loss = self._subject.build_callable(Task(names, 1, 8, 8, counts, has_affect=True, features=features))
        if self._last:
            loss.epoch_started(_EPOCHS, _EPOCHS)
        return loss

    def in_last_epoch(self) -> LossBench | None:
        """The same bench with a loss that hears of the last epoch; None: it hears of none."""
        if not hasattr(self.build(), "epoch_started"):
            return None
        bench = copy.copy(self)
        bench._last = True
        return bench

    def outputs(self, scale: float = 1.0) -> Outputs:
        """Predictions that know nothing, with gradients."""
        return self.made_up(scale * self._noise, self._said)

    def made_up(
        self, logits: Tensor, affect: Tensor, needs: Sequence[str] | None = None, views: int | None = None
    ) -> Outputs:
        """Outputs with what the loss needs, and the views that it wants, of all of which logits and affect are the same
        values; ``needs`` and ``views`` to give it others."""
        count = len(self.spec.views) if views is None else views
        names = self.needs if needs is None else needs
        first, *others = (made_up(logits, affect, names, seed) for seed in range(count))
        return dataclasses.replace(first, others=tuple(others))

    def targets(self, soft: Tensor | None = None) -> Targets:
        """As a batch of the training has them; ``soft`` are distributions."""
        return Targets(
            self.labels.clone(),
            None if soft is None else soft.clone(),
            self.affect.clone(),
            positions=self._positions.clone(),
            epoch=_EPOCHS if self._last else 1,
            class_counts=torch.tensor(self._counts),
        )

    def predictions(self, right: float) -> Outputs:
        """Predictions that are right (1), without opinion (0) or wrong (-1)."""
        one_hot = torch.nn.functional.one_hot(self.labels, self.classes).float()
        wrong = one_hot.roll(1, dims=1)
        logits = 4 * right * one_hot if right >= 0 else -4 * right * wrong
        return self.made_up(logits, right * self.affect)


RULES = RuleSet(LossBench)


def copied(given: Part) -> Part:
    """Outputs or targets that may be written into; gradients reach the given."""
    return given.each(Tensor.clone)


def value_of(loss: Any, outputs: Outputs, targets: Targets) -> Any:
    """What a loss returns for outputs and targets that it may write into, as a run's are; gradients reach the given."""
    return loss(copied(outputs), copied(targets))


def total_of(loss: Any, outputs: Outputs, targets: Targets) -> Tensor:
    value = value_of(loss, outputs, targets)
    return value.total if isinstance(value, LossValue) else value


def rule(*, gate: bool = False, informational: bool = False) -> Callable[[Check], Check]:
    """A rule for a loss that heard of no epoch and, where it hears of them, for one in the last epoch too."""

    def enter(check: Check) -> Check:
        @RULES.rule(gate=gate, informational=informational)
        @functools.wraps(check)
        def both(bench: LossBench) -> str | None:
            note, last = check(bench), bench.in_last_epoch()
            if last is not None:
                try:
                    check(last)
                except Violation as violation:
                    raise Violation(f"in the last epoch {violation}") from None
            return note

        return both

    return enter


@RULES.rule(gate=True)
def builds(bench: LossBench) -> None:
    """The builder returns something that can be called."""
    bench.build()


@rule(gate=True)
def needs(bench: LossBench) -> str:
    """Of outputs it reads logits, affect and what its spec's `needs` names, and nothing else."""
    logits, affect = bench.outputs().logits.detach(), bench.outputs().affect
    assert affect is not None
    others = [name for name in _GIVEN if name not in bench.needs]

    def works(names: Sequence[str]) -> bool:
        given = bench.made_up(logits, affect, names)
        try:
            with torch.no_grad():
                total_of(bench.build(), given, bench.targets())
        except Exception:  # other rules will say what it is, where it fails with everything too
            return False
        return True

    if not works(bench.needs) and works([*bench.needs, *others]):
        read = tuple(name for name in others if not works([*bench.needs, *(each for each in others if each != name)]))
        raise Violation(f"it fails without {' and '.join(read)}: name it, LossSpec(needs={(*bench.needs, *read)})")
    return f"it reads {', '.join(['logits', *bench.needs])}"


@rule(gate=True)
def scalar(bench: LossBench) -> str:
    """It returns one number, and components of one number each."""
    value = value_of(bench.build(), bench.outputs(), bench.targets())
    if not isinstance(value, LossValue | Tensor):
        raise Violation(f"it returns {type(value).__name__}, neither LossValue nor a tensor")
    value = value if isinstance(value, LossValue) else LossValue(value)
    for name, part in {"the total": value.total, **value.components}.items():
        if not is_number(part):
            got = f"{part.dtype}{list(part.shape)}" if isinstance(part, Tensor) else type(part).__name__
            raise Violation(f"{name} is {got} for {_SAMPLES} samples, no single number; return the mean")
    return f"components: {', '.join(value.components) or 'none'}"


@RULES.rule()
def one_view(bench: LossBench) -> str | None:
    """It works with one view of each sample, which is all that evaluation has."""
    if len(bench.spec.views) == 1:
        return "it asks for no other views"
    assert bench.outputs().affect is not None
    alone = bench.made_up(bench.outputs().logits, bench.affect, views=1)
    try:
        with torch.no_grad():
            total = total_of(bench.build(), alone, bench.targets())
    except (IndexError, ValueError) as error:
        raise Violation(f"without outputs.others it raises {type(error).__name__}: {error}") from None
    if not total.isfinite():
        raise Violation(f"without outputs.others it is {total.item()}")
    return None


@rule()
def component_names(bench: LossBench) -> None:
    """Its components have names of their own, which nothing else in the records has."""
    value = value_of(bench.build(), bench.outputs(), bench.targets())
    for name in value.components if isinstance(value, LossValue) else ():
        fault = component_fault(name)
        if fault is not None:
            raise Violation(f"component {name!r} {fault}")


@rule()
def inputs_unchanged(bench: LossBench) -> None:
    """Outputs and targets that it is given stay as they are."""
    certain = torch.nn.functional.one_hot(bench.labels, bench.classes).float()
    for soft in (None, certain):
        for learning in (True, False):
            outputs, targets = copied(bench.outputs()), bench.targets(soft)
            pairs: list[tuple[Outputs | Targets, Outputs | Targets]]
            pairs = [(copied(outputs), outputs), (copied(targets), targets)]
            with torch.set_grad_enabled(learning), contextlib.suppress(UserError):  # of one that takes no distributions
                bench.build()(outputs, targets)
            for before, after in pairs:
                was, is_now = _tensors(before), _tensors(after)
                for name in was.keys() | is_now.keys():
                    if name not in was or name not in is_now or not torch.equal(was[name], is_now[name]):
                        raise Violation(f"it changes {name} in place: compute with a copy, such as {name}.clone()")


def _tensors(given: Outputs | Targets) -> dict[str, Tensor]:
    parts = {part.name: getattr(given, part.name) for part in dataclasses.fields(given)}
    return {name: part for name, part in {**parts, **parts.get("extra", {})}.items() if isinstance(part, Tensor)}


@rule()
def evaluation(bench: LossBench) -> None:
    """It works where nothing is learnt, as in validation: without positions, epoch and class counts."""
    loss = bench.build()
    value_of(loss, bench.outputs(), bench.targets())
    with torch.no_grad():
        for one in (bench.build(), loss):
            value_of(one, bench.outputs(), Targets(bench.labels, affect=bench.affect))


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


@rule()
def corrections(bench: LossBench) -> str:
    """Where it corrects labels, they are class ids, int64[N]."""
    loss, corrected = bench.build(), 0
    for _ in range(3):
        value = value_of(loss, bench.predictions(-1.0), bench.targets())
        labels = value.corrected if isinstance(value, LossValue) else None
        if labels is None:
            continue
        if fault := corrections_fault(labels, _SAMPLES, bench.classes):
            raise Violation(f"it corrects the labels of {_SAMPLES} samples to {fault}")
        corrected += int((labels != bench.labels).sum())
    return f"it corrects {corrected} labels of {3 * _SAMPLES} wrong predictions"


@rule()
def single_losses(bench: LossBench) -> str:
    """Where it tells the loss of each sample, that is float[N]."""
    value = value_of(bench.build(), bench.predictions(-1.0), bench.targets())
    each = value.per_sample if isinstance(value, LossValue) else None
    if each is None:
        return "it tells none: samplers that ask hear of cross-entropy"
    if not is_one_each(each, _SAMPLES):
        got = f"{each.dtype}{list(each.shape)}" if isinstance(each, Tensor) else type(each).__name__
        raise Violation(f"LossValue.per_sample is {got} for {_SAMPLES} samples, not float[{_SAMPLES}]")
    return f"{float(each.min()):.3g} to {float(each.max()):.3g} where predictions are wrong"


@rule()
def state_round_trip(bench: LossBench) -> str:
    """A loss that is restored goes on as the one that went on."""
    first, outputs = bench.build(), bench.outputs()

    def learn(loss: Any) -> float:
        total = total_of(loss, outputs, bench.targets())
        if total.requires_grad:
            total.backward()
        return total.item()

    before = [learn(first) for _ in range(3)]
    carries = [name for name in ("state_dict", "load_state_dict") if callable(getattr(first, name, None))]
    if len(carries) == 1:
        raise Violation(f"it has {carries[0]}() alone; a state needs both state_dict() and load_state_dict(state)")
    restored = bench.build(seed=1)
    put_state(restored, stored(state_of(first)))
    for _ in range(2):
        here, there = learn(first), learn(restored)
        if not math.isclose(here, there, rel_tol=1e-5, abs_tol=1e-8):
            how = "its state_dict() lacks something" if carries else "give it state_dict() and load_state_dict(state)"
            raise Violation(f"it is {here:.4g}, and {there:.4g} where a run goes on from a checkpoint: {how}")
    return "it changes with what it is given" if len({*before, here}) > 1 else "it keeps nothing"


@rule()
def finite(bench: LossBench) -> None:
    """Value and gradient are finite, however sure the model is."""
    for scale in (0.0, 1.0, 30.0, 300.0):
        outputs = bench.outputs(scale)
        at = f"with logits up to ±{outputs.logits.detach().abs().max():.0f}"
        _is_finite(bench.build(), outputs, bench.targets(), at, "compute logarithms with log_softmax")


@rule()
def absent_class(bench: LossBench) -> None:
    """Value and gradient are finite where a class has no training samples, though validation may have some."""
    absent = bench.classes - 1
    for there in (False, True):
        labels = bench.labels if there else torch.where(bench.labels == absent, 0, bench.labels)
        at = f"with 0 among task.train_counts{' and a sample of that class' if there else ''}"
        remedy = "divide by the counts only where they are above 0"
        targets = bench.targets()
        targets.labels = labels
        _is_finite(bench.build(absent=absent), bench.outputs(), targets, at, remedy)


def _is_finite(loss: Any, outputs: Outputs, targets: Targets, at: str, remedy: str) -> None:
    total = total_of(loss, outputs, targets)
    if not total.isfinite():
        raise Violation(f"{at} it is {total.item()}; {remedy}")
    if total.requires_grad:
        total.backward()
        reached = [*_tensors(outputs).values(), *trainable(loss)]
        for part in (one.grad for one in reached):
            if part is not None and not part.isfinite().all():
                raise Violation(f"{at} its gradient is not finite; {remedy}")


@rule()
def gradient(bench: LossBench) -> None:
    """Its gradient reaches the logits of every sample, or what else it needs of it."""
    outputs = bench.outputs()
    total = total_of(bench.build(), outputs, bench.targets())
    if not total.requires_grad:
        raise Violation("it has no gradient: something detached it, such as .item(), .detach() or argmax")
    total.backward()
    without = int((~reached(outputs)).sum())
    if without:
        what = " or ".join(["the logits", *(name for name in bench.needs if name != "classifier")])
        raise Violation(f"no gradient reaches {what} of {without} of {_SAMPLES} samples")


@rule()
def lower_for_better(bench: LossBench) -> str:
    """Right predictions cost less than none, and none less than wrong ones."""
    with torch.no_grad():
        right, none, wrong = (
            float(total_of(bench.build(), bench.predictions(way), bench.targets())) for way in (1.0, 0.0, -1.0)
        )
    if not right < none < wrong:
        raise Violation(f"right predictions cost {right:.4g}, those without opinion {none:.4g}, wrong ones {wrong:.4g}")
    return f"{right:.3g} < {none:.3g} < {wrong:.3g}"


@rule()
def mean_over_samples(bench: LossBench) -> None:
    """The same samples twice cost what they cost once."""
    outputs = bench.outputs()
    twice = outputs.each(lambda part: torch.cat([part, part]))
    with torch.no_grad():
        once = total_of(bench.build(), outputs, bench.targets())
        targets = bench.targets().each(lambda part: torch.cat([part, part]))
        doubled = total_of(bench.build(), twice, targets)
    if not torch.allclose(once, doubled, rtol=1e-4):
        raise Violation(f"once {once:.4g}, twice {doubled:.4g}: return the mean, so that micro-batches can be weighted")


@rule(informational=True)
def adds_up(bench: LossBench) -> str:
    """Two parts of a batch, weighted by their sizes, cost what the batch costs."""
    outputs, targets = bench.outputs(), bench.targets()
    cut = _SAMPLES // 3 + 1
    with torch.no_grad():
        whole, parts = float(total_of(bench.build(), outputs, targets)), 0.0
        for start, stop in ((0, cut), (cut, _SAMPLES)):
            some = outputs.each(operator.itemgetter(slice(start, stop)))
            part = float(total_of(bench.build(), some, targets.slice(start, stop)))
            parts += part * (stop - start) / _SAMPLES
    if not math.isclose(whole, parts, rel_tol=1e-4, abs_tol=1e-6):
        raise Violation(
            f"it is {whole:.4g} over the batch and {parts:.4g} over its parts: micro-batches change what is learnt; "
            "divide sums by the number of samples, also where they are weighted"
        )
    return "yes"


@rule()
def distributions(bench: LossBench) -> None:
    """Where targets are distributions (votes, Mixup), these count; a loss that cannot use them raises a UserError."""
    outputs = bench.outputs()
    certain = torch.nn.functional.one_hot(bench.labels, bench.classes).float()
    blended = 0.6 * certain + 0.4 * certain.roll(1, dims=1)
    try:
        with torch.no_grad():
            labels, votes = (
                float(total_of(bench.build(), outputs, bench.targets(soft))) for soft in (certain, blended)
            )
    except UserError:
        return
    if math.isclose(labels, votes, rel_tol=1e-6):
        raise Violation(
            f"it is {labels:.4g} whatever the distributions are; read targets.distributions(K), not targets.labels"
        )


@rule()
def device(bench: LossBench) -> None:
    """It works on the device that the predictions are on."""
    loss, elsewhere = bench.build(), torch.device("meta")
    loss = loss.to(elsewhere) if isinstance(loss, nn.Module) else loss
    outputs = bench.outputs().each(lambda part: part.to(elsewhere))
    targets = bench.targets().each(lambda part: part.to(elsewhere))
    assert targets.class_counts is not None
    targets.class_counts = targets.class_counts.to(elsewhere)
    try:
        value_of(loss, outputs, targets)
    except (RuntimeError, NotImplementedError) as error:
        if "expected device" in str(error) or "same device" in str(error):
            raise Violation(
                "it keeps tensors where it was built: take them to outputs.logits.device, or make it an nn.Module "
                "with buffers"
            ) from None
        raise NotApplicable("it looks at values, which a trial without a second device has none of") from None


@rule()
def missing_labels(bench: LossBench) -> None:
    """Samples without valence or arousal (NaN) add nothing there."""
    loss, outputs = bench.build(), bench.outputs()
    affect = bench.affect.clone()
    affect[::3] = torch.nan
    affect[1::3, 1] = torch.nan
    assert outputs.affect is not None
    targets = bench.targets()
    targets.affect = affect
    total = total_of(loss, outputs, targets)
    if not total.isfinite():
        raise Violation(f"with missing labels it is {total.item()}")
    if not total.requires_grad:
        raise NotApplicable("it has no gradient")
    total.backward()
    learnt = outputs.affect.grad
    if learnt is None:
        return
    if not learnt.isfinite().all():
        raise Violation("with missing labels its gradient is not finite; mask before computing, not after")
    if learnt[affect.isnan()].any():
        raise Violation("predictions are pulled somewhere where there is no label")


@RULES.rule()
def any_epoch(bench: LossBench) -> str | None:
    """Told of an epoch alone, as when a run goes on, it costs what it costs when told of those before too."""
    went = bench.build()
    if not hasattr(went, "epoch_started"):
        return "it hears of no epochs"
    for epoch in range(1, _EPOCHS + 1):
        came = bench.build()
        put_state(came, state_of(went))
        for loss in (went, came):
            loss.epoch_started(epoch, _EPOCHS)
        with torch.no_grad():
            there, here = (float(total_of(loss, bench.outputs(), bench.targets())) for loss in (went, came))
        if not math.isclose(there, here, rel_tol=1e-5):
            raise Violation(f"in epoch {epoch} it is {there:.4g}, and {here:.4g} when told of that epoch alone")
    return None


@rule()
def class_order(bench: LossBench) -> None:
    """Classes in another order cost the same."""
    order = torch.randperm(bench.classes, generator=torch.Generator().manual_seed(3))
    outputs, soft = bench.outputs(), torch.softmax(bench.outputs(2.0).logits.detach().flip(0), dim=1)
    elsewhere = torch.empty_like(order)
    elsewhere[order] = torch.arange(bench.classes)
    moved, counts = reordered(outputs, order), bench.targets().class_counts
    assert counts is not None
    for votes in (None, soft):
        with torch.no_grad():
            plain = total_of(bench.build(), outputs, bench.targets(votes))
            permuted = bench.targets(None if votes is None else votes[:, order])
            permuted.labels, permuted.class_counts = elsewhere[bench.labels], counts[order]
            other = total_of(_in_order(bench, order), moved, permuted)
        if not torch.allclose(plain, other, rtol=1e-4):
            with_what = "labels" if votes is None else "label distributions"
            raise Violation(
                f"with {with_what} it is {plain:.4g}, and {other:.4g} when the classes change places: "
                "know classes by task.class_names, not by position"
            )


def _in_order(bench: LossBench, order: Tensor) -> Any:
    """The loss for classes in another order. What it draws at random for each class, such as the initial weights of a
    head, changes places with them."""
    loss = bench.build(order)
    if not isinstance(loss, nn.Module):
        return loss
    own, elsewhere = loss.state_dict(), bench.build(order, seed=1).state_dict()
    for name, value in bench.build().state_dict().items():
        if isinstance(value, Tensor) and not torch.equal(own[name], elsewhere[name]):
            for dimension in (place for place, size in enumerate(value.shape) if size == bench.classes):
                value = value.index_select(dimension, order)
            own[name] = value
    put_state(loss, own)
    return loss
