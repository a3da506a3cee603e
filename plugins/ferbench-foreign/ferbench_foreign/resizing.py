"""Resizing as other frameworks do it."""

from __future__ import annotations

import torch
from torch import Tensor


def resize_as_tensorflow(images: Tensor, side: int) -> Tensor:
    """Bilinear, as TensorFlow.js's ``resizeBilinear`` by default: pixel i of n is read at i · size / n, with neither
    centres of pixels nor corners aligned, and nothing is averaged where images shrink.

    Args:
        images: float[N, C, H, W].
        side: of the square result in pixels.

    Returns:
        float[N, C, side, side]; the images themselves where they have that size.
    """
    height, width = images.shape[-2:]
    if (height, width) == (side, side):
        return images
    down, across = (_weights(size, side, images) for size in (height, width))
    return down @ images @ across.T


def _weights(size: int, side: int, like: Tensor) -> Tensor:
    """float[side, size]: how much of each pixel of a line is in each of the new ones."""
    places = torch.arange(side, dtype=torch.float64) * (size / side)
    low = places.floor().long()
    share = (places - low).to(like.dtype)
    weights = torch.zeros(side, size, dtype=like.dtype)
    lines = torch.arange(side)
    weights[lines, low] += 1 - share
    weights[lines, (low + 1).clamp(max=size - 1)] += share
    return weights.to(like.device)


def resize_as_opencv(images: Tensor, side: int) -> Tensor:
    """Bilinear, as OpenCV's ``resize`` does it to bytes: centres of pixels are aligned, nothing is averaged where
    images shrink, and all is whole numbers, with weights of 11 bits.

    Args:
        images: float[N, C, H, W] in [0, 1].
        side: of the square result in pixels.

    Returns:
        float[N, C, side, side] in [0, 1]; the images themselves where they have that size.
    """
    height, width = images.shape[-2:]
    if (height, width) == (side, side):
        return images
    pixels = (images * 255).round().int()
    left, right, first, second = _neighbours(width, side, images.device)
    lines = (pixels[..., left] * first + pixels[..., right] * second) >> 4
    above, below, first, second = _neighbours(height, side, images.device)
    upper = lines[..., above, :] * first[:, None] >> 16
    lower = lines[..., below, :] * second[:, None] >> 16
    return ((upper + lower + 2) >> 2).to(images.dtype) / 255


def _neighbours(size: int, side: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each of ``side`` new pixels of a line its two old ones, and their weights of 2,048."""
    places = ((torch.arange(side, dtype=torch.float64) + 0.5) * (size / side) - 0.5).clamp(0, size - 1)
    low = places.floor()
    second = ((places - low) * 2048).round().int()
    start = low.long()
    found = (start, (start + 1).clamp(max=size - 1), 2048 - second, second)
    return found[0].to(device), found[1].to(device), found[2].to(device), found[3].to(device)
