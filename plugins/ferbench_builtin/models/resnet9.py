"""ResNet-9, a residual network for training in minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Interval

from ferbench import Task, Tunable, UserError
from ferbench_builtin.models.options import Affect, Dropout, FileWeights, Freeze, Head, HeadScale, Pickles, Width

if TYPE_CHECKING:
    from torch import nn

_SMALLEST_INPUT = 8  # poolings leave one pixel, or two where the stem keeps the size


def resnet9(
    task: Task,
    *,
    width: Annotated[Width, Ge(4), Tunable(16, 64, log=True)] = 32,
    stem_stride: Annotated[int, Interval(ge=1, le=2)] = 2,
    grid: Annotated[int, Interval(ge=1, le=8)] = 3,
    units: Annotated[int, Interval(ge=0, le=16384)] = 256,
    dropout: Annotated[Dropout, Tunable(0.0, 0.5)] = 0.2,
    affect: Affect = False,
    head: Head = "linear",
    head_scale: HeadScale = 16.0,
    weights: FileWeights = "none",
    allow_pickled_weights: Pickles = False,
    freeze: Freeze = "none",
) -> nn.Module:
    """A stem and three stages of convolution, max-pooling and a residual pair: the ResNet-9 of Page
    (https://github.com/davidcpage/cifar10-fast) with a pair in every stage, a 5×5 stem that may halve the image, and a
    dense layer with batch norm over a grid of means in place of one maximum: where an eye or a mouth is says much, and
    faces are aligned.

    Every stage costs the same, about 11 million multiplications at width 32 and 48×48 pixels, and the whole network 64
    million. Images may have another size than the task's.

    Args:
        task: the learning problem; images of any channel count and at least 8×8 pixels.
        width: channels of the stem; the stages have 2, 4 and 8 times as many.
        stem_stride: 2 halves the image in the stem; 1 keeps it, at four times the cost.
        grid: the head sees the mean of each cell of a grid×grid over the last stage; 1: of the whole of it. With grid=1
            and units=0 the last stage is among the outputs as maps.
        units: units of the dense layer; 0: none, the head sees the means. With units=0 and grid=1 the last stage is
            among the outputs as maps.
        dropout: fraction of the head's inputs dropped, while training.
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
        UserError: the input is too small; the weights cannot be read or do not fit; affect without such labels.
    """
    smallest = _SMALLEST_INPUT * stem_stride
    if min(task.height, task.width) < smallest:
        raise UserError(
            f"resnet9: an input of {task.height}×{task.width} pixels is too small for its poolings",
            f"set data.image_size to {smallest} or more",
        )
    from torch import nn

    from ferbench_builtin.models.backbone import BackboneAndHeads
    from ferbench_builtin.models.heads import Heads
    from ferbench_builtin.models.networks import GridMeans, Residual, Stages, convolution
    from ferbench_builtin.models.weights import started

    layers: list[nn.Module] = [convolution(task.channels, width, kernel=5, stride=stem_stride)]
    for channels in (2 * width, 4 * width, 8 * width):
        layers += [convolution(channels // 2, channels), nn.MaxPool2d(2), Residual(channels)]
    backbone = Stages(*layers, GridMeans(grid), nn.Flatten())
    hidden = (units,) if units else ()
    heads = Heads(
        8 * width * grid**2,
        task,
        dropout=dropout,
        affect=affect,
        hidden=hidden,
        normalized=True,
        head=head,
        scale=head_scale,
    )
    model = BackboneAndHeads(backbone, heads, mapped=grid == 1 and not units)
    return started(model, weights, allow_pickled=allow_pickled_weights, freeze=freeze)
