"""Any image classifier of transformers as a model of ferbench."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from ferbench import Inert, InitialWeights, Outputs, Permission, Task, UserError, warn_on_stderr
from ferbench_transformers.files import checkpoint_folder
from ferbench_transformers.labels import rows_of_classes
from ferbench_transformers.weights import load_weights


def hf_image_classifier(
    task: Task,
    *,
    checkpoint: Annotated[str, InitialWeights()],
    revision: str | None = None,
    weights: Annotated[str, InitialWeights(names=("none",))] = "none",
    new_classes: Annotated[bool, Inert()] = False,
    allow_pickled_weights: Annotated[bool, Permission()] = False,
    freeze: Literal["none", "backbone"] = "none",
) -> nn.Module:
    """Any image classifier that transformers' AutoModelForImageClassification loads, with its head fitted to the task.

    Each class takes the classifier's row of the label with its name or a synonym, in the task's order; labels that the
    task has not are dropped. Images come in [0, 1]; the model itself applies the mean and standard deviation of the
    checkpoint's image processor.

    Args:
        task: the learning problem; RGB images of the size that the checkpoint's image processor makes.
        checkpoint: a folder with config.json, preprocessor_config.json and weights, or owner/name on the Hugging Face
            hub, which must have model.safetensors.
        revision: branch, tag or commit on the hub.
        weights: "none": the checkpoint's; or the path of a run's checkpoints/best.safetensors, to go on from: a run
            with the same checkpoint and the same classes in the same order.
        new_classes: give classes that the checkpoint has no label for a fresh row, to be learnt.
        allow_pickled_weights: where a folder has no safetensors, read its pytorch_model.bin, limited to tensors.
        freeze: "backbone": only the classifier learns.

    Returns:
        A module from float[N, 3, H, W] to ``Outputs`` with logits float[N, K], and features and classifier where one
        linear layer makes the logits.

    Raises:
        UserError: the checkpoint cannot be had or read, takes other images, or lacks a class; the weights cannot be
            read or do not fit.
    """
    folder = checkpoint_folder(checkpoint, revision)
    import transformers  # takes seconds, which options and a checkpoint that is not there need not wait for
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    transformers.utils.logging.disable_progress_bar()
    pickled = allow_pickled_weights and not any(folder.glob("*.safetensors"))
    if pickled:
        warn_on_stderr(f"reading pickled weights of {checkpoint}, limited to tensors (weights_only)")
    try:
        # Code that a checkpoint brings along is never run.
        processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=False).to_dict()
        model = AutoModelForImageClassification.from_pretrained(
            folder, use_safetensors=not pickled, weights_only=True, trust_remote_code=False
        ).float()
    except Exception as error:
        # A damaged pickle fails in any way.
        if not pickled and not isinstance(error, (OSError, ValueError, ImportError, RuntimeError)):
            raise
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{checkpoint} is no image classifier that transformers can load: {reason}",
            "give a checkpoint with model.safetensors; a pytorch_model.bin needs model.allow_pickled_weights=true",
        ) from error
    _check_input(task, processor, checkpoint)
    rows = rows_of_classes(
        task.class_names, model.config.id2label, new_classes=new_classes, checkpoint=f"checkpoint {checkpoint}"
    )
    heads = _fit_heads(model, rows, checkpoint)
    classifier = HFImageClassifier(model, heads, *_normalization(processor, task.channels))
    if weights != "none":
        load_weights(classifier, weights)
    if freeze == "backbone":
        classifier.freeze_backbone()
    return classifier


class HFImageClassifier(nn.Module):
    """A classifier of transformers behind ferbench's contract.

    Args:
        model: from pixel values to something with ``logits``.
        heads: its final layers.
        scale: what pixels in [0, 1] are multiplied by first.
        mean: per channel, subtracted then.
        std: per channel, divided by then.
    """

    def __init__(
        self, model: nn.Module, heads: Sequence[nn.Linear], scale: float, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.model = model
        self._heads = list(heads)  # in a list, so that they are not registered twice
        self._frozen = False
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1) / scale, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1) / scale, persistent=False)

    def forward(self, images: Tensor) -> Outputs:
        pixels = (images - self.get_buffer("mean")) / self.get_buffer("std")
        called: list[tuple[nn.Linear, Tensor, Tensor]] = []

        def remember(head: nn.Module, given: tuple[Tensor], gave: Tensor) -> None:
            assert isinstance(head, nn.Linear)
            called.append((head, given[0], gave))

        with contextlib.ExitStack() as stack:
            for head in self._heads:
                stack.callback(head.register_forward_hook(remember).remove)
            logits = self.model(pixel_values=pixels).logits
        for head, features, gave in called:
            if gave is logits and features.ndim == 2:  # else several heads, or a later layer, make the logits
                return Outputs(logits, features=features, classifier=head)
        return Outputs(logits)

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the final layers."""
        return [parameter for head in self._heads for parameter in head.parameters()]

    def freeze_backbone(self) -> None:
        """From now on only the final layers learn; all else stays in evaluation mode."""
        self._frozen = True
        self.requires_grad_(False)
        for parameter in self.head_parameters():
            parameter.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> HFImageClassifier:
        super().train(mode)
        if self._frozen:
            self.model.eval()
        return self


def _check_input(task: Task, processor: dict[str, Any], checkpoint: str) -> None:
    size = _input_size(processor)
    if size is not None and size != (task.height, task.width):
        height, width = size
        remedy = f"--set data.image_size={height}" if height == width else "choose a checkpoint for square images"
        raise UserError(
            f"checkpoint {checkpoint} takes {height}×{width} images, the task has {task.height}×{task.width}", remedy
        )
    if task.channels != len(processor.get("image_mean") or (0, 0, 0)):
        raise UserError(
            f"checkpoint {checkpoint} does not take {task.channels}-channel images", "leave data.channels out"
        )


def _input_size(processor: dict[str, Any]) -> tuple[int, int] | None:
    """(height, width) of the images that an image processor makes, None where it leaves them as they are."""
    cropped = processor.get("do_center_crop") and processor.get("crop_size")
    size = cropped or (processor.get("do_resize", True) and processor.get("size"))
    if not size:
        return None
    if isinstance(size, int):
        return size, size
    if size.get("height"):
        return size["height"], size["width"]
    side = size.get("shortest_edge")
    return (side, side) if side else None


def _normalization(processor: dict[str, Any], channels: int) -> tuple[float, list[float], list[float]]:
    """What an image processor does to pixels: scale of those in [0, 1], mean and standard deviation after that."""
    scale = 255 * float(processor.get("rescale_factor") or 1 / 255) if processor.get("do_rescale", True) else 255.0
    if not processor.get("do_normalize", True) or not processor.get("image_mean"):
        return scale, [0.0] * channels, [1.0] * channels
    return scale, list(processor["image_mean"]), list(processor["image_std"])


def _fit_heads(model: Any, rows: Sequence[int | None], checkpoint: str) -> list[nn.Linear]:
    """Replace each final layer by one with the task's classes: copied rows, fresh ones for None."""
    inner = f"{model.base_model_prefix}."
    found = [
        (name, layer)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer.out_features == model.config.num_labels and not name.startswith(inner)
    ]
    if not found:
        raise UserError(f"checkpoint {checkpoint} has no linear classifier to fit to the task", "choose another one")
    return [_replace(model, name, layer, rows) for name, layer in found]


def _replace(model: Any, name: str, layer: nn.Linear, rows: Sequence[int | None]) -> nn.Linear:
    fitted = nn.Linear(layer.in_features, len(rows), bias=layer.bias is not None)
    nn.init.normal_(fitted.weight, std=getattr(model.config, "initializer_range", 0.02))
    with torch.no_grad():
        if fitted.bias is not None:
            fitted.bias.zero_()
        for k, row in enumerate(rows):
            if row is not None:
                fitted.weight[k] = layer.weight[row]
                if fitted.bias is not None:
                    fitted.bias[k] = layer.bias[row]
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, fitted)
    return fitted
