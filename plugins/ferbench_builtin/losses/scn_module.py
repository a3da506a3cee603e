"""The loss of the self-cure network as a module."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from ferbench import LossValue, Outputs, Targets, Task
from ferbench_builtin.losses.parts import cross_entropies, summed


class SelfCure(nn.Module):
    """See :func:`ferbench_builtin.losses.scn.scn`."""

    def __init__(
        self,
        task: Task,
        *,
        high: float,
        rank_weight: float,
        rank_margin: float,
        relabel: str,
        relabel_margin: float,
        relabel_from: int,
    ) -> None:
        super().__init__()
        assert task.features is not None
        self.importance = nn.Linear(task.features, 1)
        self.high, self.rank_weight, self.rank_margin = high, rank_weight, rank_margin
        self.relabel, self.relabel_margin, self.relabel_from = relabel, relabel_margin, relabel_from

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        assert outputs.features is not None
        importance = torch.sigmoid(self.importance(outputs.features.float()))[:, 0]
        weighted = importance[:, None] * outputs.logits.float()
        parts = {"expression": (1.0, cross_entropies(weighted, targets))}
        if targets.positions is None:
            return summed(parts, targets.weight)
        order = importance.detach().argsort(descending=True, stable=True)
        count = int(self.high * len(order))
        parts["ranks"] = (self.rank_weight, self._ranks(importance[order], count))
        value = summed(parts, targets.weight)
        if self.relabel == "none" or targets.epoch < self.relabel_from:
            return value
        changed = self._doubtful(weighted.detach(), targets.labels)
        if self.relabel == "lowest":
            changed[order[:count]] = False
        return dataclasses.replace(
            value, corrected=torch.where(changed, weighted.detach().argmax(dim=1), targets.labels)
        )

    def _ranks(self, importance: Tensor, count: int) -> Tensor:
        """The rank regularisation of importances in falling order; 0 where one of the groups is empty."""
        if not 0 < count < len(importance):
            return importance.sum() * 0
        return (self.rank_margin - importance[:count].mean() + importance[count:].mean()).clamp_min(0)

    def _doubtful(self, logits: Tensor, labels: Tensor) -> Tensor:
        """bool[N]: whether another class is likelier than the label by more than the margin."""
        p = logits.softmax(dim=1)
        return p.amax(dim=1) - p.gather(1, labels[:, None])[:, 0] > self.relabel_margin
