"""Softmax regression, the floor that a network has to beat."""

from __future__ import annotations

from torch import Tensor, nn

from ferbench import Task
from ferbench.data.targets import Outputs


def linear(task: Task) -> nn.Module:
    """Softmax regression (multinomial logistic regression) on the pixels.

    The weights start at zero: the problem is convex, so the start decides nothing but the first steps, and
    every class begins at probability 1/K.

    Args:
        task: the learning problem; images of any size and channel count.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K].
    """
    return Linear(task.channels * task.height * task.width, task.num_classes)


class Linear(nn.Module):
    """See :func:`linear`."""

    def __init__(self, pixels: int, num_classes: int) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(pixels, num_classes)
        nn.init.zeros_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, images: Tensor) -> Outputs:
        return Outputs(self.dense(self.flatten(images)))
