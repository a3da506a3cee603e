"""Batch norms that see the samples of all ranks.

``torch.nn.SyncBatchNorm`` does that on GPUs only, and replaces modules of the classes that it knows. Here the function
that all of them call is what changes, so that models, their weights and their classes stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ferbench.data.draws import upload

Add = Callable[[Tensor], Tensor]


class CommonBatchNorm(TorchFunctionMode):
    """While it is entered, ``torch.nn.functional.batch_norm`` in training mode is over the samples of all ranks.

    Every rank has to make the same calls. Statistics are merged from each rank's mean and variance (Chan, Golub and
    LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979).

    Args:
        samples: how many of the batch each rank has. One that has none computes a stand-in that does not count, so
            that it takes part in the exchanges.
        index: of this rank.
        add: gives the sum of a tensor over the ranks.
    """

    def __init__(self, samples: Sequence[int], index: int, add: Add) -> None:
        super().__init__()
        self._samples, self._index, self._add = samples, index, add
        self._shares: Tensor | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is functional.batch_norm and (args[5] if len(args) > 5 else kwargs.get("training", False)):
            return self._normalised(*args, **kwargs)
        return func(*args, **kwargs)

    def _normalised(
        self,
        images: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = True,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        own = self._samples[self._index]
        n = images.numel() // images.shape[1] // max(own, 1) * sum(self._samples)
        if n < 2:
            raise ValueError(f"Expected more than 1 value per channel when training, got {n} over all ranks")
        mean, variance = self._statistics(images.detach())
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                running_mean.lerp_(mean.to(running_mean.dtype), momentum)
                running_var.lerp_((variance * (n / (n - 1))).to(running_var.dtype), momentum)
        normalised: Tensor = _BatchNorm.apply(images, weight, bias, mean, variance, n, bool(own), eps, self._add)
        return normalised

    def _statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel over all ranks."""
        rows = images.new_zeros(len(self._samples), 2, images.shape[1], dtype=_precise(images))
        if self._samples[self._index]:
            variance, mean = torch.var_mean(images.to(rows.dtype), _all_but_channels(images), correction=0)
            rows[self._index] = torch.stack([mean, variance])
        means, variances = self._add(rows).unbind(1)
        if self._shares is None or self._shares.dtype != rows.dtype:
            shares = torch.tensor(self._samples, dtype=rows.dtype) / sum(self._samples)
            self._shares = upload(shares[:, None], rows.device)
        share = self._shares
        mean = (share * means).sum(dim=0)
        return mean, (share * (variances + (means - mean) ** 2)).sum(dim=0)


class _BatchNorm(torch.autograd.Function):
    """Ioffe and Szegedy, "Batch normalization" (ICML 2015), with sums over the ranks in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        n: int,
        counts: bool,
        eps: float,
        add: Add,
    ) -> Tensor:
        ctx.save_for_backward(images, weight, mean, (variance + eps).rsqrt())
        ctx.n, ctx.counts, ctx.add, ctx.bias = n, counts, add, bias is not None
        return functional.batch_norm(images, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Any, ...]:
        images, weight, mean, scale = ctx.saved_tensors
        x, gradient = images.to(mean.dtype), gradients[0].to(mean.dtype)
        shape, others = (1, -1, *[1] * (x.ndim - 2)), _all_but_channels(x)
        total = gradient.sum(others)
        along = (gradient * (x - mean.view(shape))).sum(others) * scale
        totals, alongs = ctx.add(torch.stack([total, along])) / ctx.n
        factor = scale if weight is None else scale * weight
        to_images = gradient * factor.view(shape)
        if ctx.counts:  # else these values had no part in the statistics
            slope = -factor * scale * alongs
            to_images = torch.addcmul(to_images, x, slope.view(shape))
            to_images += (-factor * totals - slope * mean).view(shape)
        to_weight = None if weight is None else along.to(weight.dtype)
        to_bias = total.to(mean.dtype if weight is None else weight.dtype) if ctx.bias else None
        return (to_images.to(images.dtype), to_weight, to_bias, *[None] * 6)


def _all_but_channels(images: Tensor) -> list[int]:
    return [0, *range(2, images.ndim)]


def _precise(images: Tensor) -> torch.dtype:
    return torch.promote_types(images.dtype, torch.float32)
