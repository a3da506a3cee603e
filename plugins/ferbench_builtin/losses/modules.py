"""The losses that keep tensors, as modules; the options are those of the functions that build them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ferbench import LossValue, Outputs, Targets, Task
from ferbench_builtin.class_weights import Scheme, by_frequency, loss_weights
from ferbench_builtin.losses.expression import as_buffer, mean_over_samples, over_samples, smoothed


class Focal(nn.Module):
    """See :func:`ferbench_builtin.losses.focal.focal`."""

    alpha: Tensor

    def __init__(
        self,
        task: Task,
        *,
        gamma: float,
        scheme: Scheme | None,
        beta: float,
        weights: Mapping[str, float],
        label_smoothing: float,
    ) -> None:
        super().__init__()
        self.gamma = gamma
        self.label_smoothing = label_smoothing
        self.register_buffer("alpha", as_buffer(loss_weights(task, scheme, beta, weights, "loss.weights")))

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        log_p = F.log_softmax(outputs.logits.float(), dim=1)
        truth = smoothed(targets.distributions(log_p.shape[1]), self.label_smoothing)
        # 1 − p by expm1: where p is almost 1, the difference would lose its digits and the power its gradient.
        unsure = (-log_p.expm1()).clamp_min(1e-12) ** self.gamma
        return over_samples(-(self.alpha * truth * unsure * log_p).sum(dim=1), targets.weight)


class WeightedCrossEntropy(nn.Module):
    """See :func:`ferbench_builtin.losses.weighted_cross_entropy.weighted_cross_entropy`."""

    class_weights: Tensor

    def __init__(
        self,
        task: Task,
        *,
        scheme: Scheme | None,
        beta: float,
        weights: Mapping[str, float],
        label_smoothing: float,
    ) -> None:
        super().__init__()
        chosen: Scheme | None = scheme if scheme is not None or weights else "inverse"
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", as_buffer(loss_weights(task, chosen, beta, weights, "loss.weights")))

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        each = F.cross_entropy(
            outputs.logits.float(),
            targets.labels if targets.soft is None else targets.soft.float(),
            weight=self.class_weights,
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        return over_samples(each, targets.weight)


class PriorShifted(nn.Module):
    """See :func:`ferbench_builtin.losses.logit_adjusted.logit_adjusted`."""

    shift: Tensor

    def __init__(self, task: Task, *, tau: float) -> None:
        super().__init__()
        counts = torch.tensor(task.train_counts, dtype=torch.float64).clamp_min(1)
        self.register_buffer("shift", as_buffer(tau * (counts / counts.sum()).log()))

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        log_p = F.log_softmax(outputs.logits.float() + self.shift, dim=1)
        return over_samples(-(targets.distributions(log_p.shape[1]) * log_p).sum(dim=1), targets.weight)


class ClassBalancedFocal(nn.Module):
    """See :func:`ferbench_builtin.losses.class_balanced_focal.class_balanced_focal`."""

    class_weights: Tensor

    def __init__(self, task: Task, *, beta: float, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        weights = by_frequency(task, "effective-number", beta)
        self.register_buffer("class_weights", as_buffer(weights * len(weights) / weights.sum()))

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        log_yes, log_no = F.logsigmoid(outputs.logits.float()), F.logsigmoid(-outputs.logits.float())
        # What a class costs where it is the true one, and where it is not.
        true, false = -(self.gamma * log_no).exp() * log_yes, -(self.gamma * log_yes).exp() * log_no
        by_label = true + false.sum(dim=1, keepdim=True) - false
        truth = targets.distributions(by_label.shape[1])
        return over_samples((self.class_weights * truth * by_label).sum(dim=1), targets.weight)


class LDAM(nn.Module):
    """See :func:`ferbench_builtin.losses.ldam.ldam`."""

    margins: Tensor
    class_weights: Tensor

    def __init__(self, task: Task, *, margin: float, scale: float, defer: float, beta: float) -> None:
        super().__init__()
        self.scale = scale
        self.defer = defer
        self.late = False
        counts = torch.tensor(task.train_counts, dtype=torch.float64)
        rarest = float(min((n for n in task.train_counts if n), default=1))
        self.register_buffer("margins", as_buffer(margin * (rarest / counts.clamp_min(rarest)) ** 0.25))
        weights = loss_weights(task, "effective-number", beta, {}, "loss.weights")
        self.register_buffer("class_weights", as_buffer(weights))

    def epoch_started(self, epoch: int, epochs: int) -> None:
        self.late = epoch > self.defer * epochs

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        cosine = outputs.extra["cosine"].float()
        truth = targets.distributions(cosine.shape[1])
        log_p = F.log_softmax(self.scale * (cosine - truth * self.margins), dim=1)
        weighed = truth * self.class_weights if self.late else truth
        return over_samples(-(weighed * log_p).sum(dim=1), targets.weight)


class ELR(nn.Module):
    """See :func:`ferbench_builtin.losses.elr.elr`."""

    memory: Tensor

    def __init__(self, task: Task, *, strength: float, beta: float) -> None:
        super().__init__()
        self.strength = strength
        self.beta = beta
        self.register_buffer("memory", torch.zeros(sum(task.train_counts), task.num_classes))

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        log_p = F.log_softmax(outputs.logits.float(), dim=1)
        each = -(targets.distributions(log_p.shape[1]) * log_p).sum(dim=1)
        if targets.positions is None:
            return over_samples(each, targets.weight)
        p = log_p.exp().clamp(1e-4, 1 - 1e-4)
        said = p.detach() / p.detach().sum(dim=1, keepdim=True)
        remembered = self.beta * self.memory[targets.positions] + (1 - self.beta) * said
        self.memory[targets.positions] = remembered
        drawn = self.strength * (1 - (remembered * p).sum(dim=1)).log()
        parts = {"expression": each, "early_learning": drawn}
        means = {name: mean_over_samples(part, targets.weight) for name, part in parts.items()}
        return LossValue(
            means["expression"] + means["early_learning"],
            {name: mean.detach() for name, mean in means.items()},
            per_sample=(each + drawn).detach(),
        )
