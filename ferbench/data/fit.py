"""Bringing images of any shape to the one size that a pack stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ferbench.data.sample import Dataset, Fit


@dataclass(frozen=True, slots=True)
class StoredForm:
    """What a pack makes of an image, whatever becomes of that afterwards.

    Attributes:
        channels: 1 for gray, 3 for RGB: what images are decoded to.
        size: (height, width) that they are resampled to; None: they stay as they are.
        fit: what becomes of another aspect ratio.
        follows: the size was nobody's choice, see ``Dataset.size_follows``.
    """

    channels: int
    size: tuple[int, int] | None = None
    fit: Fit = "stretch"
    follows: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> StoredForm:
        """What a dataset asks for."""
        size = dataset.stored_size
        return cls(
            dataset.channels, None if size is None else (size[0], size[1]), dataset.fit, follows=dataset.size_follows
        )

    def store(self, native: np.ndarray) -> np.ndarray:
        """uint8[C, H, W] of an image that was decoded to ``channels``, as the pack stores it."""
        if self.size is None or native.shape[1:] == self.size:
            return native
        return fitted(native, self.size, self.fit)

    def resampling(self) -> dict[str, Any] | None:
        """``size`` and ``fit`` as records say them; None where images stay as they are."""
        return None if self.size is None else {"size": list(self.size), "fit": self.fit}

    def record(self) -> dict[str, Any]:
        """What the record of a run says: ``color``, and ``stored`` where images are brought to one size."""
        color = {"color": "gray" if self.channels == 1 else "rgb"}
        resampling = self.resampling()
        return color if resampling is None else {**color, "stored": resampling}

    def __str__(self) -> str:
        color = "gray" if self.channels == 1 else "rgb"
        return f"{color}, " + ("native size" if self.size is None else f"{self.size[0]}×{self.size[1]} ({self.fit})")


def fitted(image: np.ndarray, size: tuple[int, int], fit: Fit) -> np.ndarray:
    """An image at another size, resampled once with antialiasing (Pillow's bicubic).

    Args:
        image: uint8[C, H, W].
        size: (height, width) to bring it to.
        fit: ``stretch`` does not keep the aspect ratio; ``pad`` keeps it and fills the rest with black; ``crop``
            keeps it and cuts off what is too much, equally at both ends.

    Returns:
        uint8[C, height, width].
    """
    if fit == "pad":
        return _padded(image, size)
    height, width = image.shape[1:]
    box = (0.0, 0.0, float(width), float(height)) if fit == "stretch" else _centre(image.shape[1:], size)
    return _resampled(image, size, box)


def _centre(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the largest rectangle in the middle that has the aspect ratio of ``size``."""
    height, width = shape
    scale = min(height / size[0], width / size[1])
    # What rounding leaves below nothing would be outside the image.
    margin_y, margin_x = max(0.0, (height - size[0] * scale) / 2), max(0.0, (width - size[1] * scale) / 2)
    return margin_x, margin_y, width - margin_x, height - margin_y


def _padded(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    channels, height, width = image.shape
    scale = min(size[0] / height, size[1] / width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    ground = np.zeros((channels, *size), dtype=np.uint8)
    whole = (0.0, 0.0, float(width), float(height))
    ground[:, top : top + inner[0], left : left + inner[1]] = _resampled(image, inner, whole)
    return ground


def _resampled(image: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    height, width = size
    planes = [Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC, box=box) for plane in image]
    return np.stack([np.asarray(plane) for plane in planes])
