"""ResNet-9, a residual network for training in minutes."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Interval
from torch import Tensor, nn

from ferbench import Inert, Permission, Task, Tunable, UserError
from ferbench_builtin.models.backbone import BackboneAndHeads, Freeze
from ferbench_builtin.models.heads import Heads
from ferbench_builtin.models.weights import FileWeights, started

_SMALLEST_INPUT = 8  # poolings leave one pixel, or two where the stem keeps the size


def resnet9(
    task: Task,
    *,
    width: Annotated[int, Ge(4), Tunable(16, 64, log=True)] = 32,
    stem_stride: Annotated[int, Interval(ge=1, le=2)] = 2,
    grid: Annotated[int, Interval(ge=1, le=8)] = 3,
    units: Annotated[int, Ge(0)] = 256,
    dropout: Annotated[float, Interval(ge=0, lt=1), Tunable(0.0, 0.5)] = 0.2,
    affect: Annotated[bool, Inert()] = False,
    weights: FileWeights = "none",
    allow_pickled_weights: Annotated[bool, Permission()] = False,
    freeze: Freeze = "none",
) -> nn.Module:
    """A stem and three stages of convolution, max-pooling and a residual pair: the ResNet-9 of Page
    (https://github.com/davidcpage/cifar10-fast) with a pair in every stage, a 5×5 stem that may halve the image, and a
    dense layer with batch norm over a grid of means in place of one maximum: where an eye or a mouth is says much, and
    faces are aligned.

    Every stage costs the same, about 11 million multiplications at width 32 and 48×48 pixels, and the whole network 64
    million. Images may have another size than the task's.

    Args:
        task: the learning problem; images of any channel count and at least 8×8 pixels.
        width: channels of the stem; the stages have 2, 4 and 8 times as many.
        stem_stride: 2 halves the image in the stem; 1 keeps it, at four times the cost.
        grid: the head sees the mean of each cell of a grid×grid over the last stage; 1: of the whole of it.
        units: units of the dense layer; 0: none, the head sees the means.
        dropout: fraction of the head's inputs dropped, while training.
        affect: also predict valence and arousal.
        weights: "none", or the path of a checkpoint of this model.
        allow_pickled_weights: also read weights from pickles (.pth).
        freeze: "backbone": only the dense layer and the head learn.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K].

    Raises:
        UserError: the input is too small; the weights cannot be read or do not fit; affect without such labels.
    """
    smallest = _SMALLEST_INPUT * stem_stride
    if min(task.height, task.width) < smallest:
        raise UserError(
            f"resnet9: an input of {task.height}×{task.width} pixels is too small for its poolings",
            f"set data.image_size to {smallest} or more",
        )
    layers: list[nn.Module] = [_convolution(task.channels, width, kernel=5, stride=stem_stride)]
    for channels in (2 * width, 4 * width, 8 * width):
        layers += [_convolution(channels // 2, channels), nn.MaxPool2d(2), _Residual(channels)]
    backbone = nn.Sequential(*layers, GridMeans(grid), nn.Flatten())
    hidden = (units,) if units else ()
    heads = Heads(8 * width * grid**2, task, dropout=dropout, affect=affect, hidden=hidden, normalized=True)
    model = BackboneAndHeads(backbone, heads)
    return started(model, weights, allow_pickled=allow_pickled_weights, freeze=freeze)


def _convolution(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class GridMeans(nn.Module):
    """Means over the cells of a grid, float[N, C, H, W] → float[N, C, grid, grid], as of ``nn.AdaptiveAvgPool2d``.

    That has no deterministic gradient on CUDA, and is missing on Apple GPUs where cells overlap; there two products
    with constant matrices take its place.
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, maps: Tensor) -> Tensor:
        if maps.device.type == "cpu":
            return F.adaptive_avg_pool2d(maps, self.grid)
        down, across = (cell_means(size, self.grid, maps.device).to(maps.dtype) for size in maps.shape[-2:])
        return down @ maps @ across.T


def cell_means(size: int, grid: int, device: torch.device | None = None) -> Tensor:
    """float32[grid, size] that takes values along a line to the means of its cells, which overlap where the grid does
    not divide the line; made on ``device``, so that nothing waits for a copy."""
    places, cells = torch.arange(size, device=device), torch.arange(grid, device=device)[:, None]
    inside = (places >= cells * size // grid) & (places < -(-(cells + 1) * size // grid))
    return inside / inside.sum(dim=1, keepdim=True)


class _Residual(nn.Module):
    """Two convolutions beside the identity: float[N, C, H, W] → the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.branch(images)
