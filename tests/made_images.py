"""Tiny images and what a dataset says of them, for tests of layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ferbench import Dataset, Fault, Sample


def draw(file: Path, seed: int = 0, size: tuple[int, int] = (8, 8)) -> Path:
    """Saves noise of (height, width) in the format of the suffix, and makes the directories for it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


def samples(dataset: Dataset) -> dict[str, Sample]:
    """Samples by id, of a dataset without faults."""
    found = list(dataset.samples())
    assert not [str(item) for item in found if isinstance(item, Fault)]
    by_id = {item.id: item for item in found if isinstance(item, Sample)}
    assert len(by_id) == len(found)
    return by_id


def faults(dataset: Dataset) -> list[Fault]:
    return [item for item in dataset.samples() if isinstance(item, Fault)]


def labels(dataset: Dataset) -> dict[str, str]:
    return {sample_id: sample.label for sample_id, sample in samples(dataset).items()}
