"""Island loss: centre loss that also turns the centres of different classes away from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import nn


def island(
    task: Task,
    *,
    weight: Annotated[float, Interval(ge=0, le=1e6), Tunable(1e-4, 0.1, log=True)] = 0.01,
    apart: Annotated[float, Interval(ge=0, le=1e6), Tunable(0.1, 100.0, log=True)] = 10.0,
    rate: Annotated[float, Interval(ge=0, le=1), Tunable(0.1, 1.0)] = 0.5,
) -> nn.Module:
    """Island loss of Cai et al. 2018 (https://arxiv.org/abs/1710.03144), in nats: the mean over the N samples of
    cross-entropy + λ (½ Σ_k y_k ‖x − c_k‖² + λ1 Σ_j Σ_{k≠j} (cos(c_j, c_k) + 1)).

    The centres c are those of ``centre``. Their step has, beside centre loss's, λ1 / (K − 1) times the gradient of the
    cosines with the other K − 1 centres, for classes that a batch lacks too. To the network the last sum is a number,
    which reaches it by where the centres go.

    Args:
        task: classes, and D of the model's features.
        weight: λ, the paper's.
        apart: λ1, the paper's.
        rate: α, of the centres; the paper's.
    """
    from ferbench_builtin.losses.class_centres import Centres

    return Centres(task, weight=weight, rate=rate, apart=apart)
