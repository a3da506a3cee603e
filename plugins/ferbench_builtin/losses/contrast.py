"""The supervised contrastive loss as a module."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ferbench import LossValue, Outputs, Targets, Task
from ferbench_builtin.losses.parts import cross_entropies, summed


class Contrast(nn.Module):
    """See :func:`ferbench_builtin.losses.supervised_contrastive.supervised_contrastive`."""

    def __init__(self, task: Task, *, weight: float, temperature: float, projection: int) -> None:
        super().__init__()
        assert task.features is not None
        self.weight, self.temperature = weight, temperature
        width = task.features
        layers = (nn.Linear(width, width), nn.ReLU(), nn.Linear(width, projection)) if projection else ()
        self.projection = nn.Sequential(*layers)

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        views = (outputs, *outputs.others)
        expression = torch.stack([cross_entropies(view.logits, targets) for view in views]).mean(dim=0)
        parts = {"expression": (1.0, expression)}
        if outputs.others:
            truth = targets.distributions(outputs.logits.shape[1])
            points = F.normalize(self.projection(torch.cat([_features(view) for view in views])))
            each = contrasts(points, truth, self.temperature)
            parts["contrastive"] = (self.weight, each.view(len(views), -1).mean(dim=0))
        return summed(parts, targets.weight)


def _features(view: Outputs) -> Tensor:
    assert view.features is not None
    return view.features.float()


def contrasts(points: Tensor, truth: Tensor, temperature: float) -> Tensor:
    """L_out of each of V views of N samples, float[V·N], those of the first view first.

    Args:
        points: float[V·N, P] of length 1.
        truth: float[N, K], distributions of the samples.
        temperature: what their products are divided by.
    """
    n = len(truth)
    alike = (truth @ truth.T).fill_diagonal_(1).tile(len(points) // n, len(points) // n)
    alike.fill_diagonal_(0)
    near = points @ points.T / temperature
    itself = torch.eye(len(points), dtype=torch.bool, device=points.device)
    apart = near.masked_fill(itself, -math.inf).logsumexp(dim=1)
    return apart - (alike * near).sum(dim=1) / alike.sum(dim=1)
