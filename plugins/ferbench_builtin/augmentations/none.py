"""No augmentation: training sees the images as evaluation does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ferbench
from ferbench import Task

if TYPE_CHECKING:
    from torch import Tensor

    from ferbench import Draws


class Unchanged:
    """``(images: uint8[N, C, h, w], size, draws) -> float32[N, C, H, W]`` in [0, 1], resized and nothing
    else."""

    def __call__(self, images: Tensor, size: tuple[int, int], draws: Draws) -> Tensor:
        return ferbench.augment.resample(images, size)


def none(task: Task) -> Unchanged:
    """Resize to the model's input, nothing else."""
    return Unchanged()
