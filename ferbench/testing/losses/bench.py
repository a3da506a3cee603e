"""A loss on the bench: what it is tried with, and how a rule is entered."""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.errors import UserError
from ferbench.plugin.partners import TEACHER, needed, needs_teacher, remedy_for
from ferbench.plugin.specs import LossSpec, ModelSpec
from ferbench.task import Task
from ferbench.testing.made_up import made_up, width
from ferbench.testing.rules import RuleSet, Subject, Violation
from ferbench.training.evaluation import evaluating
from ferbench.training.kept import part_fault

Check = Callable[["LossBench"], str | None]
Part = TypeVar("Part", Outputs, Targets)

#: What models can give, as far as it has a name that all know.
GIVEN = ("features", "classifier", "maps", "pooled", "heads", "cosine")
#: Those of them that come before the logits, or beside them.
BEFORE_THE_HEAD = ("features", "classifier", "maps", "pooled", "heads")
SAMPLES = 24
EPOCHS = 5


class LossBench:
    """A loss, and predictions and targets for it, with valence and arousal.

    Attributes:
        spec: the loss's.
        needs: what it reads of outputs beside logits and affect.
        taught: it reads what a teacher gives.
        partner: the model whose outputs say what is in ``extra``; None: nobody does.
        labels: int64[N], every class among them.
        affect: float32[N, 2], valence and arousal.
    """

    def __init__(self, subject: Subject) -> None:
        assert isinstance(subject.component.spec, LossSpec)
        self.spec = subject.component.spec
        self.needs = needed(self.spec)
        self.taught = needs_teacher(self.spec)
        self.partner = subject.partner
        self._subject = subject
        self._names = subject.class_names
        self._counts = tuple(90 // (k + 1) + 10 for k in range(len(self._names)))
        generator = torch.Generator().manual_seed(0)
        self.labels = torch.arange(SAMPLES) % len(self._names)
        self.affect = torch.rand(SAMPLES, 2, generator=generator) * 1.6 - 0.8
        self._noise = torch.randn(SAMPLES, len(self._names), generator=generator)
        self._said = torch.rand(SAMPLES, 2, generator=generator) * 1.6 - 0.8
        self._positions = 5 * torch.arange(SAMPLES) + 3
        self._last: int | None = None

    @property
    def classes(self) -> int:
        return len(self._names)

    @functools.cached_property
    def given(self) -> dict[str, Tensor]:
        """What the partner gives for made-up images, float[SAMPLES, …] by name; without what has the shape of logits,
        and what all models mean by a name, which are made up in keeping with the rest.

        Raises:
            UserError: it does not give what the loss needs, or not as a run takes it.
        """
        from ferbench.testing.models import ModelBench

        assert self.partner is not None
        bench = ModelBench(Subject(self.partner, {}, None, self._subject.image_size, self._names))
        with torch.no_grad():
            outputs = bench.model(bench.images(SAMPLES))
        extra = outputs.extra if isinstance(outputs, Outputs) else {}
        for name in self.needs:
            if name not in GIVEN and name not in extra:
                raise UserError(f"{self.partner.where} does not give {name}", remedy_for(self.partner, name))
        for name, part in extra.items():
            if fault := part_fault(name, part, SAMPLES):
                raise UserError(f"{self.partner.where} gives {fault}", "check the model first")
        own = (SAMPLES, self.classes)
        return {name: part for name, part in extra.items() if name not in GIVEN and tuple(part.shape) != own}

    @property
    def could_give(self) -> tuple[str, ...]:
        """What the partner says that it gives."""
        return self.partner.spec.gives if self.partner is not None and isinstance(self.partner.spec, ModelSpec) else ()

    @property
    def guessed(self) -> list[str]:
        """What is made up in the shape of logits for want of a model that gives it."""
        return [name for name in self.needs if name not in GIVEN] if self.partner is None else []

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
        if self._last is not None and hasattr(loss, "epoch_started"):
            loss.epoch_started(self._last, self._last)
        return loss

    def in_last_epoch(self) -> LossBench | None:
        """The same bench with a loss that hears of the last epoch; None: it hears of none."""
        return self.in_last_of(EPOCHS) if hasattr(self.build(), "epoch_started") else None

    def in_last_of(self, epochs: int) -> LossBench:
        """The same bench in the last of so many epochs, of which the loss hears where it hears of them."""
        bench = copy.copy(self)
        bench._last = epochs
        return bench

    def waits(self) -> list[str]:
        """Options that seem to say in which epoch something begins, and do not say the first."""
        options = self._subject.component.options()
        values = options.arguments(self._subject.options, self._subject.component.kind)
        return [
            option.name
            for option in options.fields
            if type(values[option.name]) is int
            and values[option.name] > 1
            and (re.search(r"start|from|begin|warm|epoch", option.name) or re.search(r"\bepoch", option.description))
        ]

    def outputs(self, scale: float = 1.0) -> Outputs:
        """Predictions that know nothing, with gradients."""
        return self.made_up(scale * self._noise, self._said)

    def step(self, number: int) -> Outputs:
        """The same of other images for each number."""
        generator = torch.Generator().manual_seed(number)
        drift = torch.randn(1, self.classes, generator=generator)
        affect = self._said.roll(number, dims=0) * 0.9**number
        return self.made_up(self._noise.roll(number, dims=0) + drift, affect, seed=10 * number)

    def made_up(
        self,
        logits: Tensor,
        affect: Tensor,
        needs: Sequence[str] | None = None,
        views: int | None = None,
        seed: int = 0,
    ) -> Outputs:
        """Outputs with what the loss needs, and the views that it wants, of all of which logits and affect are the same
        values; ``needs`` and ``views`` to give it others. What does not hang on these is drawn with ``seed``."""
        count = len(self.spec.views) if views is None else views
        names = self.needs if needs is None else needs
        given = {} if self.partner is None or set(names) <= {*GIVEN, TEACHER} else self.given
        given = {name: part * (1 - seed / 100) for name, part in given.items()}  # so that means differ too
        first, *others = (made_up(logits, affect, names, seed + view, given) for view in range(count))
        return dataclasses.replace(first, others=tuple(others))

    def targets(self, soft: Tensor | None = None) -> Targets:
        """As a batch of the training has them; ``soft`` are distributions."""
        return Targets(
            self.labels.clone(),
            None if soft is None else soft.clone(),
            self.affect.clone(),
            positions=self._positions.clone(),
            epoch=self._last or 1,
            class_counts=torch.tensor(self._counts),
            teacher=self.teacher() if self.taught else None,
        )

    def teacher(self, right: float = 1.0) -> Outputs:
        """What a teacher gives, of one view and without gradients: mostly right (1), or mostly wrong (-1)."""
        sure = self.predictions(right).logits + 0.5 * self._noise
        return self.made_up(sure, self.affect, views=1).each(Tensor.detach)

    def in_validation(self) -> Targets:
        """As validation and test have them."""
        return Targets(self.labels.clone(), affect=self.affect.clone())

    def evaluated(self, loss: Any, outputs: Outputs, targets: Targets, seed: int = 0) -> Tensor:
        """The total where nothing is learnt: a loss that is a module is in evaluation mode meanwhile."""
        with evaluating(loss), torch.no_grad():
            return total_of(loss, outputs, targets, seed)

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


def value_of(loss: Any, outputs: Outputs, targets: Targets, seed: int = 0) -> Any:
    """What a loss returns for outputs and targets that it may write into, as a run's are; gradients reach the given.
    What it drops or draws with torch's generator hangs on ``seed``, as a run's draws do on the step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return loss(copied(outputs), copied(targets))


def total_of(loss: Any, outputs: Outputs, targets: Targets, seed: int = 0) -> Tensor:
    value = value_of(loss, outputs, targets, seed)
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


def tensors(given: Outputs | Targets) -> dict[str, Tensor]:
    parts = {part.name: getattr(given, part.name) for part in dataclasses.fields(given)}
    if (teacher := parts.get("teacher")) is not None:
        parts |= {f"teacher.{name}": part for name, part in tensors(teacher).items()}
    return {name: part for name, part in {**parts, **parts.get("extra", {})}.items() if isinstance(part, Tensor)}
