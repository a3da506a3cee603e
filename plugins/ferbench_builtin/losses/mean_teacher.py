"""Consistency with a teacher, as mean teachers ask for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable
from ferbench_builtin.losses.options import Share, Smoothing

if TYPE_CHECKING:
    from ferbench import LossValue, Outputs, Targets


class MeanTeacher:
    """Mean teacher of Tarvainen and Valpola 2017 (https://arxiv.org/abs/1703.01780): the mean over the N samples of
    CE + w(t) (1/K) Σ_k (p_k − q_k)², where CE is the cross-entropy, in nats, of the student with labels or votes, q the
    student's probabilities for another augmented view of the image, and p the teacher's for the first.

    w(t) rises as W exp(−5 (1 − t)²), t being the share of the rise that is over when the epoch begins; after it w is W.
    Where there is no teacher, as in validation and test, the loss is CE alone.

    Args:
        task: the learning problem (unused: the loss is the same for all).
        weight: W, how much the consistency counts in the end. The paper's, where every image has its label.
        ramp: share of the epochs over which it rises; of the paper's 150,000 updates these were 40,000.
        label_smoothing: share of each label that is spread evenly over the K classes.
    """

    def __init__(
        self,
        task: Task,
        *,
        weight: Annotated[float, Interval(ge=0, le=1e6), Tunable(1.0, 300.0, log=True)] = 100.0,
        ramp: Share = 0.25,
        label_smoothing: Annotated[Smoothing, Tunable(0.0, 0.3)] = 0.0,
    ) -> None:
        self._most, self._ramp, self._smoothing = weight, ramp, label_smoothing
        self.weight = weight

    def epoch_started(self, epoch: int, epochs: int) -> None:
        """Set w(t)."""
        rise = self._ramp * epochs
        done = min(1.0, (epoch - 1) / rise) if rise else 1.0
        self.weight = self._most * math.exp(-5 * (1 - done) ** 2)

    def __call__(self, outputs: Outputs, targets: Targets) -> LossValue:
        import torch.nn.functional as F

        from ferbench import LossValue
        from ferbench_builtin.losses.expression import mean_over_samples, smoothed

        logits = outputs.logits.float()  # half precision would lose the small probabilities
        truth = smoothed(targets.distributions(logits.shape[1]), self._smoothing)
        labels = mean_over_samples(-(truth * F.log_softmax(logits, dim=1)).sum(dim=1), targets.weight)
        if targets.teacher is None:
            return LossValue(labels, {"expression": labels.detach()})
        other = outputs.others[0] if outputs.others else outputs
        apart = other.logits.float().softmax(dim=1) - targets.teacher.logits.detach().softmax(dim=1)
        consistency = mean_over_samples(apart.square().mean(dim=1), targets.weight)
        total = labels + self.weight * consistency
        return LossValue(total, {"expression": labels.detach(), "consistency": consistency.detach()})
