"""What a model gives its classifier of each sample, with frozen weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.batches import Batches
from ferbench.data.targets import Outputs
from ferbench.data.views import View
from ferbench.errors import UserError
from ferbench.plugin.culprit import calls, in_use
from ferbench.training.evaluation import evaluating, in_memory
from ferbench.training.kept import part_fault


@dataclass(frozen=True)
class Looked:
    """What a model makes of n samples.

    Attributes:
        features: float32[n, D], over several views their mean.
        probabilities: float32[n, K], likewise.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]


def features_of(model: nn.Module, batches: Batches, batch_size: int, views: Sequence[View]) -> Looked:
    """Features of a split, in its order.

    Args:
        model: is put back into the mode that it was in.
        batches: the split.
        batch_size: samples at a time; halved when memory runs out.
        views: how to look at each image.

    Raises:
        UserError: the model gives no features, or some that are no finite numbers.
    """
    with evaluating(model), torch.inference_mode():
        return in_memory(lambda size: _together(model, batches, size, views), batch_size, batches.device)


def _together(model: nn.Module, batches: Batches, batch_size: int, views: Sequence[View]) -> Looked:
    parts: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    for start in range(0, len(batches), batch_size):
        positions = np.arange(start, min(start + batch_size, len(batches)), dtype=np.int64)
        several = [_features(model, batches.images(positions, view)) for view in views]
        features, probabilities = (torch.stack(of_views).mean(dim=0) for of_views in zip(*several, strict=True))
        parts.append((features.cpu().numpy(), probabilities.cpu().numpy()))
    looked = Looked(*(np.concatenate(several) for several in zip(*parts, strict=True)))
    if not np.isfinite(looked.features).all():
        raise UserError(f"{in_use('model')} gives features that are not finite", "choose another run")
    return looked


@calls("model")
def _features(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features float32[n, D] and probabilities float32[n, K] of a batch."""
    outputs = model(images)
    given = outputs.features if isinstance(outputs, Outputs) else None
    fault = "no features" if given is None else part_fault("features", given, len(images))
    if fault is not None:
        raise UserError(
            f"{in_use('model')} gives {fault}", "choose a run whose model gives features, as every built-in one does"
        )
    assert given is not None
    return given.float(), torch.softmax(outputs.logits.float(), dim=1)
