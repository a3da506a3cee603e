"""The networks and layers of models that are no stack of torch's own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ferbench import Outputs, Task
from ferbench_builtin.models.backbone import Freezable
from ferbench_builtin.models.heads import affect_head, classified, classifier


class Linear(nn.Module):
    """See :func:`ferbench_builtin.models.linear.linear`."""

    def __init__(self, task: Task, affect: bool) -> None:
        super().__init__()
        pixels = task.channels * task.height * task.width
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(pixels, task.num_classes)
        nn.init.zeros_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)
        self.affect = affect_head(task, pixels, wanted=affect)

    def forward(self, images: Tensor) -> Outputs:
        return classified(self.dense, self.flatten(images), self.affect)


class BasicCNN(Freezable):
    """See :func:`ferbench_builtin.models.basic_cnn.basic_cnn`."""

    head_children = ("dense1", "relu4", "dropout1", "dense2", "relu5", "dropout2", "dense3", "affect")
    classifier = "dense3"
    affect_layer = "affect"

    def __init__(
        self, task: Task, width: int, dropout: float, norm_momentum: float, affect: bool, head: str, scale: float
    ) -> None:
        super().__init__()
        momentum = 1 - norm_momentum  # Keras names the share that is kept, PyTorch the share that is replaced
        self.conv1 = nn.Conv2d(task.channels, width, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(width, eps=1e-3, momentum=momentum)
        self.relu1 = nn.ReLU(inplace=True)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(2 * width, eps=1e-3, momentum=momentum)
        self.relu2 = nn.ReLU(inplace=True)
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.norm3 = nn.BatchNorm2d(4 * width, eps=1e-3, momentum=momentum)
        self.relu3 = nn.ReLU(inplace=True)
        self.pool3 = nn.MaxPool2d(2)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dense1 = nn.Linear(4 * width, 4 * width)
        self.relu4 = nn.ReLU(inplace=True)
        self.dropout1 = nn.Dropout(dropout)
        self.dense2 = nn.Linear(4 * width, 2 * width)
        self.relu5 = nn.ReLU(inplace=True)
        self.dropout2 = nn.Dropout(dropout)
        self.dense3 = classifier(2 * width, task.num_classes, head, scale)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.affect = affect_head(task, 2 * width, wanted=affect)

    def forward(self, images: Tensor) -> Outputs:
        x = self.pool1(self.relu1(self.norm1(self.conv1(images))))
        x = self.pool2(self.relu2(self.norm2(self.conv2(x))))
        x = self.pool3(self.relu3(self.norm3(self.conv3(x))))
        x = self.global_pool(x).flatten(1)
        x = self.dropout1(self.relu4(self.dense1(x)))
        x = self.dropout2(self.relu5(self.dense2(x)))
        return classified(self.dense3, x, self.affect)


def convolution(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, batch norm and ReLU."""
    layer = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class Stages(nn.Sequential):
    """Layers from images to maps, and two more that make features of these."""

    def forward_features(self, images: Tensor) -> Tensor:
        """float[N, C, H, W] → float[N, F, h, w]."""
        for layer in list(self)[:-2]:
            images = layer(images)
        return images

    def forward_head(self, maps: Tensor) -> Tensor:
        """float[N, F, h, w] → features."""
        for layer in list(self)[-2:]:
            maps = layer(maps)
        return maps


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


class Residual(nn.Module):
    """Two convolutions beside the identity: float[N, C, H, W] → the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(convolution(channels, channels), convolution(channels, channels))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.branch(images)
