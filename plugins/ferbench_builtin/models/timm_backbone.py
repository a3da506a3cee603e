"""Backbones of timm (https://github.com/huggingface/pytorch-image-models) with heads for the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from ferbench import Inert, InitialWeights, Task, Tunable
from ferbench_builtin.models.options import Affect, Dropout, Freeze, Head, HeadScale, Pickles

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TimmOptions:
    """What all models on timm backbones can be told; `timm_model` says what each means."""

    weights: str
    allow_pickled_weights: bool
    dropout: float
    drop_path: float
    affect: bool
    freeze: Freeze
    head: Head
    head_scale: float


def released_as(weights: str, options: Mapping[str, Any]) -> str:
    """What the ids of a run cover for ``weights = "timm"``: the repository of the release that the name stands for."""
    if weights != "timm":
        return weights
    from ferbench_builtin.models.timm_network import pretrained_config

    return f"timm:{pretrained_config(options['backbone']).hf_hub_id}"


def timm_model(
    task: Task,
    *,
    backbone: Annotated[str, Inert()],
    weights: Annotated[str, InitialWeights(names=("none", "timm"), identify=released_as)] = "none",
    allow_pickled_weights: Pickles = False,
    dropout: Annotated[Dropout, Tunable(0.0, 0.6)] = 0.0,
    drop_path: Annotated[Dropout, Tunable(0.0, 0.3)] = 0.0,
    affect: Affect = False,
    head: Head = "linear",
    head_scale: HeadScale = 16.0,
    freeze: Freeze = "none",
) -> nn.Module:
    """Any classification backbone of timm, with fresh heads.

    Its first convolution is adapted to the task's channels (pretrained weights by summing over RGB), and where the
    architecture has a fixed input size, it is built for the task's. Images come in [0, 1]; the model itself applies the
    mean and standard deviation that its pretrained weights were made with.

    Args:
        task: the learning problem.
        backbone: a name of timm's, with or without the tag of a release, such as resnet18 or resnet18.a1_in1k. One that
            ends in the mean of its last maps has these among its outputs.
        weights: "none"; "timm": the release that the name stands for, from the Hugging Face hub or its local cache; or
            the path of a file: weights of this backbone, or a checkpoint of a run with it.
        allow_pickled_weights: also read weights from pickles (.pth).
        dropout: fraction of the features dropped before the head, while training.
        drop_path: chance that a residual branch is left out for a sample, while training (stochastic depth).
        affect: also predict valence and arousal.
        head: "cosine": logits are head_scale times the cosine of the angle between features and class, as losses with
            angular margins want it.
        head_scale: of the logits of a cosine head.
        freeze: "backbone": only the head learns.

    Returns:
        A module from float[N, C, H, W] to ``Outputs`` with logits float[N, K].

    Raises:
        UserError: timm has no such backbone, or it does not take such images or options; weights cannot be had or do
            not fit; affect without such labels.
    """
    from ferbench_builtin.models.timm_network import Normalize, build, pretrained_config

    options = TimmOptions(weights, allow_pickled_weights, dropout, drop_path, affect, freeze, head, head_scale)
    config = pretrained_config(backbone)
    return build(task, backbone, options, Normalize(config.mean, config.std, task.channels))
