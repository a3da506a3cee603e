"""A plugin whose components do what components must not, for tests of what becomes of a run."""

import sys
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import ferbench
from ferbench_builtin.samplers.shuffled import Shuffled

Where = Literal["building", "calling", "ending"]


def _boom(where, here):
    if where == here:
        raise ValueError("boom")


@ferbench.hookimpl
def ferbench_losses():
    for name in ("margin", "moving", "named", "learnt", "late", "failing-loss"):
        yield ferbench.LossSpec(name, build=f"mistaken:{name.replace('-', '_')}")


@ferbench.hookimpl
def ferbench_samplers():
    for name in ("sorting", "growing", "failing-sampler"):
        yield ferbench.SamplerSpec(name, build=f"mistaken:{name.replace('-', '_')}")


@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("failing-model", build="mistaken:failing_model", image_size=16)
    yield ferbench.ModelSpec("sociable-model", build="mistaken:SociableModel", image_size=16)


@ferbench.hookimpl
def ferbench_augmentations():
    yield ferbench.AugmentationSpec("failing-augmentation", build="mistaken:failing_augmentation")


@ferbench.hookimpl
def ferbench_optimizers():
    yield ferbench.OptimizerSpec("failing-optimizer", build="mistaken:failing_optimizer")


@ferbench.hookimpl
def ferbench_schedules():
    yield ferbench.ScheduleSpec("failing-schedule", build="mistaken:failing_schedule")


@ferbench.hookimpl
def ferbench_datasets():
    parts = ferbench.Protocol("plain", ("train",), ("test",), cut_if_missing=True)
    yield ferbench.DatasetSpec("failing-dataset", "mistaken:FailingDataset", protocols=(parts,), needs_path=False)


class SociableModel(nn.Module):
    """Looks at an image beside the mean of its batch."""

    def __init__(self, task):
        super().__init__()
        self.flatten, self.linear = nn.Flatten(), nn.Linear(task.channels * task.height * task.width, task.num_classes)

    def forward(self, images):
        pixels = self.flatten(images)
        return self.linear(pixels - pixels.mean(dim=0))


def margin(task, *, apart: bool = False, factor: float = 8.0):
    """A margin for the true class, written into the logits or into a copy."""

    def loss(outputs, targets):
        logits = outputs.logits.clone() if apart else outputs.logits
        logits += factor * targets.distributions(task.num_classes)
        if outputs.affect is not None and not apart:
            with torch.no_grad():
                outputs.affect.zero_()
        return F.cross_entropy(logits, targets.labels)

    return loss


class Centre:
    """A loss that grows with the samples that it has learnt from; no module, with a state as samplers have."""

    def __init__(self, task):
        self.seen = torch.zeros(())
        self.since = 0

    def epoch_started(self, epoch, epochs):
        self.since = 0

    def __call__(self, outputs, targets):
        if torch.is_grad_enabled():
            self.seen = self.seen + len(targets)
            self.since += 1
        return F.cross_entropy(outputs.logits, targets.labels) * (1 + self.seen / 100) + 0.01 * self.since

    def state_dict(self):
        return {"seen": self.seen, "since": self.since}

    def load_state_dict(self, state):
        self.seen, self.since = state["seen"], state["since"]


moving = Centre


def named(task, *, component: str = "loss"):
    def loss(outputs, targets):
        total = F.cross_entropy(outputs.logits, targets.labels)
        return ferbench.LossValue(total + 1, {component: total.detach()})

    return loss


class Learnt:
    """Keeps what it would learn, and is no module."""

    def __init__(self, task):
        self.scales = nn.ParameterDict({"expression": torch.zeros(()), "affect": torch.zeros(())})

    def __call__(self, outputs, targets):
        return F.cross_entropy(outputs.logits, targets.labels) * (-self.scales["expression"]).exp()


learnt = Learnt


class Late(nn.Module):
    """Makes what it would learn of the first batch."""

    def __init__(self, task):
        super().__init__()
        self.head = nn.LazyLinear(task.num_classes)

    def forward(self, outputs, targets):
        return F.cross_entropy(self.head(outputs.logits), targets.labels)


late = Late


class Sorting(Shuffled):
    """Sorts the labels that it is given, as far as it may."""

    def __init__(self, labels, task, *, seed):
        super().__init__(labels, task, seed=seed)
        try:
            labels.sort()
        except ValueError:
            labels.setflags(write=True)
            labels.sort()


sorting = Sorting


class Growing(Shuffled):
    def __init__(self, labels, task, *, seed, late: bool = False):
        super().__init__(labels, task, seed=seed)
        self.late, self.heard = late, 0

    def indices(self, epoch):
        order = super().indices(epoch)
        longer = self.heard if self.late else epoch - 1
        return order[: len(order) // 2 * (1 + longer)]

    def update(self, scores):
        self.heard += 1


growing = Growing


def failing_loss(task, *, where: Where = "calling"):
    _boom(where, "building")

    def loss(outputs, targets):
        if where == "ending":
            sys.exit(0)
        _boom(where, "calling")

    return loss


class FailingSampler(Shuffled):
    def __init__(self, labels, task, *, seed, where: Where = "calling"):
        super().__init__(labels, task, seed=seed)
        _boom(where, "building")

    def update(self, scores):
        raise ValueError("boom")


failing_sampler = FailingSampler


def failing_model(task, *, where: Where = "calling"):
    """Not a line of the plugin is in the trace of a call: the layers do not fit each other."""
    _boom(where, "building")
    return nn.Sequential(nn.Flatten(), nn.Linear(3, task.num_classes))


def failing_augmentation(task, *, where: Where = "calling"):
    _boom(where, "building")
    return lambda images, size, draws: _boom(where, "calling")


class FailingOptimizer(torch.optim.SGD):
    def step(self, closure=None):
        raise ValueError("boom")


def failing_optimizer(parameters, *, lr: float = 0.1, where: Where = "calling"):
    _boom(where, "building")
    return FailingOptimizer(parameters, lr=lr)


def failing_schedule(base_rates, epochs, steps_per_epoch, *, where: Where = "calling"):
    _boom(where, "building")
    return lambda step, scores: _boom(where, "calling")


class FailingDataset(ferbench.Dataset):
    class_names = ("happy", "sad")
    channels = 1

    def __init__(self, path, *, where: Where = "calling"):
        _boom(where, "building")

    def source(self):
        return {}

    def samples(self):
        yield ferbench.Sample("a", "train", "happy", np.zeros((4, 4), np.uint8))
        raise ValueError("boom")
