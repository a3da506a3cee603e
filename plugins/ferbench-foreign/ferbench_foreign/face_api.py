"""The expression network of face-api.js, from the files that its packages ship."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ferbench import InitialWeights, Outputs, Task, UserError
from ferbench_foreign.labels import rows_of_classes
from ferbench_foreign.resizing import resize_as_tensorflow
from ferbench_foreign.tensorflow_js import read_weights

#: ``FACE_EXPRESSION_LABELS``, in the order of its outputs.
LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")

_MANIFEST = "face_expression_model-weights_manifest.json"
_SIDE = 112
_MEAN = (122.782, 117.001, 104.298)  # of red, green and blue, of 255
_WIDTHS = (32, 64, 128, 256)


def face_api(task: Task, *, weights: Annotated[str, InitialWeights(names=("none",))] = "none") -> nn.Module:
    """The expression network of face-api.js (`FaceExpressionNet`): four blocks of depthwise separable convolutions.

    Images come in [0, 1]; the network takes the package's own mean off them. Of another size than 112×112 it enlarges
    or shrinks them as the package does to tensors.

    Args:
        task: the learning problem; RGB images, and of the classes only those that the network has labels for.
        weights: a folder with face_expression_model-weights_manifest.json and face_expression_model.bin, such as
            package/model of the npm package @vladmandic/face-api; "none": random ones, to be trained.

    Raises:
        UserError: a class has no label, images are not RGB, or the weights cannot be had or are of another network.
    """
    rows = rows_of_classes(task.class_names, LABELS, "face-api")
    if task.channels != 3:
        raise UserError(f"face-api takes RGB images, the task has {task.channels} channel", "leave data.channels out")
    network = FaceExpressionNet(task.num_classes)
    if weights != "none":
        folder = Path(weights)
        if not (folder / _MANIFEST).is_file():
            raise UserError(
                f"model.weights={weights} is no folder with {_MANIFEST}",
                "fetch the package (npm pack @vladmandic/face-api), unpack it, and name its folder package/model",
            )
        _load(network, read_weights(folder / _MANIFEST), rows, folder)
    return network


class FaceExpressionNet(nn.Module):
    """From float[N, 3, H, W] in [0, 1] to ``Outputs`` with logits float[N, K], features float[N, 256] and classifier.

    Args:
        classes: K.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        ins = (3, *_WIDTHS[:-1])
        self.blocks = nn.ModuleList(
            DenseBlock(before, width, first=before == 3) for before, width in zip(ins, _WIDTHS, strict=True)
        )
        self.fc = nn.Linear(_WIDTHS[-1], classes)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1) / 255, persistent=False)

    def forward(self, images: Tensor) -> Outputs:
        maps = resize_as_tensorflow(images, _SIDE) - self.get_buffer("mean")
        for block in self.blocks:
            maps = block(maps)
        features = maps.mean(dim=(2, 3))  # the package's 7×7 mean of what are 7×7 maps
        return Outputs(self.fc(features), features=features, classifier=self.fc)

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the final layer."""
        return list(self.fc.parameters())


class DenseBlock(nn.Module):
    """Four convolutions, each of the sum of all before it; the first halves the maps.

    Args:
        before: channels in.
        width: channels out.
        first: the first convolution is a plain one, and the others are depthwise separable.
    """

    def __init__(self, before: int, width: int, *, first: bool) -> None:
        super().__init__()
        conv0: nn.Module = nn.Conv2d(before, width, 3, stride=2) if first else Separable(before, width, stride=2)
        self.convs = nn.ModuleList([conv0, *(Separable(width, width, padding=1) for _ in range(3))])

    def forward(self, maps: Tensor) -> Tensor:
        # TensorFlow's "same" padding of an even side at stride 2: nothing before, one row after.
        total = torch.relu(self.convs[0](functional.pad(maps, (0, 1, 0, 1))))
        for conv in list(self.convs)[1:]:
            added = conv(torch.relu(total))
            total = total + added
        return torch.relu(total)


class Separable(nn.Sequential):
    """A convolution of each channel alone, then one across the channels, with a bias."""

    def __init__(self, before: int, width: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__(
            nn.Conv2d(before, before, 3, stride=stride, padding=padding, groups=before, bias=False),
            nn.Conv2d(before, width, 1),
        )


def _load(network: FaceExpressionNet, given: Mapping[str, NDArray[np.float32]], rows: list[int], folder: Path) -> None:
    """Copy weights by their names in the package; of the final layer those of the task's classes, in its order."""
    wanted: dict[str, tuple[Tensor, Tensor]] = {}
    left = dict(given)
    try:
        for parameter, name, axes in _names(network):
            array = left.pop(name)
            array = array.transpose(axes)
            if name.startswith("fc/"):
                array = array[rows]
            tensor = torch.tensor(np.ascontiguousarray(array))
            if tensor.shape != parameter.shape:
                raise ValueError(f"'{name}' is {'×'.join(map(str, given[name].shape))}")
            wanted[name] = (parameter, tensor)
        if left:
            raise ValueError(f"'{next(iter(left))}' is not of it")
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(
            f"{folder / _MANIFEST} is not of face-api's expression network: {error}",
            "take the files of the npm package @vladmandic/face-api",
        ) from error
    with torch.no_grad():
        for parameter, tensor in wanted.values():
            parameter.copy_(tensor)


def _names(network: FaceExpressionNet) -> list[tuple[Tensor, str, tuple[int, ...]]]:
    """Each parameter, its name in the package, and how its axes there are ordered here."""
    found: list[tuple[Tensor, str, tuple[int, ...]]] = []
    for place, block in enumerate(network.blocks):
        for number, conv in enumerate(block.convs):  # type: ignore[arg-type]
            where = f"dense{place}/conv{number}"
            if isinstance(conv, Separable):
                depthwise, pointwise = conv
                found.append((depthwise.weight, f"{where}/depthwise_filter", (2, 3, 0, 1)))  # type: ignore[arg-type]
                found.append((pointwise.weight, f"{where}/pointwise_filter", (3, 2, 0, 1)))  # type: ignore[arg-type]
                found.append((pointwise.bias, f"{where}/bias", (0,)))  # type: ignore[arg-type]
            else:
                found.append((conv.weight, f"{where}/filters", (3, 2, 0, 1)))
                found.append((conv.bias, f"{where}/bias", (0,)))
    return [*found, (network.fc.weight, "fc/weights", (1, 0)), (network.fc.bias, "fc/bias", (0,))]
