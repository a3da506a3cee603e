"""What models return, what losses compare it with, and what losses return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils._pytree import register_pytree_node

from ferbench.data.draws import upload


@dataclass(slots=True)
class Outputs:
    """What a model returns.

    Attributes:
        logits: float[N, K], unnormalised class scores.
        affect: float[N, 2], valence and arousal, or None for a model without that head.
    """

    logits: Tensor
    affect: Tensor | None = None


# So that torch.export, and torch.func, take a model that returns them.
register_pytree_node(
    Outputs,
    lambda outputs: ([outputs.logits, outputs.affect], None),
    lambda parts, _: Outputs(*parts),
    serialized_type_name="ferbench.Outputs",
    to_dumpable_context=lambda context: context,
    from_dumpable_context=lambda context: context,
)


@dataclass(slots=True)
class Targets:
    """What is known about a batch.

    Attributes:
        labels: int64[N], class ids.
        soft: float[N, K], label distributions (votes, Mixup), rows sum to 1; None: labels are all there is.
        affect: float[N, 2], valence and arousal, NaN where missing; None where the dataset has none.
        weight: float[N], weight of each sample, None for equal weights.
    """

    labels: Tensor
    soft: Tensor | None = None
    affect: Tensor | None = None
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def distributions(self, classes: int) -> Tensor:
        """float32[N, K]: ``soft`` where there are any, else the labels, each with all its share on one class.

        Unlike ``torch.nn.functional.one_hot``, this does not wait for the device.
        """
        if self.soft is not None:
            return self.soft.float()
        return (self.labels[:, None] == torch.arange(classes, device=self.labels.device)).float()

    def slice(self, start: int, stop: int) -> Targets:
        """The samples from ``start`` to ``stop`` (exclusive), as views."""
        return Targets(*(None if t is None else t[start:stop] for t in self._fields()))  # type: ignore[arg-type]

    def to(self, device: torch.device) -> Targets:
        return Targets(*(None if t is None else upload(t, device) for t in self._fields()))  # type: ignore[arg-type]

    def _fields(self) -> tuple[Tensor | None, ...]:
        return self.labels, self.soft, self.affect, self.weight


@dataclass(slots=True)
class LossValue:
    """What a loss returns.

    Attributes:
        total: scalar to minimise, a mean over the samples (micro-batches are weighted by their size).
        components: scalars by name that the history keeps ("expression", "valence", …), as means over all samples;
            one that is not returned for a batch counts as 0 there.
    """

    total: Tensor
    components: Mapping[str, Tensor] = field(default_factory=dict)
