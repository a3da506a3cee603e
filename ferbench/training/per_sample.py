"""The loss of each training sample in an epoch, and how often it was predicted right: what samplers may ask for.

Kept on the device at every update, without waiting for it, and added up on the processor when the epoch ends, in the
order of the samples: the same to the bit on any device, and after a resumption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ferbench.data.targets import Outputs, Targets
from ferbench.errors import UserError
from ferbench.plugin.culprit import in_use

if TYPE_CHECKING:
    from ferbench.training.epoch import EpochSums


def plain_losses(outputs: Outputs, targets: Targets) -> Tensor:
    """float32[N], the cross-entropy of the logits with the labels, for a loss that tells none of its own.

    To be called before the loss, which may write into what it is given.
    """
    return F.cross_entropy(outputs.logits.detach().float(), targets.labels, reduction="none")


def by_sample(sums: EpochSums, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean loss and share of right predictions of each sample of an epoch.

    Args:
        sums: of the epoch, with the losses of its samples.
        n: samples of the training split.

    Returns:
        float32[n] and float32[n], read-only, NaN for samples that were not drawn.

    Raises:
        UserError: a loss is NaN or infinite, though the epoch's is not: a sampler would take that sample for one that
            was not drawn.
    """
    positions = torch.cat(sums.positions).cpu().numpy()
    times = np.bincount(positions, minlength=n)
    losses = torch.cat(sums.losses).cpu().double().numpy()
    if len(wrong := np.flatnonzero(~np.isfinite(losses))):
        raise UserError(
            f"{in_use('loss')} has a total that is a number, but the loss of training sample {positions[wrong[0]]} is "
            f"{losses[wrong[0]]}, which the sampler is to hear of",
            "let LossValue.per_sample have a number for each sample; or leave it out",
        )
    right = (torch.cat(sums.predicted) == torch.cat(sums.labels)).cpu().double().numpy()

    def mean(values: NDArray[np.float64]) -> NDArray[np.float32]:
        total = np.bincount(positions, weights=values, minlength=n)
        each = np.divide(total, times, out=np.full(n, np.nan), where=times > 0).astype(np.float32)
        each.flags.writeable = False
        return each

    return mean(losses), mean(right)
