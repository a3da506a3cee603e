"""Losses that are sums of several parts."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from ferbench import LossValue, Targets
from ferbench_builtin.losses.expression import mean_over_samples


def cross_entropies(logits: Tensor, targets: Targets) -> Tensor:
    """−Σ y ln p of each sample, float[N], in nats; y are distributions where there are any, else labels."""
    log_p = F.log_softmax(logits.float(), dim=1)
    return -(targets.distributions(log_p.shape[1]) * log_p).sum(dim=1)


def summed(parts: Mapping[str, tuple[float, Tensor]], weight: Tensor | None) -> LossValue:
    """The sum of factor times part; each part is a component, as it is before it is multiplied.

    Args:
        parts: factor, and what each sample costs, float[N], or one number for all of them, by name.
        weight: of the samples, float[N]; None for equal weights. It does not count in single numbers.
    """
    means = {name: mean_over_samples(each, weight) if each.ndim else each for name, (_, each) in parts.items()}
    total = sum(factor * means[name] for name, (factor, _) in parts.items())
    each = sum(factor * each.detach() for factor, each in parts.values() if each.ndim)
    assert isinstance(total, Tensor)
    assert isinstance(each, Tensor)
    return LossValue(total, {name: mean.detach() for name, mean in means.items()}, per_sample=each)
