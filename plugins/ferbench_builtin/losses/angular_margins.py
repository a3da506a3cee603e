"""Margins between classes on the sphere of the features."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import Tensor

    from ferbench import LossValue, Outputs, Targets

_Scale = Annotated[float, Interval(gt=0, le=1e4), Tunable(8, 64, log=True)]


def arcface(
    task: Task,
    *,
    margin: Annotated[float, Interval(ge=0, le=math.pi / 2), Tunable(0.05, 0.6)] = 0.5,
    scale: _Scale = 64.0,
) -> Callable[[Outputs, Targets], LossValue]:
    """ArcFace of Deng et al. 2019 (https://arxiv.org/abs/1801.07698), in nats: cross-entropy of s cos θ_k, where θ_k is
    the angle between features and class k, and θ + m stands for that of the true class.

    Beyond θ + m = π, where the cosine would rise again, it is cos θ − m sin m, as in the authors' code. Of a
    distribution, the cosine of each class goes its share of the way from cos θ to cos(θ + m). Validation and test have
    no margin: there the loss is the cross-entropy of s cos θ.

    It needs ``model.head=cosine``. Probabilities are those of the model, whose ``head_scale`` should be ``scale``. The
    defaults are for tens of thousands of people; with a few classes a scale of 16 and smaller margins do.

    Args:
        task: the learning problem; nothing of it is needed.
        margin: m in radians, the paper's.
        scale: s, the paper's.
    """
    cos_m, sin_m = math.cos(margin), math.sin(margin)

    def narrowed(cosine: Tensor) -> Tensor:
        # Where it is clamped there is no gradient, instead of an endless one.
        sine = (1 - cosine * cosine).clamp_min(1e-12).sqrt()
        return (cosine * cos_m - sine * sin_m).where(cosine > -cos_m, cosine - margin * sin_m)

    return _cross_entropy(narrowed, scale)


def cosface(
    task: Task,
    *,
    margin: Annotated[float, Interval(ge=0, le=1), Tunable(0.05, 0.5)] = 0.35,
    scale: _Scale = 64.0,
) -> Callable[[Outputs, Targets], LossValue]:
    """CosFace of Wang et al. 2018 (https://arxiv.org/abs/1801.09414), in nats: cross-entropy of s cos θ_k, where θ_k is
    the angle between features and class k, and cos θ − m stands for the cosine of the true class.

    Of a distribution, each class has its share of the margin. Validation and test have no margin: there the loss is the
    cross-entropy of s cos θ.

    It needs ``model.head=cosine``. Probabilities are those of the model, whose ``head_scale`` should be ``scale``. The
    defaults are for tens of thousands of people; with a few classes a scale of 16 and smaller margins do.

    Args:
        task: the learning problem; nothing of it is needed.
        margin: m in units of the cosine, the paper's.
        scale: s, the paper's.
    """
    return _cross_entropy(lambda cosine: cosine - margin, scale)


def _cross_entropy(narrowed: Callable[[Tensor], Tensor], scale: float) -> Callable[[Outputs, Targets], LossValue]:
    """Of scaled cosines; those of true classes are narrowed while something is learnt."""
    from ferbench_builtin.losses.expression import over_samples
    from ferbench_builtin.losses.parts import cross_entropies

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        cosine = outputs.extra["cosine"].float()
        if targets.positions is not None:
            cosine = cosine + targets.distributions(cosine.shape[1]) * (narrowed(cosine) - cosine)
        return over_samples(cross_entropies(scale * cosine, targets), targets.weight)

    return loss
