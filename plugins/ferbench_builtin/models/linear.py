"""Softmax regression, the floor that a network has to beat."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from ferbench import Inert, Outputs, Task
from ferbench_builtin.models.heads import affect_head


def linear(task: Task, *, affect: Annotated[bool, Inert()] = False) -> nn.Module:
    """Softmax regression (multinomial logistic regression) on the pixels.

    The weights start at zero: the problem is convex, so the start decides nothing but the first steps, and
    every class begins at probability 1/K.

    Args:
        task: the learning problem; images of any size and channel count.
        affect: also predict valence and arousal, linearly but for the tanh that keeps them in range.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K].

    Raises:
        UserError: affect without such labels.
    """
    return Linear(task, affect)


class Linear(nn.Module):
    """See :func:`linear`."""

    def __init__(self, task: Task, affect: bool) -> None:
        super().__init__()
        pixels = task.channels * task.height * task.width
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(pixels, task.num_classes)
        nn.init.zeros_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)
        self.affect = affect_head(task, pixels, wanted=affect)

    def forward(self, images: Tensor) -> Outputs:
        pixels = self.flatten(images)
        return Outputs(self.dense(pixels), None if self.affect is None else self.affect(pixels))
