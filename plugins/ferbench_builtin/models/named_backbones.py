"""Backbones of timm under names of their own, each with the release whose weights ``weights = "timm"`` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ferbench import InitialWeights, Task, Tunable
from ferbench_builtin.models.options import Affect, Dropout, Freeze, Head, HeadScale, Pickles
from ferbench_builtin.models.timm_backbone import TimmOptions

if TYPE_CHECKING:
    from torch import nn


class NamedBackbone:
    """A backbone of timm with fresh heads.

    The release is part of the source, so that a later timm with another default gives the same weights.

    Args:
        weights: "none"; "timm": pretrained, from the Hugging Face hub or its local cache; or the path of a file:
            weights of this backbone, or a checkpoint of a run with it.
        allow_pickled_weights: also read weights from pickles (.pth).
        dropout: fraction of the features dropped before the head, while training.
        drop_path: chance that a residual branch is left out for a sample, while training (stochastic depth).
        affect: also predict valence and arousal.
        head: "cosine": logits are head_scale times the cosine of the angle between features and class, as losses with
            angular margins want it.
        head_scale: of the logits of a cosine head.
        freeze: "backbone": only the head learns.
    """

    def __init__(self, backbone: str) -> None:
        self.backbone = backbone

    def __call__(
        self,
        task: Task,
        *,
        weights: Annotated[str, InitialWeights(names=("none", "timm"))] = "none",
        allow_pickled_weights: Pickles = False,
        dropout: Annotated[Dropout, Tunable(0.0, 0.6)] = 0.0,
        drop_path: Annotated[Dropout, Tunable(0.0, 0.3)] = 0.0,
        affect: Affect = False,
        head: Head = "linear",
        head_scale: HeadScale = 16.0,
        freeze: Freeze = "none",
    ) -> nn.Module:
        """Build it for a task; images come normalised as the plugin's spec says.

        Raises:
            UserError: as :func:`ferbench_builtin.models.timm_backbone.timm_model` does.
        """
        from torch import nn

        from ferbench_builtin.models.timm_network import build

        options = TimmOptions(weights, allow_pickled_weights, dropout, drop_path, affect, freeze, head, head_scale)
        return build(task, self.backbone, options, nn.Identity())


resnet18 = NamedBackbone("resnet18.a1_in1k")
resnet34 = NamedBackbone("resnet34.a1_in1k")
resnet50 = NamedBackbone("resnet50.a1_in1k")
efficientnet_b0 = NamedBackbone("efficientnet_b0.ra_in1k")
vit_tiny = NamedBackbone("vit_tiny_patch16_224.augreg_in21k_ft_in1k")
vit_small = NamedBackbone("vit_small_patch16_224.augreg_in21k_ft_in1k")
