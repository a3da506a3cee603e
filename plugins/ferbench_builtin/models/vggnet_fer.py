"""The VGG network with the best published result of a single network on FER2013 without further data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ferbench import Task, Tunable, UserError
from ferbench_builtin.models.options import Affect, Dropout, FileWeights, Freeze, Head, HeadScale, Pickles, Units

if TYPE_CHECKING:
    from torch import nn

_WIDTHS = (64, 128, 256, 512)
_SMALLEST_INPUT = 16  # four halvings leave one pixel


def vggnet_fer(
    task: Task,
    *,
    units: Annotated[Units, Tunable(256, 4096, log=True)] = 4096,
    dropout: Annotated[Dropout, Tunable(0.0, 0.6)] = 0.2,
    affect: Affect = False,
    head: Head = "linear",
    head_scale: HeadScale = 16.0,
    weights: FileWeights = "none",
    allow_pickled_weights: Pickles = False,
    freeze: Freeze = "none",
) -> nn.Module:
    """Four stages of two 3×3 convolutions, with batch norm and ReLU, and max-pooling; two dense layers; the head.

    Khaireddin and Chen 2021, "Facial Emotion Recognition: State of the Art Performance on FER2013"
    (https://arxiv.org/abs/2105.03588), who trained on 40×40 crops of the 48×48 images.

    Args:
        task: the learning problem; images of any channel count and at least 16×16 pixels.
        units: units of each dense layer.
        dropout: fraction of those dropped, while training.
        affect: also predict valence and arousal.
        head: "cosine": logits are head_scale times the cosine of the angle between features and class, as losses with
            angular margins want it.
        head_scale: of the logits of a cosine head.
        weights: "none", or the path of a checkpoint of this model.
        allow_pickled_weights: also read weights from pickles (.pth).
        freeze: "backbone": only the dense layers and the head learn.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K].

    Raises:
        UserError: the input is smaller than 16×16; the weights cannot be read or do not fit; affect without such
            labels.
    """
    if min(task.height, task.width) < _SMALLEST_INPUT:
        raise UserError(
            f"vggnet-fer: an input of {task.height}×{task.width} pixels is too small for its four poolings",
            f"set data.image_size to {_SMALLEST_INPUT} or more",
        )
    from torch import nn

    from ferbench_builtin.models.backbone import BackboneAndHeads
    from ferbench_builtin.models.heads import Heads
    from ferbench_builtin.models.weights import started

    layers: list[nn.Module] = []
    before = task.channels
    for width in _WIDTHS:
        for channels in (before, width):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        layers.append(nn.MaxPool2d(2))
        before = width
    features = before * (task.height // 16) * (task.width // 16)
    heads = Heads(features, task, dropout=dropout, affect=affect, hidden=(units, units), head=head, scale=head_scale)
    model = BackboneAndHeads(nn.Sequential(*layers, nn.Flatten()), heads)
    return started(model, weights, allow_pickled=allow_pickled_weights, freeze=freeze)
