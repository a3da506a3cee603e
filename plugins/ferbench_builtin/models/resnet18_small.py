"""ResNet-18 for small images, the model of system S1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ferbench import Task, Tunable
from ferbench_builtin.models.options import Affect, Dropout, FileWeights, Freeze, Head, HeadScale, Pickles

if TYPE_CHECKING:
    from torch import nn

_STEM, _FEATURES = 64, 512  # channels after the stem and after the last stage


def resnet18_small(
    task: Task,
    *,
    dropout: Annotated[Dropout, Tunable(0.0, 0.6)] = 0.3,
    affect: Affect = False,
    head: Head = "linear",
    head_scale: HeadScale = 16.0,
    weights: FileWeights = "none",
    allow_pickled_weights: Pickles = False,
    freeze: Freeze = "none",
) -> nn.Module:
    """ResNet-18 (He et al. 2016, https://arxiv.org/abs/1512.03385) with a 3×3 stem of stride 1 and no stem max-pool.

    The usual stem leaves 2×2 of 64×64 pixels for the last stage; this one leaves 8×8. The same change makes ResNets of
    32×32 images.

    Args:
        task: the learning problem; images of any size and channel count.
        dropout: fraction of the pooled features dropped before the head, while training.
        affect: also predict valence and arousal.
        head: "cosine": logits are head_scale times the cosine of the angle between features and class, as losses with
            angular margins want it.
        head_scale: of the logits of a cosine head.
        weights: "none", or the path of a checkpoint of this model.
        allow_pickled_weights: also read weights from pickles (.pth).
        freeze: "backbone": only the head learns.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K].

    Raises:
        UserError: the weights cannot be read or do not fit; affect without such labels.
    """
    import timm
    from torch import nn

    from ferbench_builtin.models.backbone import BackboneAndHeads
    from ferbench_builtin.models.heads import Heads
    from ferbench_builtin.models.weights import started

    backbone = timm.create_model("resnet18", num_classes=0, in_chans=task.channels, zero_init_last=False)
    stem = nn.Conv2d(task.channels, _STEM, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    backbone.conv1 = stem
    backbone.maxpool = nn.Identity()
    heads = Heads(_FEATURES, task, dropout=dropout, affect=affect, head=head, scale=head_scale)
    model = BackboneAndHeads(backbone, heads, mapped=True)
    return started(model, weights, allow_pickled=allow_pickled_weights, freeze=freeze)
