"""A model made of a backbone, which can be frozen, and heads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from torch import Tensor, nn

from ferbench import Outputs
from ferbench_builtin.models.heads import Heads


class Freezable(nn.Module):
    """A model whose children are its head, or else its backbone.

    A frozen backbone gets no gradients and stays in evaluation mode while the model trains: its batch norms use and
    keep the statistics that they have, and its dropout is off.

    Attributes:
        head_children: names of the children that make up the head.
        classifier: name of the layer with one output per class.
        affect_layer: name of the head for valence and arousal, which need not exist.
    """

    head_children: ClassVar[tuple[str, ...]]
    classifier: ClassVar[str]
    affect_layer: ClassVar[str]
    frozen = False

    def freeze_backbone(self) -> None:
        """From now on only the head learns."""
        self.frozen = True
        for child in self._backbone():
            child.requires_grad_(False)
        self.train(self.training)

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters that ``training.head_lr_factor`` acts on."""
        head = (child for name, child in self.named_children() if name in self.head_children)
        return [parameter for child in head for parameter in child.parameters()]

    def train(self, mode: bool = True) -> Freezable:
        super().train(mode)
        if self.frozen:
            for child in self._backbone():
                child.eval()
        return self

    def _backbone(self) -> Iterator[nn.Module]:
        return (child for name, child in self.named_children() if name not in self.head_children)


class BackboneAndHeads(Freezable):
    """A backbone from images to feature vectors, and heads on it.

    Args:
        backbone: float[N, C, H, W] → float[N, F].
        heads: float[N, F] → ``Outputs``.
        mapped: the backbone's ``forward_head`` takes the mean of each map that its ``forward_features`` gives, and no
            hidden layer stands behind it: the maps are among the outputs then.
    """

    head_children = ("heads",)
    classifier = "heads.expression"
    affect_layer = "heads.affect"

    def __init__(self, backbone: nn.Module, heads: Heads, *, mapped: bool = False) -> None:
        super().__init__()
        self.backbone: Any = backbone
        self.heads = heads
        self._mapped = mapped

    def forward(self, images: Tensor) -> Outputs:
        if not self._mapped:
            return self.heads(self.backbone(images))
        maps = self.backbone.forward_features(images)
        return self.heads(self.backbone.forward_head(maps), maps)
