"""What models return, what losses compare it with, and what losses return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import register_pytree_node

from ferbench.data.draws import upload


@dataclass(slots=True)
class Outputs:
    """What a model returns.

    What a loss gets of it, beside logits and affect, is what its spec names in ``needs``.

    Attributes:
        logits: float[N, K], unnormalised class scores.
        affect: float[N, 2], valence and arousal, or None for a model without that head.
        features: float[N, D], what the classifier is given; None for a model that does not tell.
        extra: anything else by name, a tensor of N rows each: feature maps, the weights of an attention, logits of a
            second branch.
        classifier: gives logits[M, K] of features[M, D] as the model itself does, and learns with it; None for a model
            that does not tell.
        others: of the further views of the same samples, in the order of the spec's ``views``; empty where there is one
            view, as in every evaluation.
    """

    logits: Tensor
    affect: Tensor | None = None
    features: Tensor | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)
    classifier: Callable[[Tensor], Tensor] | None = None
    others: tuple[Outputs, ...] = ()

    def each(self, change: Callable[[Tensor], Tensor]) -> Outputs:
        """The same with every tensor changed, those of other views too."""
        return Outputs(
            change(self.logits),
            None if self.affect is None else change(self.affect),
            None if self.features is None else change(self.features),
            {name: change(part) for name, part in self.extra.items()},
            self.classifier,
            tuple(other.each(change) for other in self.others),
        )


#: Names of ``extra``, and what is no tensor.
_Rest = tuple[list[str], Callable[[Tensor], Tensor] | None]


def _flatten(outputs: Outputs) -> tuple[list[Any], _Rest]:
    names = list(outputs.extra)
    parts = [outputs.logits, outputs.affect, outputs.features, *(outputs.extra[name] for name in names)]
    return [*parts, *outputs.others], (names, outputs.classifier)


def _unflatten(parts: Iterable[Any], rest: _Rest) -> Outputs:
    (names, classifier), (logits, affect, features, *more) = rest, parts
    extra, others = more[: len(names)], more[len(names) :]
    return Outputs(logits, affect, features, dict(zip(names, extra, strict=True)), classifier, tuple(others))


# So that torch.export, and torch.func, take a model that returns them.
register_pytree_node(
    Outputs,
    _flatten,
    _unflatten,
    serialized_type_name="ferbench.Outputs",
    to_dumpable_context=lambda rest: rest[0],  # a classifier is no data
    from_dumpable_context=lambda names: (names, None),
)


@dataclass(slots=True)
class Targets:
    """What is known about a batch.

    Attributes:
        labels: int64[N], class ids.
        soft: float[N, K], label distributions (votes, Mixup), rows sum to 1; None: labels are all there is.
        affect: float[N, 2], valence and arousal, NaN where missing; None where the dataset has none.
        weight: float[N], weight of each sample, None for equal weights.
        positions: int64[N], places of the samples in the training split, the same in every epoch, of what Mixup made
            of two that of ``labels``; None where nothing is learnt, as in validation and test.
        epoch: from 1; 0 where nothing is learnt.
        class_counts: int64[K], samples of each class in the training split; None where nothing is learnt.
        teacher: what ``training.teacher`` gives for the same images (those of the first view), float32 and without
            gradient: logits in the order of the task's classes, affect where it predicts it, and of what the loss needs
            besides as much as the teacher's model gives. None where there is no teacher, as in validation and test.
    """

    labels: Tensor
    soft: Tensor | None = None
    affect: Tensor | None = None
    weight: Tensor | None = None
    positions: Tensor | None = None
    epoch: int = 0
    class_counts: Tensor | None = None
    teacher: Outputs | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def distributions(self, classes: int) -> Tensor:
        """float32[N, K]: ``soft`` where there are any, else the labels, each with all its share on one class.

        Unlike ``torch.nn.functional.one_hot``, this does not wait for the device.
        """
        if self.soft is not None:
            return self.soft.float()
        return (self.labels[:, None] == torch.arange(classes, device=self.labels.device)).float()

    def each(self, change: Callable[[Tensor], Tensor]) -> Targets:
        """The same with every tensor that has a row for each sample changed."""
        soft, affect, weight, positions = (
            None if part is None else change(part) for part in (self.soft, self.affect, self.weight, self.positions)
        )
        teacher = None if self.teacher is None else self.teacher.each(change)
        return Targets(change(self.labels), soft, affect, weight, positions, self.epoch, self.class_counts, teacher)

    def slice(self, start: int, stop: int) -> Targets:
        """The samples from ``start`` to ``stop`` (exclusive), as views."""
        return self.each(lambda part: part[start:stop])

    def to(self, device: torch.device) -> Targets:
        moved = self.each(lambda part: upload(part, device))
        if self.class_counts is not None:
            moved.class_counts = upload(self.class_counts, device)
        return moved


@dataclass(slots=True)
class LossValue:
    """What a loss returns.

    Attributes:
        total: scalar to minimise, a mean over the samples (micro-batches are weighted by their size).
        components: scalars by name that the history keeps ("expression", "valence", …), as means over all samples;
            one that is not returned for a batch counts as 0 there.
        corrected: int64[N], the labels that the samples have from now on, where the loss holds theirs to be wrong, and
            ``targets.labels`` for the others; the run records which. None: nothing is corrected.
        per_sample: float[N], the loss of each sample, for samplers that ask for it. None: they hear of the
            cross-entropy of the logits with the labels.
    """

    total: Tensor
    components: Mapping[str, Tensor] = field(default_factory=dict)
    corrected: Tensor | None = None
    per_sample: Tensor | None = None
