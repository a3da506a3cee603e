"""A dataset from a list, and packing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferbench
from ferbench import Fault, Sample
from ferbench.data.pack import Pack
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset

CLASSES = ("calm", "glad")


class Listed(ferbench.Dataset):
    """A dataset from a list; counts how often it is read."""

    def __init__(
        self,
        items: list[Sample | Fault],
        *,
        class_names: tuple[str, ...] = CLASSES,
        channels: int = 1,
        native_size: tuple[int, int] | None = None,
        stored_size: tuple[int, int] | None = None,
        stamp: str = "first",
    ) -> None:
        self.items = items
        self.class_names = class_names
        self.channels = channels
        self.native_size = native_size
        self.stored_size = stored_size
        self.stamp = stamp
        self.reads = 0

    @property
    def notes(self) -> Mapping[str, Any]:
        return {"reads": self.reads}

    def source(self) -> Mapping[str, Any]:
        return {"stamp": self.stamp}

    def samples(self) -> Iterator[Sample | Fault]:
        self.reads += 1
        yield from self.items


def picture(seed: int, height: int = 6, width: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def good(count: int = 8, **changes: Any) -> list[Sample | Fault]:
    return [
        Sample(
            id=f"s{index}",
            part="train" if index < count // 2 else "test",
            label=CLASSES[index % 2],
            image=picture(index),
            location=f"table.csv, row {index + 2}",
            **changes,
        )
        for index in range(count)
    ]


def pack(dataset: ferbench.Dataset, cache: Path, **options: Any) -> Pack:
    return pack_dataset(dataset, name="listed", cache=cache, **options)


def reasons(items: list[Sample | Fault], cache: Path, **options: Any) -> list[str]:
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items, **options), cache)
    assert not list((cache / "packs").iterdir()), "a refused dataset left something behind"
    return [fault.reason for fault in caught.value.faults]


def with_image(image: Any) -> list[Sample | Fault]:
    items = good()
    items[3] = replace(items[3], image=image)
    return items
