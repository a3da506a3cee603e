"""Backbones of timm as networks with heads: see :mod:`ferbench_builtin.models.timm_backbone` for their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import PretrainedCfg, get_pretrained_cfg, split_model_name_tag
from torch import Tensor, nn

from ferbench import Outputs, Task, UserError, did_you_mean, hub_file, one_line, warn_on_stderr
from ferbench_builtin.models.backbone import BackboneAndHeads
from ferbench_builtin.models.efficientnet_layout import is_efficientnet_pytorch, timm_names
from ferbench_builtin.models.heads import Heads
from ferbench_builtin.models.timm_backbone import TimmOptions
from ferbench_builtin.models.weights import load_state, read_state

_HUB_FILE = "model.safetensors"


def pretrained_config(backbone: str) -> PretrainedCfg:
    """What timm knows of a backbone's release: where its weights are, its input, its classifier's name.

    Raises:
        UserError: timm has no such backbone or release.
    """
    name, tag = split_model_name_tag(backbone)
    if not timm.is_model(name):
        hint = did_you_mean(name, timm.list_models())
        raise UserError(
            f"timm {timm.__version__} has no backbone '{backbone}'", f"{hint}timm.list_models() gives all names"
        )
    try:
        config = get_pretrained_cfg(backbone)
    except RuntimeError as error:
        releases = ", ".join(one.partition(".")[2] for one in timm.list_pretrained(f"{name}.*")) or "none"
        raise UserError(f"timm's '{name}' has no release '{tag}'", f"its releases: {releases}") from error
    return config if config is not None else PretrainedCfg(architecture=name)


def build(
    task: Task,
    backbone: str,
    options: TimmOptions,
    normalize: nn.Module,
    head_type: Callable[..., Any] = Heads,
) -> TimmModel:
    """A backbone of timm with heads; ``normalize`` comes before it.

    Args:
        task: the learning problem.
        backbone: timm's name of it.
        options: what the user wants of it.
        normalize: images → images.
        head_type: makes the heads, as `Heads` does; another one than that is given the maps beside the features.
    """
    config = pretrained_config(backbone)
    state = None
    if options.weights == "timm":
        state = read_state(str(_release(backbone, config)), allow_pickled=False)
    elif options.weights != "none":
        state = read_state(options.weights, allow_pickled=options.allow_pickled_weights)
        if is_efficientnet_pytorch(state):
            state = timm_names(state, backbone, options.weights)
    is_checkpoint = state is not None and any(key.startswith("backbone.") for key in state)
    classifier: dict[str, Tensor] = {}
    if state is not None and not is_checkpoint:
        classifier = _take_classifier(state, config)
    net = _backbone(task, backbone, config, options, None if is_checkpoint else state)
    features, mapped = _features(net, task, backbone, config)
    heads = head_type(
        features,
        task,
        dropout=options.dropout,
        affect=options.affect,
        head=options.head,
        scale=options.head_scale,
    )
    model = TimmModel(normalize, net, heads, mapped=mapped)
    if is_checkpoint:
        assert state is not None
        load_state(model, state, options.weights)
    elif options.weights not in ("none", "timm"):
        _give_classifier(heads.expression, classifier, options.weights)
    if options.freeze == "backbone":
        model.freeze_backbone()
    return model


class Normalize(nn.Module):
    """Subtracts a mean per channel and divides by a standard deviation; both averaged where channels differ.

    Args:
        mean: of images in [0, 1].
        std: likewise.
        channels: C of the images.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], channels: int) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            fitted = values if len(values) == channels else (sum(values) / len(values),) * channels
            self.register_buffer(name, torch.tensor(fitted).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.get_buffer("mean")) / self.get_buffer("std")


class TimmModel(BackboneAndHeads):
    """See :func:`ferbench_builtin.models.timm_backbone.timm_model`."""

    def __init__(self, normalize: nn.Module, backbone: nn.Module, heads: Heads, *, mapped: bool) -> None:
        super().__init__(backbone, heads, mapped=mapped)
        self.normalize = normalize

    def forward(self, images: Tensor) -> Outputs:
        return super().forward(self.normalize(images))


def _release(backbone: str, config: PretrainedCfg) -> Path:
    """The weights of a release, from the hub or its cache."""
    if not config.hf_hub_id:
        raise UserError(
            f"timm has no weights for '{backbone}' on the Hugging Face hub", "use model.weights=none or a file"
        )
    remedy = (
        f"fetch {_HUB_FILE} of {config.hf_hub_id} where there is a network, and say --set model.weights=PATH; "
        "or train from scratch with model.weights=none"
    )
    return hub_file(config.hf_hub_id, config.hf_hub_filename or _HUB_FILE, remedy=remedy)


def _take_classifier(state: dict[str, Tensor], config: PretrainedCfg) -> dict[str, Tensor]:
    """Remove the classifier from a backbone's weights; the result has the names "weight" and "bias"."""
    names = (config.classifier,) if isinstance(config.classifier, str) else tuple(config.classifier or ())
    taken: dict[str, Tensor] = {}
    for name in names:
        for part in ("weight", "bias"):
            value = state.pop(f"{name}.{part}", None)
            if value is not None:
                taken.setdefault(part, value)
    return taken


def _give_classifier(layer: nn.Linear, classifier: Mapping[str, Tensor], source: str) -> None:
    """Put a file's classifier into the head where its shape fits, else say that it was left out."""
    shapes = {part: own.shape for part, own in layer.named_parameters()}
    if {part: value.shape for part, value in classifier.items()} == shapes:
        layer.load_state_dict(dict(classifier))
        return
    found = f"{len(classifier['weight'])} classes" if "weight" in classifier else "no classifier"
    warn_on_stderr(f"the head starts afresh: {source} has {found}, the task {layer.out_features}")


def _backbone(
    task: Task, backbone: str, config: PretrainedCfg, options: TimmOptions, state: dict[str, Tensor] | None
) -> nn.Module:
    """timm's model without a classifier, with ``state`` adapted to the task's input."""
    arguments: dict[str, Any] = {}
    if config.fixed_input_size:
        arguments["img_size"] = (task.height, task.width)
    if options.drop_path:
        arguments["drop_path_rate"] = options.drop_path
    if state is not None:
        # With as many classes in the file as in the model, none, timm insists on every other name.
        arguments |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state, "num_classes": 0}}
    try:
        net = timm.create_model(backbone, num_classes=0, in_chans=task.channels, **arguments)
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise UserError(f"timm's '{backbone}' has no stochastic depth", "leave model.drop_path at 0") from error
    except Exception as error:  # whatever an architecture's own checks raise
        if state is None:
            raise _refused(task, backbone, config, error) from error
        raise UserError(
            f"{options.weights} does not fit timm's '{backbone}': {_first_lines(error)}",
            "give weights of this backbone, or name the backbone that they are of",
        ) from error
    vars(net)["pretrained_cfg"].pop("state_dict", None)  # or the file's weights stay in memory beside the model's
    return net


def _features(net: Any, task: Task, backbone: str, config: PretrainedCfg) -> tuple[int, bool]:
    """Length of the feature vector, and whether it is the means of the last maps, by an image of noise."""
    was_training, mapped = net.training, False
    noise = torch.rand(1, task.channels, task.height, task.width, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            features = net.eval()(noise)
            maps = net.forward_features(noise) if hasattr(net, "forward_head") else None
            if isinstance(maps, Tensor) and maps.ndim == 4 and maps.shape[:2] == features.shape:
                means = maps.mean((2, 3))
                mapped = torch.equal(net.forward_head(maps), features) and torch.allclose(means, features, rtol=1e-4)
    except Exception as error:  # whatever an architecture says of images that it cannot take
        raise _refused(task, backbone, config, error) from error
    net.train(was_training)
    if not isinstance(features, Tensor) or features.ndim != 2:
        raise UserError(f"timm's '{backbone}' gives no feature vectors", "choose a backbone for classification")
    return features.shape[1], mapped


def _refused(task: Task, backbone: str, config: PretrainedCfg, error: Exception) -> UserError:
    return UserError(
        f"timm's '{backbone}' does not take {task.channels}×{task.height}×{task.width} images: {_reason(error)}",
        f"its own size is {config.input_size[-1]}: --set data.image_size={config.input_size[-1]}",
    )


def _reason(error: Exception) -> str:
    return one_line(str(error)) or type(error).__name__


def _first_lines(error: Exception) -> str:
    """What torch says of missing and unexpected weights, or any other error, cut short."""
    lines = [line.strip() for line in str(error).splitlines()[1:4]] or [_reason(error)]
    return "; ".join(line if len(line) < 160 else f"{line[:159]}…" for line in lines)
