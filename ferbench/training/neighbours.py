"""Whether what a model predicts of an image depends on the other images of its batch.

It must not: whoever uses the model has one image, and a score that came of its neighbours says nothing of it. A batch
norm that was left in training mode does it, and attention or similarity over the samples of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ferbench.data.batches import Batches
from ferbench.data.views import View
from ferbench.errors import is_out_of_memory
from ferbench.training.evaluation import averaged, evaluating
from ferbench.training.step import forward
from ferbench.wording import one_line

#: Images that are looked at alone, spread over the split.
_TRIED = 8

#: Largest difference of a probability that the order of sums may make, in float32 and on any device.
_ROUNDING = 5e-3


def dependence(
    model: nn.Module, batches: Batches, probabilities: NDArray[np.float32], views: Sequence[View]
) -> str | None:
    """Why predictions of a split say nothing of single images; None where they do, as far as some images tell.

    Args:
        model: as it was evaluated; is put back into the mode that it was in.
        batches: the split.
        probabilities: float32[n, K], as the model gave them in batches.
        views: how it looked at each image.
    """
    n = len(batches)
    positions = np.unique(np.linspace(0, n - 1, min(_TRIED, n)).round().astype(np.int64))
    furthest = 0.0
    with evaluating(model), torch.inference_mode():
        for position in positions:
            try:
                outputs = averaged([forward(model, batches.images(position[None], view)) for view in views])
            except Exception as error:  # whatever a model says of a batch of one
                if is_out_of_memory(error):
                    raise
                return f"the model takes no image alone: {one_line(str(error))[:200]}"
            alone = torch.softmax(outputs.logits.float(), dim=1)[0].cpu().numpy()
            furthest = max(furthest, float(np.abs(alone - probabilities[position]).max()))
    if furthest <= _ROUNDING:
        return None
    return (
        f"predictions depend on the other images of a batch: alone, one of {len(positions)} images has a probability "
        f"that is {furthest:.2g} away"
    )
