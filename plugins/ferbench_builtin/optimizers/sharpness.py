"""Minimisation of the largest loss in a neighbourhood of the weights. Apart, because it imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

#: Keeps a step up without a gradient where it is.
_TINY = 1e-12


class SharpnessAware(torch.optim.Optimizer):
    """Takes the gradient where the loss is about the highest within a distance, and lets another optimiser step by it.

    The step up is ε = ρ · T² g / ‖T g‖, with the norm over all weights, g the gradient of the loss without weight
    decay, and T = 1 in SAM (Foret et al., ICLR 2021, equation 2), T = \\|w\\| + η for each weight in ASAM (Kwon et al.,
    ICML 2021, equation 7, element-wise). As in ASAM's experiments biases are not rescaled: T = 1 for what has one
    dimension.

    Groups and state are those of the other optimiser; nothing else is remembered from one step to the next.

    Args:
        base: the other optimiser.
        rho: the distance ρ.
        eta: η of ASAM; None: SAM.
    """

    def __init__(self, base: torch.optim.Optimizer, rho: float, eta: float | None = None) -> None:
        super().__init__(base.param_groups, base.defaults)
        self._base, self._rho, self._eta = base, rho, eta
        self.param_groups, self.state = base.param_groups, base.state

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One update, from two gradients; returns the loss before it."""
        loss = closure()
        weights = [each for group in self.param_groups for each in group["params"] if each.grad is not None]
        before = [each.clone() for each in weights]
        if weights:
            torch._foreach_add_(weights, self._up(weights))
        closure()
        if weights:
            torch._foreach_copy_(weights, before)
        self._base.step()
        return loss

    def _up(self, weights: list[Tensor]) -> list[Tensor]:
        gradients = [each.grad for each in weights if each.grad is not None]
        scales = None
        if self._eta is not None:
            scales = [each.abs() + self._eta if each.ndim > 1 else torch.ones_like(each) for each in weights]
            gradients = list(torch._foreach_mul(gradients, scales))
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        up = torch._foreach_mul(gradients, self._rho / (norm + _TINY))
        return list(up if scales is None else torch._foreach_mul(up, scales))

    def state_dict(self) -> dict[str, Any]:
        return self._base.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._base.load_state_dict(state_dict)
        self.param_groups, self.state = self._base.param_groups, self._base.state
