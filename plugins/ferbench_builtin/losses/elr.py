"""Early-learning regularisation, which remembers what was predicted of each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import nn


def elr(
    task: Task,
    *,
    strength: Annotated[float, Interval(ge=0, le=100), Tunable(1.0, 10.0)] = 3.0,
    beta: Annotated[float, Interval(ge=0, lt=1), Tunable(0.5, 0.99)] = 0.7,
) -> nn.Module:
    """Early-learning regularisation of Liu et al. 2020 (https://arxiv.org/abs/2007.00151), in nats: the mean over the N
    samples of cross-entropy + λ ln(1 − ⟨p, t⟩).

    t is what was predicted of the sample before: t ← β t + (1 − β) p at each time that it is seen, from 0 on. What the
    network said before it began to learn wrong labels by heart goes on to count. p is kept within 0.0001 and 0.9999
    there, and scaled to sum 1 for t. Validation and test have no positions: there it is cross-entropy.

    The memory, float32[n, K] of the n training samples, is saved with checkpoints. With Mixup or CutMix it has what was
    predicted of the pictures of which a sample is the larger share: the method is not made for that. Of the paper's
    ELR+, which mixes memories too, the second network and the weight averages are left out.

    Args:
        task: training counts.
        strength: λ; the paper has 3 for CIFAR-10 and 7 for CIFAR-100.
        beta: β; the paper has 0.7 for CIFAR-10 and 0.9 for CIFAR-100.
    """
    from ferbench_builtin.losses.modules import ELR

    return ELR(task, strength=strength, beta=beta)
