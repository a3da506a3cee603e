"""Any network in an ONNX file, run by onnxruntime."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ferbench import InitialWeights, Task, UserError
from ferbench_foreign.labels import rows_of_classes

_METADATA = ("labels", "class_names", "classes", "names")


def onnx(
    task: Task,
    *,
    weights: Annotated[str, InitialWeights()],
    labels: tuple[str, ...] = (),
    colors: Literal["rgb", "bgr"] = "rgb",
    scale: float = 1.0,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    outputs: Literal["logits", "probabilities"] = "logits",
) -> nn.Module:
    """A network in an ONNX file as it came: nothing of it learns, so that runs have training.epochs=0.

    Images come in [0, 1]. They are multiplied by ``scale``, then ``mean`` is subtracted and ``std`` divided by. Size
    and layout (channels first or last) are those of the file's input.

    Args:
        task: the learning problem; of the classes only those that the network has labels for.
        weights: the path of the file; it has one input, and the scores of the labels as its first output.
        labels: in the order of the outputs; none: those of the file's metadata (labels, class_names, classes or names).
        colors: the order of the colours that it takes.
        scale: 1 for networks of images in [0, 1], 255 for those of bytes.
        mean: per channel, after scaling; none: 0.
        std: per channel; none: 1.
        outputs: what it gives; its probabilities are made logits of by the logarithm.

    Raises:
        UserError: the file or onnxruntime is missing, the input is of another size, or labels do not fit the outputs or
            the task.
    """
    file = weights
    if not Path(file).is_file():
        raise UserError(f"model.weights={file} is no file", "name the ONNX file with --set model.weights=PATH")
    session = _session(file)
    shape, kind = _input(session, file)
    names = labels or _labels(session, file)
    rows = rows_of_classes(task.class_names, names, file)
    last = _is_last(shape, file)
    channels, height, width = (shape[3], shape[1], shape[2]) if last else (shape[1], shape[2], shape[3])
    for given, wanted, field in ((task.channels, channels, "channels"), (task.height, height, "image_size")):
        if isinstance(wanted, int) and wanted != given:
            raise UserError(f"{file} takes {field} {wanted}, the task has {given}", f"--set data.{field}={wanted}")
    if isinstance(width, int) and width != task.width:
        raise UserError(
            f"{file} takes {height}×{width} images, the task has {task.height}×{task.width}", "choose another"
        )
    for field, values in (("mean", mean), ("std", std)):
        if len(values) not in (0, 1, task.channels):
            raise UserError(
                f"model.{field} has {len(values)} numbers for {task.channels} channels", "give one for each"
            )
    return OnnxFile(
        session, kind, rows, len(names), last, colors == "bgr", scale, mean or (0.0,), std or (1.0,), outputs
    )


class OnnxFile(nn.Module):
    """From float[N, C, H, W] in [0, 1] to logits float[N, K]; the file has no gradient.

    Args:
        session: of onnxruntime.
        kind: numpy's type of its input.
        rows: the output of each class.
        labels: how many outputs there are.
        last: channels come last.
        reverse: blue comes first.
        scale: what pixels are multiplied by.
        mean: subtracted then.
        std: divided by then.
        outputs: what the network gives.
    """

    def __init__(
        self,
        session: Any,
        kind: type[np.generic],
        rows: Sequence[int],
        labels: int,
        last: bool,
        reverse: bool,
        scale: float,
        mean: Sequence[float],
        std: Sequence[float],
        outputs: str,
    ) -> None:
        super().__init__()
        self._session, self._kind, self._labels, self._outputs = session, kind, labels, outputs
        self._last, self._reverse, self._scale = last, reverse, scale
        self._rows = list(rows)
        self._mean = torch.tensor(mean).view(1, -1, 1, 1)
        self._std = torch.tensor(std).view(1, -1, 1, 1)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        pixels = images.detach().float().cpu()
        if self._reverse:
            pixels = pixels.flip(1)
        pixels = (pixels * self._scale - self._mean) / self._std
        if self._last:
            pixels = pixels.permute(0, 2, 3, 1)
        array = np.ascontiguousarray(pixels.numpy().astype(self._kind))
        source = self._session.get_inputs()[0]
        # A file of a fixed batch size is most often one of single images.
        step = source.shape[0] if isinstance(source.shape[0], int) else len(array)
        parts = [self._scores(source.name, array[start : start + step], step) for start in range(0, len(array), step)]
        scores = torch.from_numpy(np.concatenate(parts).astype(np.float32))
        if self._outputs == "probabilities":
            scores = scores.clamp(min=torch.finfo(torch.float32).tiny).log()
        return scores[:, self._rows].to(images.device)

    def _scores(self, name: str, array: np.ndarray[Any, Any], step: int) -> np.ndarray[Any, Any]:
        lacking = step - len(array)
        padded = np.concatenate([array, np.repeat(array[:1], lacking, axis=0)]) if lacking else array
        scores = np.asarray(self._session.run(None, {name: padded})[0])
        scores = scores.reshape(len(padded), -1)
        if scores.shape[1] != self._labels:
            raise UserError(
                f"the ONNX file gives {scores.shape[1]} numbers for an image, and has {self._labels} labels",
                "name all outputs in their order with model.labels",
            )
        return scores[: len(array)]


def _session(file: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            "onnxruntime, which runs ONNX files, is not installed", "pip install 'ferbench-foreign[onnx]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # what a damaged file raises has no type of its own
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{file} is no ONNX file that onnxruntime can run: {reason}", "export it anew") from error


def _input(session: Any, file: str) -> tuple[list[Any], type[np.generic]]:
    inputs = session.get_inputs()
    kinds: dict[str, type[np.generic]] = {
        "tensor(float)": np.float32,
        "tensor(double)": np.float64,
        "tensor(float16)": np.float16,
        "tensor(uint8)": np.uint8,
    }
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in kinds:
        found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in inputs)
        raise UserError(f"{file} does not take a batch of images: {found}", "give a network of images alone")
    return list(inputs[0].shape), kinds[inputs[0].type]


def _is_last(shape: Sequence[Any], file: str) -> bool:
    if shape[1] in (1, 3):
        return False
    if shape[3] in (1, 3):
        return True
    raise UserError(f"{file} takes neither gray nor RGB images: {list(shape)}", "give a network of 1 or 3 channels")


def _labels(session: Any, file: str) -> tuple[str, ...]:
    """Labels of the file's metadata: JSON (a list, or names by number), or names between commas."""
    about = session.get_modelmeta().custom_metadata_map
    text = next((about[key] for key in _METADATA if about.get(key)), "")
    found: Any = [part.strip() for part in text.strip("[]").split(",")]
    with contextlib.suppress(ValueError):
        found = json.loads(text)
    if isinstance(found, dict) and all(key.isdecimal() for key in found):
        found = [found[key] for key in sorted(found, key=int)]
    if not text or not isinstance(found, list) or not all(isinstance(name, str) and name for name in found):
        raise UserError(
            f"{file} does not say what its outputs are",
            'name them in their order: --set model.labels=["angry","happy"]',
        )
    return tuple(found)
