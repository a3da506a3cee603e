"""Outputs that no model gave, for the rules of losses: all that a loss may need, each part in keeping with the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from ferbench.data.targets import Outputs

#: Features beside those that are the logits.
_MORE = 9
_SIDE = 3


def width(classes: int) -> int:
    """D of made-up features for so many classes."""
    return classes + _MORE


def made_up(
    logits: Tensor,
    affect: Tensor,
    needs: Sequence[str],
    seed: int = 0,
    given: Mapping[str, Tensor] = MappingProxyType({}),
) -> Outputs:
    """Outputs with given logits float[N, K] and affect, and what is needed besides.

    The classifier gives the first K features, which are the logits; ``maps`` have the features as their means,
    ``pooled`` are the features, ``heads`` several of their shape that do not hang on the logits, and ``cosine`` is in
    [-1, 1] and rises with the logits. Anything else is what a model gave, float[N, …] of ``given``, in another order
    for another seed, which does not hang on the logits; what is not there has the shape of logits and rises with them.

    Returns:
        Outputs whose tensors are leaves with gradients of their own.
    """
    n, classes = logits.shape
    noise = torch.randn(n, _MORE, generator=torch.Generator().manual_seed(seed))
    features = torch.cat([logits, noise.to(logits.device)], dim=1)
    spread = torch.randn(n, width(classes), _SIDE, _SIDE, generator=torch.Generator().manual_seed(seed + 1))
    spread = (spread - spread.mean((2, 3), keepdim=True)).to(logits.device)
    parts: Mapping[str, Tensor] = {
        "maps": features[:, :, None, None] + spread,
        "pooled": features,
        "heads": spread.flatten(2).transpose(1, 2),
        "cosine": torch.tanh(logits / 4),
    }
    parts = {**{name: part.to(logits.device).roll(seed, 0) for name, part in given.items()}, **parts}
    extra = {name: parts.get(name, logits) for name in needs if name not in ("features", "classifier")}
    outputs = Outputs(
        logits,
        affect,
        features if "features" in needs else None,
        extra,
        (lambda given: given[:, :classes]) if "classifier" in needs else None,
    )
    return outputs.each(lambda part: part.detach().clone().requires_grad_())


def reached(outputs: Outputs) -> Tensor:
    """bool[N]: the samples of which a gradient has reached something, affect left out."""
    parts = (outputs.logits, outputs.features, *outputs.extra.values())
    gradients = [part.grad for part in parts if part is not None and part.grad is not None]
    rows = [gradient.reshape(len(gradient), -1).any(dim=1) for gradient in gradients]
    return torch.stack(rows).any(dim=0) if rows else torch.zeros(len(outputs.logits), dtype=torch.bool)


def reordered(outputs: Outputs, order: Tensor) -> Outputs:
    """The same outputs where the classes stand in another order, int64[K]; features know of no order."""
    classifier = outputs.classifier
    classes = outputs.logits.shape[1]
    return Outputs(
        outputs.logits[:, order],
        outputs.affect,
        outputs.features,
        {name: part[:, order] if part.shape[1:] == (classes,) else part for name, part in outputs.extra.items()},
        None if classifier is None else lambda given: classifier(given)[:, order],
        tuple(reordered(other, order) for other in outputs.others),
    )
