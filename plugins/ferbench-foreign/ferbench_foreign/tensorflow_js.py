"""Weights as TensorFlow.js has them on the disk: a manifest of names, shapes and quantisation, and shards of bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench import UserError

_LARGEST = 256 * 2**20  # bytes, of a manifest and of its shards


def read_weights(manifest: Path) -> dict[str, NDArray[np.float32]]:
    """Arrays by name, as TensorFlow.js's ``decodeWeights`` gives them: ``float32``, or ``scale`` × integer + ``min``.

    Args:
        manifest: the file ``…-weights_manifest.json``; its shards lie beside it.

    Raises:
        UserError: it is no such manifest, or a shard is missing or of another length.
    """
    try:
        groups = json.loads(_bytes(manifest))
        return {name: array for group in groups for name, array in _group(group, manifest)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{manifest} is no weights manifest of TensorFlow.js: {type(error).__name__}: {error}",
            "fetch it and its shards anew from the package that they are of",
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"{path.name} has more than {_LARGEST:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}",
            "fetch it from the package that it is of, and keep its files together",
        ) from error


def _group(group: Mapping[str, Any], manifest: Path) -> list[tuple[str, NDArray[np.float32]]]:
    names = [Path(path) for path in group["paths"]]
    if outside := [path for path in names if path.name != str(path)]:
        raise ValueError(f"the shard '{outside[0]}' is not beside it")
    data = b"".join(_bytes(manifest.parent / path) for path in names)
    arrays, place = [], 0
    for entry in group["weights"]:
        quantised = entry.get("quantization")
        dtype = np.dtype(quantised["dtype"] if quantised else entry["dtype"]).newbyteorder("<")
        if entry["dtype"] != "float32" or dtype.name not in ("float32", "uint8", "uint16"):
            raise ValueError(f"'{entry['name']}' is {dtype.name}, which expression networks are not")
        shape = [int(length) for length in entry["shape"]]
        count = int(np.prod(shape, dtype=object))
        values = np.frombuffer(data, dtype, count, place).reshape(shape).astype(np.float32)
        place += count * dtype.itemsize
        if quantised:
            values = values * np.float32(quantised["scale"]) + np.float32(quantised["min"])
        arrays.append((str(entry["name"]), values))
    if place != len(data):
        raise ValueError(f"its shards have {len(data):,} bytes, and its weights {place:,}")
    return arrays
