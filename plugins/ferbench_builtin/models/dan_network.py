"""The heads of attention of DAN: see :mod:`ferbench_builtin.models.dan`."""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ferbench import Outputs, Task
from ferbench_builtin.models.heads import CosineClassifier, affect_head, classified

_REDUCED = 16  # channels for each unit between the two layers of the channel attention


class AttentionHeads(nn.Module):
    """M heads of attention, what fuses them, and linear layers for classes, valence and arousal.

    Args:
        features: C, channels of the maps.
        task: the learning problem.
        dropout: fraction of the fused features dropped, while training.
        affect: whether there is a head for valence and arousal.
        head: "linear", with batch norm on the logits, or "cosine" for a `CosineClassifier`.
        scale: of its logits.
        attentions: M.
    """

    def __init__(
        self, features: int, task: Task, *, dropout: float, affect: bool, head: str, scale: float, attentions: int
    ) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(CrossAttention(features) for _ in range(attentions))
        self.dropout = nn.Dropout(dropout)
        self.expression = (
            CosineClassifier(features, task.num_classes, scale)
            if head == "cosine"
            else NormalizedClassifier(features, task.num_classes)
        )
        self.affect = affect_head(task, features, wanted=affect)

    def forward(self, pooled: Tensor, maps: Tensor) -> Outputs:
        """float[N, C], the means of the maps float[N, C, h, w] → ``Outputs``."""
        heads = torch.stack([attention(maps) for attention in self.attentions], dim=1)
        if len(self.attentions) > 1:
            heads = F.log_softmax(heads, dim=1)
        outputs = classified(self.expression, self.dropout(heads.sum(dim=1)), self.affect)
        return dataclasses.replace(outputs, extra={**outputs.extra, "pooled": pooled, "heads": heads})


class CrossAttention(nn.Module):
    """Maps weighed by place, their means weighed by channel: float[N, C, h, w] → float[N, C]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.squeeze = _normalized(channels, half, (1, 1))
        self.shapes = nn.ModuleList(_normalized(half, channels, kernel) for kernel in ((3, 3), (1, 3), (3, 1)))
        narrow = channels // _REDUCED
        self.channels = nn.Sequential(
            nn.Linear(channels, narrow, bias=False),
            nn.BatchNorm1d(narrow),
            nn.ReLU(inplace=True),
            nn.Linear(narrow, channels),
            nn.Sigmoid(),
        )
        for layer in self.channels:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.001)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, maps: Tensor) -> Tensor:
        squeezed = self.squeeze(maps)
        square, across, down = (shape(squeezed) for shape in self.shapes)
        places = (square + across + down).relu().sum(dim=1, keepdim=True)
        means = (maps * places).mean((2, 3))
        return means * self.channels(means)


class NormalizedClassifier(nn.Linear):
    """A linear layer with batch norm on its logits: float[N, D] → float[N, K]."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__(features, classes)
        self.norm = nn.BatchNorm1d(classes)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(super().forward(features))


def _normalized(before: int, after: int, kernel: tuple[int, int]) -> nn.Sequential:
    """A convolution that keeps the size, and batch norm."""
    layer = nn.Conv2d(before, after, kernel, padding=(kernel[0] // 2, kernel[1] // 2), bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return nn.Sequential(layer, nn.BatchNorm2d(after))
