"""The loss of DAN as a module: see :func:`ferbench_builtin.losses.dan.dan`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ferbench import LossValue, Outputs, Targets, Task
from ferbench_builtin.losses.expression import mean_over_samples, smoothed

_SMALLEST = 1e-12  # variance that is told from none


class DANLoss(nn.Module):
    """Cross-entropy, the distance from class centres, and how alike the heads of attention are."""

    def __init__(self, task: Task, *, affinity: float, partition: float, label_smoothing: float) -> None:
        super().__init__()
        assert task.features is not None
        self.affinity, self.partition, self.label_smoothing = affinity, partition, label_smoothing
        self.centers = nn.Parameter(torch.randn(task.num_classes, task.features))

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        log_p = F.log_softmax(outputs.logits.float(), dim=1)
        truth = targets.distributions(log_p.shape[1])
        expression = -(smoothed(truth, self.label_smoothing) * log_p).sum(dim=1)
        apart = (truth * distances(outputs.extra["pooled"].float(), self.centers)).sum(dim=1)
        apart = apart / self.centers.var(dim=0).sum().clamp_min(_SMALLEST)
        parts = {
            "expression": mean_over_samples(expression, targets.weight),
            "affinity": mean_over_samples(apart, targets.weight),
            "partition": likeness(outputs.extra["heads"].float()),
        }
        total = parts["expression"] + self.affinity * parts["affinity"] + self.partition * parts["partition"]
        return LossValue(
            total,
            {name: part.detach() for name, part in parts.items()},
            per_sample=(expression + self.affinity * apart).detach(),
        )


def distances(points: Tensor, centers: Tensor) -> Tensor:
    """Squared distances of float[N, D] from float[K, D]: float[N, K], at least 0."""
    squares = points.square().sum(dim=1, keepdim=True) + centers.square().sum(dim=1)
    return (squares - 2 * points @ centers.T).clamp_min(0)


def likeness(heads: Tensor) -> Tensor:
    """Partition loss of float[N, M, C], the higher the more alike the M are; 0 for one."""
    count = heads.shape[1]
    return torch.log1p(count / heads.var(dim=1).mean().clamp_min(_SMALLEST)) if count > 1 else heads.sum() * 0
