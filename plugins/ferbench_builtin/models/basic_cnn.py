"""The basic CNN of system S2, a small network that a laptop trains in minutes."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Interval
from torch import Tensor, nn

from ferbench import Inert, Outputs, Permission, Task, Tunable, UserError
from ferbench_builtin.models.backbone import Freezable, Freeze
from ferbench_builtin.models.heads import affect_head
from ferbench_builtin.models.weights import FileWeights, started

_SMALLEST_INPUT = 8  # three halvings leave one pixel


def basic_cnn(
    task: Task,
    *,
    dropout: Annotated[float, Interval(ge=0, lt=1), Tunable(0.0, 0.6)] = 0.3,
    width: Annotated[int, Ge(1), Tunable(8, 64, step=8)] = 32,
    norm_momentum: Annotated[float, Interval(ge=0, lt=1), Tunable(0.9, 0.99)] = 0.9,
    affect: Annotated[bool, Inert()] = False,
    weights: FileWeights = "none",
    allow_pickled_weights: Annotated[bool, Permission()] = False,
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
    model = BasicCNN(task, width, dropout, norm_momentum, affect)
    return started(model, weights, allow_pickled=allow_pickled_weights, freeze=freeze)


class BasicCNN(Freezable):
    """See :func:`basic_cnn`."""

    head_children = ("dense1", "relu4", "dropout1", "dense2", "relu5", "dropout2", "dense3", "affect")
    classifier = "dense3"
    affect_layer = "affect"

    def __init__(self, task: Task, width: int, dropout: float, norm_momentum: float, affect: bool) -> None:
        super().__init__()
        momentum = 1 - norm_momentum  # Keras names the share that is kept, PyTorch the share that is replaced
        self.conv1 = nn.Conv2d(task.channels, width, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(width, eps=1e-3, momentum=momentum)
        self.relu1 = nn.ReLU(inplace=True)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(2 * width, eps=1e-3, momentum=momentum)
        self.relu2 = nn.ReLU(inplace=True)
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.norm3 = nn.BatchNorm2d(4 * width, eps=1e-3, momentum=momentum)
        self.relu3 = nn.ReLU(inplace=True)
        self.pool3 = nn.MaxPool2d(2)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dense1 = nn.Linear(4 * width, 4 * width)
        self.relu4 = nn.ReLU(inplace=True)
        self.dropout1 = nn.Dropout(dropout)
        self.dense2 = nn.Linear(4 * width, 2 * width)
        self.relu5 = nn.ReLU(inplace=True)
        self.dropout2 = nn.Dropout(dropout)
        self.dense3 = nn.Linear(2 * width, task.num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        self.affect = affect_head(task, 2 * width, wanted=affect)

    def forward(self, images: Tensor) -> Outputs:
        x = self.pool1(self.relu1(self.norm1(self.conv1(images))))
        x = self.pool2(self.relu2(self.norm2(self.conv2(x))))
        x = self.pool3(self.relu3(self.norm3(self.conv3(x))))
        x = self.global_pool(x).flatten(1)
        x = self.dropout1(self.relu4(self.dense1(x)))
        x = self.dropout2(self.relu5(self.dense2(x)))
        return Outputs(self.dense3(x), None if self.affect is None else self.affect(x))
