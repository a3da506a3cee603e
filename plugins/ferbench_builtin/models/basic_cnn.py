"""The basic CNN of system S2, a small network that a laptop trains in minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable, UserError
from ferbench_builtin.models.options import Affect, Dropout, FileWeights, Freeze, Head, HeadScale, Pickles, Width

if TYPE_CHECKING:
    from torch import nn

_SMALLEST_INPUT = 8  # three halvings leave one pixel


def basic_cnn(
    task: Task,
    *,
    dropout: Annotated[Dropout, Tunable(0.0, 0.6)] = 0.3,
    width: Annotated[Width, Tunable(8, 64, step=8)] = 32,
    norm_momentum: Annotated[float, Interval(ge=0, lt=1), Tunable(0.9, 0.99)] = 0.9,
    affect: Affect = False,
    head: Head = "linear",
    head_scale: HeadScale = 16.0,
    weights: FileWeights = "none",
    allow_pickled_weights: Pickles = False,
    freeze: Freeze = "none",
) -> nn.Module:
    """Three blocks of convolution, batch norm, ReLU and max-pooling, then three dense layers.

    At the default width, one channel and three classes it has 118,083 trainable parameters and 448 running
    statistics: 118,531 as Keras counts them. It follows Keras where the frameworks differ: Glorot-uniform
    kernels and zero biases (https://keras.io/api/layers/convolution_layers/convolution2d/ and
    https://keras.io/api/layers/core_layers/dense/) and batch-norm epsilon 1e-3. Keras's batch-norm momentum
    of 0.99, which PyTorch calls 0.01, is not the default here, since it makes the running statistics lag: after 100
    steps more than a third of them is still what they started as, and validation scores mean little. Set
    ``norm_momentum=0.99`` for it (https://keras.io/api/layers/normalization_layers/batch_normalization/).

    Args:
        task: the learning problem; images of any channel count and at least 8×8 pixels.
        dropout: fraction of activations dropped after each of the first two dense layers, while training.
        width: filters of the first convolution; the later layers have 2, 4, 4 and 2 times as many units.
        norm_momentum: share of the batch norms' running statistics that a step keeps; Keras has 0.99.
        affect: also predict valence and arousal.
        head: "cosine": logits are head_scale times the cosine of the angle between features and class, as losses with
            angular margins want it.
        head_scale: of the logits of a cosine head.
        weights: "none", or the path of a checkpoint of this model.
        allow_pickled_weights: also read weights from pickles (.pth).
        freeze: "backbone": only the dense layers learn.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K].

    Raises:
        UserError: the input is smaller than 8×8; the weights cannot be read or do not fit; affect without such labels.
    """
    if min(task.height, task.width) < _SMALLEST_INPUT:
        raise UserError(
            f"basic-cnn: an input of {task.height}×{task.width} pixels is too small for its three poolings",
            f"Set data.image_size to {_SMALLEST_INPUT} or more.",
        )
    from ferbench_builtin.models.networks import BasicCNN
    from ferbench_builtin.models.weights import started

    model = BasicCNN(task, width, dropout, norm_momentum, affect, head, head_scale)
    return started(model, weights, allow_pickled=allow_pickled_weights, freeze=freeze)
