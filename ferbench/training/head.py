"""Whether what a loss trains is what predicts: the model's head, which makes the logits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.data.targets import Outputs
from ferbench.display import warn
from ferbench.plugin.culprit import in_use

PREDICTIONS = (
    "predictions are the model's logits: let the model's head be trained by outputs.classifier, or take cosine of a "
    "model with model.head=cosine"
)


@contextlib.contextmanager
def watching_head(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Around the first update of a training: say it on stderr where no gradient reaches the model's head.

    The head is what the model learns for its logits alone, and for none of its features and what else it gives; cosines
    are the head's. Where there is no such thing (it is frozen, or the model gives its logits alone), nothing is said.

    Args:
        model: the model itself, not what wraps it on several devices.
        optimizer: whose gradients the update leaves behind.
    """
    head: list[nn.Parameter] = []

    def note(module: nn.Module, images: Any, outputs: Any) -> None:
        called.remove()
        head.extend(head_of(outputs) if isinstance(outputs, Outputs) else ())

    called = model.register_forward_hook(note)
    try:
        yield
    finally:
        called.remove()
    learnt = (parameter for group in optimizer.param_groups for parameter in group["params"])
    if head and not _reached(head) and _reached(learnt):  # else nothing is known: some rules drop their gradients
        warn(
            f"{in_use('loss')} gives no gradient to the head of {in_use('model')}, so that its predictions learn "
            f"nothing → {PREDICTIONS}"
        )


def head_of(outputs: Outputs) -> list[nn.Parameter]:
    """The parameters, not frozen, that a model's logits hang on and nothing else that it gives does, but for cosines.

    Args:
        outputs: as the model gives them, with their graph.
    """
    others = [outputs.features, *(part for name, part in outputs.extra.items() if name != "cosine")]
    before = {id(leaf) for leaf in _leaves(others)}
    return [leaf for leaf in _leaves([outputs.logits]) if id(leaf) not in before]


def _leaves(parts: Iterable[Tensor | None]) -> list[Any]:
    """The leaves of the graph that tensors were computed from."""
    waiting = [part.grad_fn for part in parts if part is not None and part.grad_fn is not None]
    seen, leaves = set(waiting), []
    while waiting:
        node = waiting.pop()
        if (leaf := getattr(node, "variable", None)) is not None:
            leaves.append(leaf)
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)
    return leaves


def _reached(parameters: Iterable[nn.Parameter]) -> bool:
    return any(each.grad is not None and bool(each.grad.any()) for each in parameters)
