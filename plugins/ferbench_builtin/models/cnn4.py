"""The four-block CNN of system S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Interval

from ferbench import Added, Task, Tunable, UserError
from ferbench_builtin.models.options import Affect, Dropout, FileWeights, Freeze, Head, HeadScale, Pickles, Width

if TYPE_CHECKING:
    from torch import nn

_SMALLEST_INPUT = 16  # four halvings leave one pixel


def cnn4(
    task: Task,
    *,
    widths: tuple[Width, Width, Width, Width] = (64, 128, 256, 512),
    dropout: Annotated[Dropout, Tunable(0.0, 0.5)] = 0.25,
    pool: Annotated[Literal["flatten", "mean"], Added] = "flatten",
    units: Annotated[int, Interval(ge=0, le=16384), Tunable(64, 1024, log=True)] = 256,
    head_dropout: Annotated[Dropout, Tunable(0.0, 0.7)] = 0.5,
    affect: Affect = False,
    head: Head = "linear",
    head_scale: HeadScale = 16.0,
    weights: FileWeights = "none",
    allow_pickled_weights: Pickles = False,
    freeze: Freeze = "none",
) -> nn.Module:
    """Four blocks of 3×3 convolution, ReLU, batch norm, max-pooling and dropout, then a dense layer and the head.

    The order within a block is that of the published system: the batch norm follows the ReLU.

    Args:
        task: the learning problem; images of any channel count and at least 16×16 pixels.
        widths: filters of the four convolutions.
        dropout: fraction of a block's activations dropped at its end, while training.
        pool: what follows the blocks: "flatten", each place of the last maps by itself, or "mean", their means.
        units: units of the dense layer; 0: none, the head sees what the blocks give. With units=0 and pool=mean the
            last maps are among the outputs as maps.
        head_dropout: fraction of those dropped before the head, while training.
        affect: also predict valence and arousal.
        head: "cosine": logits are head_scale times the cosine of the angle between features and class, as losses with
            angular margins want it.
        head_scale: of the logits of a cosine head.
        weights: "none", or the path of a checkpoint of this model.
        allow_pickled_weights: also read weights from pickles (.pth).
        freeze: "backbone": only the dense layer and the head learn.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K].

    Raises:
        UserError: the input is smaller than 16×16; the weights cannot be read or do not fit; affect without such
            labels.
    """
    if min(task.height, task.width) < _SMALLEST_INPUT:
        raise UserError(
            f"cnn4: an input of {task.height}×{task.width} pixels is too small for its four poolings",
            f"set data.image_size to {_SMALLEST_INPUT} or more",
        )
    from torch import nn

    from ferbench_builtin.models.backbone import BackboneAndHeads
    from ferbench_builtin.models.heads import Heads
    from ferbench_builtin.models.networks import GridMeans, Stages
    from ferbench_builtin.models.weights import started

    blocks = []
    before = task.channels
    for width in widths:
        blocks.append(
            nn.Sequential(
                nn.Conv2d(before, width, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.BatchNorm2d(width),
                nn.MaxPool2d(2),
                nn.Dropout(dropout),
            )
        )
        before = width
    mean = pool == "mean"
    features = before if mean else before * (task.height // 16) * (task.width // 16)
    backbone = Stages(*blocks, GridMeans(1), nn.Flatten()) if mean else nn.Sequential(*blocks, nn.Flatten())
    hidden = (units,) if units else ()
    heads = Heads(features, task, dropout=head_dropout, affect=affect, hidden=hidden, head=head, scale=head_scale)
    model = BackboneAndHeads(backbone, heads, mapped=mean and not units)
    return started(model, weights, allow_pickled=allow_pickled_weights, freeze=freeze)
