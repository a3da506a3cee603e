"""Losses with a centre for each class in the space of the features, as modules."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ferbench import LossValue, Outputs, Targets, Task
from ferbench_builtin.losses.dan_module import distances
from ferbench_builtin.losses.parts import cross_entropies, summed


class Centres(nn.Module):
    """See :func:`ferbench_builtin.losses.centre.centre`; with ``apart`` :func:`ferbench_builtin.losses.island.island`.

    Attributes:
        centres: float32[K, D], at first uniform with lengths of about 1.
    """

    centres: Tensor

    def __init__(self, task: Task, *, weight: float, rate: float, apart: float | None = None) -> None:
        super().__init__()
        assert task.features is not None
        self.weight, self.rate, self.apart = weight, rate, apart
        width = (3 / task.features) ** 0.5
        self.register_buffer("centres", torch.empty(task.num_classes, task.features).uniform_(-width, width))

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        assert outputs.features is not None
        features = outputs.features.float()
        centres = self.centres.clone()  # the update must not reach what the gradient is computed from
        truth = targets.distributions(len(centres))
        away = (truth * distances(features, centres)).sum(dim=1) / 2
        parts = {"expression": (1.0, cross_entropies(outputs.logits, targets)), "centre": (self.weight, away)}
        if self.apart is not None:
            parts["island"] = (self.weight * self.apart, likeness(centres))
        if targets.positions is not None:
            self._move(features.detach(), truth if targets.weight is None else truth * targets.weight.float()[:, None])
        return summed(parts, targets.weight)

    @torch.no_grad()
    def _move(self, features: Tensor, shares: Tensor) -> None:
        """One step of the centres, by the features float[N, D] and each class's shares float[N, K] of them."""
        counts = shares.sum(dim=0)[:, None]
        step = (counts * self.centres - shares.T @ features) / (1 + counts)
        if self.apart is not None and len(self.centres) > 1:
            step = step + self.apart / (len(self.centres) - 1) * slopes(self.centres)
        self.centres -= self.rate * step


def likeness(centres: Tensor) -> Tensor:
    """The sum of cosine + 1 over the ordered pairs of different centres."""
    directions = F.normalize(centres)
    cosines = directions @ directions.T
    return (cosines + 1).sum() - (cosines.diagonal() + 1).sum()


def slopes(centres: Tensor) -> Tensor:
    """float[K, D]: how the cosines of each centre with the others change as it moves, summed over the others."""
    lengths = centres.norm(dim=1, keepdim=True).clamp_min(1e-12)
    directions = centres / lengths
    others = directions.sum(dim=0) - directions
    along = (others * directions).sum(dim=1, keepdim=True)
    return (others - along * directions) / lengths
