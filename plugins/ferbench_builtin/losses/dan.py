"""The loss of DAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable
from ferbench_builtin.losses.options import Smoothing

if TYPE_CHECKING:
    from torch import nn

_Share = Annotated[float, Interval(ge=0, le=1e6)]


def dan(
    task: Task,
    *,
    affinity: Annotated[_Share, Tunable(0.01, 10.0, log=True)] = 1.0,
    partition: Annotated[_Share, Tunable(0.01, 10.0, log=True)] = 1.0,
    label_smoothing: Annotated[Smoothing, Tunable(0.0, 0.3)] = 0.0,
) -> nn.Module:
    """Cross-entropy, affinity loss and partition loss of Wen et al. 2023 (https://arxiv.org/abs/2109.07270), for the
    model ``dan``.

    Affinity: the mean over the N samples of ‖x − c‖² / σ², where x float[D] are the means of the backbone's last maps,
    c the centre of the sample's class, and σ² the variance of the K centres, summed over the D numbers. The centres are
    learnt with the model; ``training.loss_decay=false`` spares them the weight decay.

    Partition: ln(1 + M / v), where v is the variance over the M heads of attention, on average over samples and
    channels. Heads that see the same cost much. It is a statistic of a batch; one head alone has none.

    Both are those of the authors' code (https://github.com/yaoing/DAN), with its weights.

    Args:
        task: the learning problem.
        affinity: weight of the affinity loss.
        partition: weight of the partition loss.
        label_smoothing: of the cross-entropy, as in ``cross-entropy``.
    """
    from ferbench_builtin.losses.dan_module import DANLoss

    return DANLoss(task, affinity=affinity, partition=partition, label_smoothing=label_smoothing)
