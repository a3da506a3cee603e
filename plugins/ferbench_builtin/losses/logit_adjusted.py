"""Cross-entropy of logits that are shifted by how frequent classes are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import nn


def logit_adjusted(
    task: Task,
    *,
    tau: Annotated[float, Interval(ge=0, le=10), Tunable(0.5, 2.0)] = 1.0,
) -> nn.Module:
    """Logit-adjusted cross-entropy of Menon et al. 2021 (https://arxiv.org/abs/2007.07314), in nats: the mean over the
    N samples of −Σ_k y_k ln softmax(z + τ ln π)_k, where π_k is the share of class k among the training samples.

    Rare classes then have to win by more, and the logits z alone, by which is predicted, are those for classes that
    are equally frequent. A class without training samples counts as if it had one.

    Args:
        task: training counts.
        tau: τ; 1 aims at the mean of the classes' recalls, 0 is cross-entropy.
    """
    from ferbench_builtin.losses.modules import PriorShifted

    return PriorShifted(task, tau=tau)


def balanced_softmax(task: Task) -> nn.Module:
    """Balanced softmax of Ren et al. 2020 (https://arxiv.org/abs/2007.10740), in nats: the mean over the N samples of
    −Σ_k y_k ln(n_k e^{z_k} / Σ_j n_j e^{z_j}), where class k has n_k training samples.

    It is ``logit-adjusted`` at τ = 1. The counts are those of the training split, whatever a sampler makes of them:
    together with a balanced one, rare classes are counted twice. The meta sampler of the paper is not a part of it.

    Args:
        task: training counts.
    """
    return logit_adjusted(task)
