"""Softmax regression, the floor that a network has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferbench import Task
from ferbench_builtin.models.options import Affect

if TYPE_CHECKING:
    from torch import nn


def linear(task: Task, *, affect: Affect = False) -> nn.Module:
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
    from ferbench_builtin.models.networks import Linear

    return Linear(task, affect)
