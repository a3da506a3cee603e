"""Two streams that attend to each other: see :func:`ferbench_builtin.models.poster_like.poster_like`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.layers import DropPath
from torch import Tensor, nn

from ferbench import Task
from ferbench_builtin.models.networks import Residual, convolution

Streams = tuple[Tensor, Tensor]  # tokens of the image and of its gradients, each float[N, T, D]

_LEVELS = 3
_SMALLEST_LENGTH = 1e-12  # of a gradient, squared, below which its root is as good as 0 and without a derivative


class CrossFusion(nn.Module):
    """Images float[N, C, H, W] → features float[N, D].

    Args:
        task: the learning problem.
        width: D.
        depth: blocks of cross-fusion.
        attentions: heads of attention.
        drop_path: of the last block.
    """

    def __init__(self, task: Task, width: int, depth: int, attentions: int, drop_path: float) -> None:
        super().__init__()
        self.gradients = Gradients()
        self.streams = nn.ModuleList(stream(channels, width) for channels in (task.channels, self.gradients.channels))
        # A stem that halves, rounding up, and two poolings.
        places = [(side + 1) // 2 // 2 // 2 for side in (task.height, task.width)]
        self.positions = nn.Parameter(torch.zeros(1, 1 + places[0] * places[1], width))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.narrow = nn.ModuleList(nn.Linear(width, width >> level) for level in range(1, _LEVELS))
        dropped = torch.linspace(0, drop_path, depth).tolist() if depth > 1 else [drop_path]
        self.blocks = nn.ModuleList(Pyramid(width, attentions, share) for share in dropped)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in self.streams)
        self.gate = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, width), nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        image, gradients = (
            tokens(stream(seen)) for stream, seen in zip(self.streams, (images, self.gradients(images)), strict=True)
        )
        wide = (image + self.positions, gradients)
        levels = [wide, *((narrow(wide[0]), narrow(wide[1])) for narrow in self.narrow)]
        for block in self.blocks:
            levels = block(levels)
        first, second = (norm(stream[:, 0]) for norm, stream in zip(self.norms, levels[0], strict=True))
        features = first + second
        return features * self.gate(features)


class Gradients(nn.Module):
    """Sobel's gradients of the mean over the channels, across and down, and their length: float[N, C, H, W] →
    float[N, 3, H, W]. Beyond its border an image goes on as it is there."""

    channels = 3
    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
        self.register_buffer("kernels", torch.stack([across, across.T])[:, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        gray = F.pad(images.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
        slopes = F.conv2d(gray, self.kernels.to(gray.dtype))
        length = slopes.square().sum(dim=1, keepdim=True).clamp_min(_SMALLEST_LENGTH).sqrt()
        return torch.cat([slopes, length], dim=1)


def stream(channels: int, width: int) -> nn.Sequential:
    """A residual network, float[N, channels, H, W] → float[N, width, H / 8, W / 8]."""
    quarter, half = width // 4, width // 2
    return nn.Sequential(
        convolution(channels, quarter, kernel=5, stride=2),
        convolution(quarter, half),
        nn.MaxPool2d(2),
        Residual(half),
        convolution(half, width),
        nn.MaxPool2d(2),
        Residual(width),
    )


def tokens(maps: Tensor) -> Tensor:
    """float[N, D, h, w] → float[N, 1 + hw, D], their mean as a class token before the places."""
    places = maps.flatten(2).transpose(1, 2)
    return torch.cat([places.mean(dim=1, keepdim=True), places], dim=1)


class Pyramid(nn.Module):
    """Cross-fusion of both streams at each width, each of which is then added to the next wider one."""

    def __init__(self, width: int, attentions: int, drop_path: float) -> None:
        super().__init__()
        self.fusions = nn.ModuleList(Fusion(width >> level, attentions, drop_path) for level in range(_LEVELS))
        self.widen = nn.ModuleList(nn.Linear(width >> level, width >> level - 1) for level in range(1, _LEVELS))

    def forward(self, levels: list[Streams]) -> list[Streams]:
        """Streams of widths D, D / 2 and D / 4 → the same."""
        levels = [fusion(streams) for fusion, streams in zip(self.fusions, levels, strict=True)]
        for level in range(_LEVELS - 1, 0, -1):
            widen = self.widen[level - 1]
            (first, second), (narrow_first, narrow_second) = levels[level - 1], levels[level]
            levels[level - 1] = (first + widen(narrow_first), second + widen(narrow_second))
        return levels


class Fusion(nn.Module):
    """Each stream gathers from its own tokens what the other's ask for, and a perceptron follows."""

    def __init__(self, width: int, attentions: int, drop_path: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attend = nn.ModuleList(CrossAttention(width, attentions) for _ in range(2))
        self.perceptrons = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(2)
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, streams: Streams) -> Streams:
        first, second = (norm(stream) for norm, stream in zip(self.norms, streams, strict=True))
        asked = (self.attend[0](second, first), self.attend[1](first, second))
        fused = [stream + self.drop_path(gathered) for stream, gathered in zip(streams, asked, strict=True)]
        own, other = (
            stream + self.drop_path(perceptron(stream))
            for perceptron, stream in zip(self.perceptrons, fused, strict=True)
        )
        return own, other


class CrossAttention(nn.Module):
    """Attention of several heads, with queries from one sequence, keys and values from another: float[N, T, D] and
    float[N, S, D] → float[N, T, D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.project = nn.Linear(width, width)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        query, key, value = (
            each.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for each in (self.query(asking), *self.key_value(asked).chunk(2, dim=2))
        )
        return self.project(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))
