"""A picture in few numbers: what it shows, by which it is known again, and how it was processed.

Nothing of this gives the picture back: 64 signs of its coarsest frequencies, and four numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float32]

_GRID = 16  # cells of a side, of which the frequencies are taken
_BITS = 64
_CHUNK = 2000  # images

#: What a copy may have lost at each edge before it was brought back to its size, as shares of the side.
CROPS = (2 / 48, 4 / 48)


def gray(images: NDArray[np.uint8]) -> Gray:
    """float32[N, H, W] of uint8[N, C, H, W]: ITU-R 601-2 luma."""
    if images.shape[1] == 1:
        return images[:, 0].astype(np.float32)
    return np.einsum("nchw,c->nhw", images, np.array([0.299, 0.587, 0.114], np.float32), optimize=True)


def reduced(images: Gray, height: int, width: int, cut: float = 0.0) -> Gray:
    """float32[N, height, width]: means over areas, of the images without a share ``cut`` at each edge."""
    rows = _areas(images.shape[1], height, cut)
    columns = _areas(images.shape[2], width, cut)
    return np.asarray(rows @ images @ columns.T)


@lru_cache(maxsize=32)
def _areas(length: int, cells: int, cut: float) -> Gray:
    """float32[cells, length]: the share that each pixel has in the mean of each cell."""
    edges = length * np.linspace(cut, 1 - cut, cells + 1)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares = np.clip(overlap, 0, None)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


def layout_hashes(images: Gray, cut: float = 0.0) -> NDArray[np.uint64]:
    """uint64[N]: what pictures show, whatever their brightness, contrast, size and compression.

    The ranks of the means over 16 × 16 areas, which no change of tones alters, and of these the signs of the lowest
    frequencies of the cosine transform.

    Args:
        images: float32[N, H, W].
        cut: the share at each edge that is left out.
    """
    basis, places = _cosines(), _frequencies()
    hashes = np.zeros(len(images), np.uint64)
    for start in range(0, len(images), _CHUNK):
        cells = reduced(images[start : start + _CHUNK], _GRID, _GRID, cut).reshape(-1, _GRID * _GRID)
        ranks = cells.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable").astype(np.float32)
        spectrum = basis @ ranks.reshape(-1, _GRID, _GRID) @ basis.T
        bits = spectrum[:, places[:, 0], places[:, 1]] > 0
        hashes[start : start + len(bits)] = (
            np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u8").ravel().astype(np.uint64)
        )
    return hashes


def mirrored(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The hashes of the pictures with left and right changed over: odd frequencies of the rows have the other sign."""
    odd = np.packbits(_frequencies()[:, 1] % 2 == 1).view(">u8").astype(np.uint64)
    return hashes ^ odd[0]


@lru_cache(maxsize=1)
def _cosines() -> Gray:
    k, x = np.arange(_GRID)[:, None], np.arange(_GRID)[None]
    return np.cos(np.pi * k * (2 * x + 1) / (2 * _GRID)).astype(np.float32)


@lru_cache(maxsize=1)
def _frequencies() -> NDArray[np.int64]:
    """int64[64, 2]: the lowest ones (down, across), without the mean."""
    every = [(u, v) for u in range(_GRID) for v in range(_GRID) if u + v > 0]
    return np.array(sorted(every, key=lambda place: (place[0] ** 2 + place[1] ** 2, place))[:_BITS])


#: What is measured of a picture, in the order of `measured`.
MEASURES = ("brightness", "contrast", "sharpness", "flatness")


def measured(images: Gray) -> NDArray[np.float64]:
    """float64[N, 4] of float32[N, H, W], gray levels from 0 to 255.

    Brightness is the mean and contrast the standard deviation, both of 255. Sharpness is the mean absolute Laplacian
    by the contrast. Flatness is 1 minus the largest distance between the distribution of the gray levels and an even
    one: equalised contrast comes near 1.
    """
    flat = images.reshape(len(images), -1).astype(np.float64) / 255
    mean, deviation = flat.mean(axis=1), flat.std(axis=1)
    inner = images[:, 1:-1, 1:-1].astype(np.float64) * 4
    around = images[:, :-2, 1:-1] + images[:, 2:, 1:-1] + images[:, 1:-1, :-2] + images[:, 1:-1, 2:]
    sharpness = np.abs(inner - around).mean(axis=(1, 2)) / 255 / np.maximum(deviation, 1 / 255)
    steps = (np.arange(flat.shape[1]) + 0.5) / flat.shape[1]
    flatness = 1 - np.abs(np.sort(flat, axis=1) - steps).max(axis=1)
    return np.stack([mean, deviation, sharpness, flatness], axis=1)
