"""Cross-entropy with another first coefficient of its series."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable
from ferbench_builtin.losses.options import Smoothing

if TYPE_CHECKING:
    from ferbench import LossValue, Outputs, Targets


def poly(
    task: Task,
    *,
    epsilon: Annotated[float, Interval(ge=-1, le=100), Tunable(-1.0, 6.0)] = 2.0,
    label_smoothing: Annotated[Smoothing, Tunable(0.0, 0.3)] = 0.0,
) -> Callable[[Outputs, Targets], LossValue]:
    """Poly-1 loss of Leng et al. 2022 (https://arxiv.org/abs/2204.12511), in nats: the mean over the N samples of
    −Σ_k y_k ln p_k + ε (1 − Σ_k y_k p_k).

    Cross-entropy is the sum of (1 − p)^j / j over j from 1 on; here the coefficient of the first is 1 + ε.

    Args:
        task: the learning problem (unused: the loss is the same for all).
        epsilon: ε; the paper has 2 for ImageNet, 0 is cross-entropy.
        label_smoothing: share of each target that is spread evenly over the K classes.
    """
    from torch.nn.functional import log_softmax

    from ferbench_builtin.losses.expression import over_samples, smoothed

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        log_p = log_softmax(outputs.logits.float(), dim=1)
        truth = smoothed(targets.distributions(log_p.shape[1]), label_smoothing)
        each = epsilon - (truth * (log_p + epsilon * log_p.exp())).sum(dim=1)
        return over_samples(each, targets.weight)

    return loss
