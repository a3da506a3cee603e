"""Label-distribution-aware margins with deferred re-weighting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import nn


def ldam(
    task: Task,
    *,
    margin: Annotated[float, Interval(ge=0, le=2), Tunable(0.1, 1.0)] = 0.5,
    scale: Annotated[float, Interval(gt=0, le=1e4), Tunable(8, 64, log=True)] = 30.0,
    defer: Annotated[float, Interval(ge=0, le=1), Tunable(0.5, 1.0)] = 0.8,
    beta: Annotated[float, Interval(gt=0, lt=1), Tunable(0.9, 0.9999)] = 0.9999,
) -> nn.Module:
    """LDAM-DRW of Cao et al. 2019 (https://arxiv.org/abs/1906.07413), in nats: the mean over the N samples of
    −Σ_k w_k y_k ln softmax(s (c − y m))_k, where c are the cosines between features and classes.

    The margin m_k is C / n_k^(1/4) for a class of n_k training samples. The weights w are 1 at first, and from a share
    of the epochs on the effective numbers (1 − β) / (1 − β^{n_k}), with the mean 1 over the training samples. Of a
    distribution, each class has its share of its margin. The paper lowers the learning rate where the weights begin.

    It needs ``model.head=cosine``. Probabilities are those of the model, whose ``head_scale`` should be ``scale``.

    Args:
        task: training counts.
        margin: of the rarest class, in units of the cosine; it sets C.
        scale: s, of the cosines.
        defer: share of the epochs before classes are weighed; 1: they never are.
        beta: β of the weights.
    """
    from ferbench_builtin.losses.modules import LDAM

    return LDAM(task, margin=margin, scale=scale, defer=defer, beta=beta)
