"""The loss that FER+'s authors train with where a picture may show several expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import annotated_types as at

from ferbench import Task

if TYPE_CHECKING:
    from ferbench import LossValue, Outputs, Targets


def multi_target(
    task: Task, *, epsilon: Annotated[float, at.Interval(gt=0, lt=1)] = 0.001
) -> Callable[[Outputs, Targets], LossValue]:
    """The mean over the N samples of −ln max_k t_k p_k, in nats; t_k is 1 for each class that a sample may have, and
    ``epsilon`` for the others.

    Barsoum et al. 2016 (https://arxiv.org/abs/1608.01041), with the ε of their code. A sample may have each class that
    has a share of its label distribution, as ``dataset.labels=multi_target`` of ``fer-plus`` gives them; samples
    without a distribution have their label alone. Predicting any one of the classes well is enough.

    Args:
        task: the learning problem (unused: the loss is the same for all).
        epsilon: what other classes count, so that they have a gradient where none of the sample's is likely.
    """
    import math

    from torch.nn.functional import log_softmax

    from ferbench import LossValue
    from ferbench_builtin.losses.expression import mean_over_samples

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        log_p = log_softmax(outputs.logits.float(), dim=1)
        allowed = targets.distributions(log_p.shape[1]) > 0
        best = (log_p + math.log(epsilon)).where(~allowed, log_p).amax(dim=1)
        total = mean_over_samples(-best, targets.weight)
        return LossValue(total, {"expression": total.detach()})

    return loss
