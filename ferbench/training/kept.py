"""What is kept of a model's outputs: what the loss needs, of every view, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.data.targets import Outputs
from ferbench.errors import UserError
from ferbench.plugin.culprit import component_in_use, in_use
from ferbench.plugin.partners import remedy_for


def kept(outputs: Outputs, needs: Sequence[str]) -> Outputs:
    """Logits and affect, and of the rest what is needed, in the order of ``needs``."""
    if not needs:
        return Outputs(outputs.logits, outputs.affect)
    return Outputs(
        outputs.logits,
        outputs.affect,
        outputs.features if "features" in needs else None,
        {name: outputs.extra[name] for name in needs if name in outputs.extra},
        outputs.classifier if "classifier" in needs else None,
    )


def check_kept(outputs: Outputs, needs: Sequence[str], n: int) -> None:
    """Refuse outputs that lack something that the loss needs, or have it in another shape.

    Raises:
        UserError: naming it.
    """
    for name in needs:
        part = getattr(outputs, name) if name in ("features", "classifier") else outputs.extra.get(name)
        if part is None:
            raise UserError(
                f"{in_use('loss')} needs {name}, which {in_use('model')} does not give as it is set",
                remedy_for(component_in_use("model"), name),
            )
        fault = part_fault(name, part, n)
        if fault is not None:
            raise UserError(f"{in_use('model')} gives {fault}", "let its forward() return that in ferbench.Outputs")


def part_fault(name: str, part: object, n: int) -> str | None:
    """What is wrong with something that outputs have beside logits and affect; None: nothing."""
    if name == "classifier":
        return None if callable(part) else f"{type(part).__name__} as classifier, which cannot be called"
    wanted, ranks = (f"({n}, D)", (2,)) if name == "features" else (f"({n}, …)", range(1, 9))
    if not isinstance(part, Tensor):
        return f"{type(part).__name__} as {name} for {n} images, not floats of shape {wanted}"
    if part.is_floating_point() and part.ndim in ranks and len(part) == n:
        return None
    kind = str(part.dtype).removeprefix("torch.")
    return f"{kind}{list(part.shape)} as {name} for {n} images, not floats of shape {wanted}"


class Keeping(nn.Module):
    """A model whose outputs have no more than is needed, so that what wraps it copies nothing else."""

    def __init__(self, model: nn.Module, needs: Sequence[str]) -> None:
        super().__init__()
        self.model, self._needs = model, tuple(needs)

    def forward(self, *given: Any) -> Any:
        outputs = self.model(*given)
        return kept(outputs, self._needs) if isinstance(outputs, Outputs) else outputs


def count_views(images: Tensor) -> int:
    """V of float[N, V, C, H, W]; 1 of float[N, C, H, W]."""
    return images.shape[1] if images.ndim == 5 else 1


def stacked(images: Tensor) -> Tensor:
    """float[N, V, C, H, W] → float[V·N, C, H, W], channels last, those of the first view first."""
    return images.transpose(0, 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)


def apart(outputs: Outputs, views: int) -> Outputs:
    """Outputs for `stacked` images as those of the first view, with the others beside them."""
    n = len(outputs.logits) // views
    first, *others = (outputs.each(lambda part, v=v: part[v * n : (v + 1) * n]) for v in range(views))  # type: ignore[misc]
    return replace(first, others=tuple(others))
