"""Batch-norm statistics that belong to the weights at hand."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ferbench.plugin.culprit import calls


@calls("model")
def estimate_statistics(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of every batch norm by their mean over ``batches``, all else in evaluation mode.

    Running averages mix the statistics of past weights. Where one step moves a layer's output as far as images differ
    from each other, as early in training or in front of global average pooling, a model that learns well can validate
    at chance level. Wu and Johnson, "Rethinking 'Batch' in BatchNorm" (arXiv:2105.07576, section 3), call the remedy
    PreciseBN.

    A batch norm that the model keeps in evaluation mode while it trains, as in a frozen backbone, is left alone.

    Args:
        model: comes back in the mode that it was in.
        batches: float32[N, C, H, W] each, of one size.
    """
    was_training = model.training
    model.train()
    norms = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats and module.training
    ]
    if not norms:
        model.train(was_training)
        return
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    try:
        with torch.no_grad():
            for images in batches:
                model(images)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(was_training)
