"""Weights and images by a formula, so that other software can be given the same ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def spread(shape: Sequence[int], start: int, low: float, high: float) -> NDArray[np.float32]:
    """Numbers between two bounds, without a pattern that layers could hide behind."""
    count = int(np.prod(shape))
    fractions = ((np.arange(count, dtype=np.int64) + start) * 7919 % 10007) / 10007
    return (low + (high - low) * fractions).astype(np.float32).reshape(shape)


def images(count: int, side: int, channels: int) -> NDArray[np.uint8]:
    """uint8[count, side, side, channels]: waves of several directions."""
    down, across = np.mgrid[0:side, 0:side] / side
    waves = [
        127 + 120 * np.sin(6.0 * (down * (1 + image) + across * (2 - channel)) + image + 2 * channel)
        for image in range(count)
        for channel in range(channels)
    ]
    return np.stack(waves).reshape(count, channels, side, side).transpose(0, 2, 3, 1).round().astype(np.uint8)


def write_face_api(folder: Path) -> None:
    """A manifest and a shard as the package has them: uint8 filters, float32 biases."""
    entries, data, start = [], b"", 0
    for name, shape in face_api_shapes():
        start += 101
        entry = {"name": name, "shape": shape, "dtype": "float32"}
        if name.endswith("bias"):
            data += spread(shape, start, -0.05, 0.05).astype("<f4").tobytes()
        else:
            fan_in = 9 if "depthwise" in name else int(np.prod(shape[:-1]))
            reach = 0.1 if name == "fc/weights" else float(np.sqrt(3 / fan_in))  # or one class takes all
            entry["quantization"] = {"dtype": "uint8", "scale": 2 * reach / 255, "min": -reach}
            data += spread(shape, start, 0, 255).round().astype(np.uint8).tobytes()
        entries.append(entry)
    manifest = [{"weights": entries, "paths": ["face_expression_model.bin"]}]
    (folder / "face_expression_model.bin").write_bytes(data)
    (folder / "face_expression_model-weights_manifest.json").write_text(json.dumps(manifest))


def face_api_shapes() -> list[tuple[str, list[int]]]:
    """Name and shape of each array of the package, in its order."""
    found: list[tuple[str, list[int]]] = []
    before = 3
    for block, width in enumerate((32, 64, 128, 256)):
        for number in range(4):
            where, ins = f"dense{block}/conv{number}", before if number == 0 else width
            if block == number == 0:
                found += [(f"{where}/filters", [3, 3, 3, width])]
            else:
                found += [(f"{where}/depthwise_filter", [3, 3, ins, 1])]
                found += [(f"{where}/pointwise_filter", [1, 1, ins, width])]
            found += [(f"{where}/bias", [width])]
        before = width
    return [*found, ("fc/weights", [256, 7]), ("fc/bias", [7])]


def fer_arrays() -> dict[str, NDArray[np.float32]]:
    """Each array of the file, by layer and name."""
    shapes: list[tuple[str, list[int]]] = [("conv2d_1/kernel", [3, 3, 1, 8]), ("conv2d_2/kernel", [3, 3, 8, 8])]
    norms = {1: 8, 2: 8}
    before = 8
    for block, width in enumerate((16, 32, 64, 128), 1):
        shapes += [(f"conv2d_{2 + block}/kernel", [1, 1, before, width])]
        for number, ins in ((2 * block - 1, before), (2 * block, width)):
            shapes += [(f"separable_conv2d_{number}/depthwise_kernel", [3, 3, ins, 1])]
            shapes += [(f"separable_conv2d_{number}/pointwise_kernel", [1, 1, ins, width])]
        norms |= dict.fromkeys(range(3 * block, 3 * block + 3), width)
        before = width
    shapes += [("conv2d_7/kernel", [3, 3, 128, 7]), ("conv2d_7/bias", [7])]
    for number, width in norms.items():
        shapes += [(f"batch_normalization_{number}/{name}", [width]) for name in _BOUNDS]
    arrays = {}
    for place, (name, shape) in enumerate(shapes):
        low, high = _BOUNDS.get(name.split("/")[1], (-0.4, 0.4))
        arrays[name] = spread(shape, 101 * place, low, high)
    return arrays


_BOUNDS = {"gamma": (0.5, 1.5), "beta": (-0.5, 0.5), "moving_mean": (-0.5, 0.5), "moving_variance": (0.5, 1.5)}


def write_fer(path: Path, arrays: dict[str, NDArray[np.float32]]) -> None:
    """An HDF5 file with the groups of Keras 2."""
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            layer, kind = name.split("/")
            file[f"model_weights/{layer}/{layer}_1/{kind}:0"] = array
