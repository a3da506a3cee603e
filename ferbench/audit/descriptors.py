"""What a picture shows in 64 numbers that turning, shifting, zooming and other tones hardly change.

The raw description is a histogram of oriented gradients (Dalal and Triggs, "Histograms of oriented gradients for human
detection", 2005) on a grid of 5 × 5 cells. Which combinations of its numbers tell pictures apart, and which only say
how a picture was turned, is learned from the pictures at hand: a sample of them is warped, and a linear discriminant
analysis keeps the 64 directions in which pictures differ most for how little warps move them (after Cai, Mikolajczyk
and Matas, "Learning linear discriminant projections for dimensionality reduction of image descriptors", 2011). The
description of the mirrored picture is a permutation of the numbers, so nothing is described twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ferbench.audit.margins import without_margins
from ferbench.audit.reference.sketch import gray, reduced
from ferbench.audit.registration import Gray, moved, similarity_warps
from ferbench.data.images import Images

_Value = TypeVar("_Value", bound=np.generic)

#: Side of the square images in pixels that pictures are looked at in.
SIDE = 48

_CELLS = 5
_ORIENTATIONS = 8
_KEPT = 64  # directions
_SAMPLE = 1500  # images that directions are learned from,
_WARPS = 12  # and warps of each: up to so many degrees, the logarithm of the zoom, and pixels
_DEGREES, _ZOOM, _SHIFT = 15.0, 0.15, 4.0
_GAINS, _OFFSET = (0.5, 1.6), 30.0  # of gray levels
_RIDGE = 0.05  # of the mean variance under warps
_CHUNK = 500  # images


def squared(images: Images, rows: NDArray[np.int64]) -> Gray:
    """float32[n, 48, 48], gray, of these rows of uint8[N, C, H, W]."""
    return reduced(gray(np.asarray(images[rows])), SIDE, SIDE)


@dataclass(frozen=True)
class Described:
    """Descriptions of N pictures, float32[N, 64], of length 1, as they are and mirrored."""

    plain: Gray
    mirrored: Gray


def described(images: Images, rows: NDArray[np.int64]) -> Described:
    """Describe these rows of uint8[N, C, H, W]."""
    raw = np.concatenate([_histograms(squared(images, chunk)) for chunk in _chunks(rows)])
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.permutation(len(rows))[:_SAMPLE])
    warped = [raw[chosen]]
    for number in range(_WARPS):
        warps = similarity_warps(
            rng.uniform(-_DEGREES, _DEGREES, len(chosen)),
            np.exp(rng.uniform(-_ZOOM, _ZOOM, len(chosen))),
            rng.uniform(-_SHIFT, _SHIFT, (len(chosen), 2)),
        )
        tones = rng.uniform((_GAINS[0], -_OFFSET), (_GAINS[1], _OFFSET), (len(chosen), 2)).astype(np.float32)
        parts = zip(_chunks(rows[chosen]), _chunks(warps), _chunks(tones), strict=True)
        warped.append(
            np.concatenate(
                [_histograms(_changed(squared(images, part), maps, tone, number % 2)) for part, maps, tone in parts]
            )
        )
    mean, directions = _discriminant(np.stack(warped))
    flipped = raw[:, _mirrored_places()]
    return Described(_unit((raw - mean) @ directions), _unit((flipped - mean) @ directions))


def _changed(pictures: Gray, maps: Gray, tones: Gray, first: int) -> Gray:
    """Pictures under maps and in other tones; from outside comes black, but in every second one from ``first`` on."""
    shown, inside = moved(pictures, maps)
    inside[first::2] = True
    return np.clip(shown * tones[:, :1, None] + tones[:, 1:, None], 0, 255) * inside


def _discriminant(warped: Gray) -> tuple[Gray, Gray]:
    """The mean, float32[D], and the directions, float32[D, 64], that tell apart pictures (float32[W, n, D])."""
    from scipy.linalg import eigh

    every = warped.reshape(-1, warped.shape[2])
    mean = every.mean(axis=0)
    around = (warped - warped.mean(axis=0)).reshape(every.shape)
    within = (around.T @ around / len(every)).astype(np.float64)
    between = ((every - mean).T @ (every - mean) / len(every)).astype(np.float64)
    size = len(within)
    within += (_RIDGE * np.trace(within) / size + 1e-9) * np.eye(size)
    directions = eigh(between, within, subset_by_index=(size - _KEPT, size - 1))[1]
    return mean, directions.astype(np.float32)


def _histograms(pictures: Gray) -> Gray:
    """float32[n, 200], of length 1, of float32[n, 48, 48]; 0 where a picture is of one value."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(without_margins(pictures)[0], (0, 0.7, 0.7))
    down, right = np.zeros_like(smooth), np.zeros_like(smooth)
    down[:, 1:-1] = smooth[:, 2:] - smooth[:, :-2]
    right[:, :, 1:-1] = smooth[:, :, 2:] - smooth[:, :, :-2]
    strength = np.sqrt(down * down + right * right) + 1e-3
    weight = strength / (gaussian_filter(strength, (0, 5, 5)) + 2)
    down /= strength
    right /= strength
    pool = _pool()
    cells = []
    for angle in 2 * np.pi * np.arange(_ORIENTATIONS) / _ORIENTATIONS:
        towards = np.maximum(right * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle)), 0)
        cells.append(pool @ (np.square(np.square(towards)) * weight) @ pool.T)
    return _unit(np.sqrt(np.stack(cells, axis=1).reshape(len(pictures), -1)))


@lru_cache(maxsize=1)
def _pool() -> Gray:
    """float32[5, 48]: Gaussian weights of the pixels of a side around the centre of each cell."""
    wide = SIDE / _CELLS
    centres = (np.arange(_CELLS) + 0.5) * wide - 0.5
    weights = np.exp(-0.5 * np.square((np.arange(SIDE) - centres[:, None]) / (0.6 * wide)))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=1)
def _mirrored_places() -> NDArray[np.int64]:
    """Where each number of a mirrored picture's histograms stands in those of the picture."""
    places = np.arange(_ORIENTATIONS * _CELLS * _CELLS).reshape(_ORIENTATIONS, _CELLS, _CELLS)
    turned = (_ORIENTATIONS // 2 - np.arange(_ORIENTATIONS)) % _ORIENTATIONS
    return places[turned, :, ::-1].ravel()


def _unit(vectors: Gray) -> Gray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _chunks(array: NDArray[_Value]) -> list[NDArray[_Value]]:
    return [array[start : start + _CHUNK] for start in range(0, len(array), _CHUNK)]
