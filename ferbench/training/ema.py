"""Averages of weights over training steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from timm.utils import ModelEmaV3


def averaged(model: nn.Module, decay: float) -> ModelEmaV3:
    """An exponential moving average of a model's weights and running statistics; ``module`` is the averaged model.

    After update t the average keeps a share d(t) of what it was, d(t) = min(decay, 1 − t^(−2/3)): so the first
    update takes the weights as they are, and a short run's average is not mostly its initial weights. Counters, such
    as a batch norm's, are copied.

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992); the growing decay is timm's
    ``ModelEmaV3``, whose work this is.

    Args:
        model: on its device.
        decay: in (0, 1); 0.999 averages over about the last thousand updates.
    """
    from timm.utils import ModelEmaV3  # a second of imports that only runs with an average need

    return ModelEmaV3(model, decay=decay, use_warmup=True)
