"""Margins filled in when a picture was turned or moved: black, of another value, or the pixel at the edge again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float32]

_SAME = 4  # gray levels
_LEAST, _MOST = 2, 12  # pixels that a margin is wide; what is wider is what was behind somebody


def without_margins(pictures: Gray) -> tuple[Gray, NDArray[np.bool_]]:
    """Pictures (float32[n, S, S]) on whose margins what is beside them goes on, and which pixels are none, bool.

    A margin is where a row or column begins or ends with one value; the pixel after it, in which two pictures may mix,
    counts with it.
    """
    known = np.ones(pictures.shape, bool)
    for _ in range(2):  # rows, then columns
        side = pictures.shape[2]
        place = np.arange(side)
        first = _margin(pictures)[:, :, None]
        last = side - 1 - _margin(pictures[:, :, ::-1])[:, :, None]
        known &= (place >= first) & (place <= last)
        pictures = np.take_along_axis(pictures, np.clip(place, first, last), axis=2).transpose(0, 2, 1)
        known = known.transpose(0, 2, 1)
    return np.ascontiguousarray(pictures), known


def _margin(pictures: Gray) -> NDArray[np.int64]:
    """How many pixels at the beginning of each row are margin, int64[n, S]."""
    edge = pictures[:, :, : _MOST + 1]
    same = np.abs(edge - edge[:, :, :1]) <= _SAME
    width = np.where(same.all(axis=2), 0, same.argmin(axis=2))
    return np.where(width >= _LEAST, width + 1, 0)
