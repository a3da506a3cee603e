"""What a forward pass changes beside gradients, so that it can be done again as if for the first time."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.training.loss_state import put_state, state_of, trainable


@dataclass(frozen=True, slots=True)
class Moment:
    """Copies of a model's buffers, a loss's state and torch's random generators.

    Attributes:
        buffers: of the model: running statistics, counters.
        learnt: state of the loss, its parameters included.
        cpu: state of the generator.
        cuda: of the device's; None where it has none.
    """

    buffers: list[Tensor]
    learnt: Any
    cpu: Tensor
    cuda: Tensor | None

    @classmethod
    def of(cls, model: nn.Module, loss: Any, device: torch.device) -> Moment:
        """The present one."""
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls([each.detach().clone() for each in model.buffers()], state_of(loss), torch.get_rng_state(), cuda)

    def put_back(self, model: nn.Module, loss: Any, device: torch.device, *, weights: bool = True) -> None:
        """Make it the present one again.

        Args:
            model: whose buffers it has.
            loss: likewise.
            device: where they are.
            weights: whether the loss's parameters are put back too.
        """
        own = [] if weights else [(each, each.detach().clone()) for each in trainable(loss)]
        put_state(loss, copy.deepcopy(self.learnt))  # which may keep what it is given, and write into it
        with torch.no_grad():
            for each, value in (*own, *zip(model.buffers(), self.buffers, strict=True)):
                each.copy_(value)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, device)
        torch.set_rng_state(self.cpu)
