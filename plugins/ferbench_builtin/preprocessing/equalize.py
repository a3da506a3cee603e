"""Histogram equalisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ferbench import Face

#: Luma of ITU-R BT.601, as gray images are made of colour ones.
_LUMA = (0.299, 0.587, 0.114)


def equalize() -> Callable[[Face], NDArray[np.uint8]]:
    """Each image's luma spread over all of 0 to 255, so that its histogram is as even as a function of the gray value
    can make it: Gonzalez and Woods, Digital Image Processing, section 3.3. In colour images the luma of YCbCr is
    spread, and the colour differences stay. An image of one gray value stays as it is.
    """

    def process(face: Face) -> NDArray[np.uint8]:
        pixels = face.pixels
        if pixels.ndim == 2:
            return _table(pixels)[pixels]
        luma = np.rint(pixels @ np.array(_LUMA)).astype(np.uint8)
        change = _table(luma)[luma].astype(np.int16) - luma
        return np.clip(pixels + change[:, :, None], 0, 255).astype(np.uint8)

    return process


def _table(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8[256]: the share of pixels that are darker or as dark, less that of the darkest value, over what remains."""
    counts = np.bincount(gray.reshape(-1), minlength=256)
    below = np.cumsum(counts)
    darkest = counts[counts > 0][0]
    if darkest == gray.size:
        return np.arange(256, dtype=np.uint8)
    spread = np.rint((below - darkest) * 255 / (gray.size - darkest))
    return np.clip(spread, 0, 255).astype(np.uint8)
