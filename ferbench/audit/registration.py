"""Laying one picture over another: the affine map after which two agree best, and how well they then agree.

Pictures are first made even: what is left of each is how much a pixel differs from its surroundings, in units of how
much these vary, so that brightness, contrast, equalised histograms and light from one side say nothing. The map is
found by the inverse compositional algorithm (Baker and Matthews, "Lucas-Kanade 20 years on", 2004) from coarse to
fine; agreement is the correlation of what both pictures show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.audit.margins import without_margins

Gray = NDArray[np.float32]

_SURROUNDINGS = 4.0  # pixels
_LEAST_VARIATION = 6.0  # gray levels
_LEAST_KNOWN = np.float32(1e-3)  # stands for 0, which stands for what is not known
_DAMPING = 0.01
_RIM = (1.05, 0.2)  # pixels count within a circle, in half sides, that fades out over so much


def similarity_warps(degrees: NDArray[np.float64], zoom: NDArray[np.float64], shift: NDArray[np.float64]) -> Gray:
    """Maps from places in the new picture to places in the old one, float32[n, 2, 3].

    Args:
        degrees: float[n] that the picture is turned by.
        zoom: float[n], above 1: it is enlarged.
        shift: float[n, 2], pixels to the right and down.
    """
    angle = np.deg2rad(degrees)
    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    maps = np.zeros((len(angle), 2, 3), np.float32)
    maps[:, 0, 0] = maps[:, 1, 1] = cosine
    maps[:, 0, 1], maps[:, 1, 0] = sine, -sine
    maps[:, :, 2] = -np.einsum("nij,nj->ni", maps[:, :, :2], shift)
    return maps


def moved(pictures: Gray, maps: Gray) -> tuple[Gray, NDArray[np.bool_]]:
    """Pictures as maps (float32[n, 2, 3], around the centre) show them, float32[n, S, S], and which pixels are in them.

    Beyond the edge the pixel at the edge goes on.
    """
    side = pictures.shape[1]
    middle = (side - 1) / 2
    line = np.arange(side, dtype=np.float32) - middle
    across, down = (
        maps[:, axis, 0, None, None] * line
        + maps[:, axis, 1, None, None] * line[:, None]
        + (maps[:, axis, 2] + middle)[:, None, None]
        for axis in (0, 1)
    )
    inside = (across >= 0) & (across <= side - 1) & (down >= 0) & (down <= side - 1)
    np.clip(across, 0, side - 1.001, out=across)
    np.clip(down, 0, side - 1.001, out=down)
    left, top = across.astype(np.int32), down.astype(np.int32)
    across -= left
    down -= top
    place = np.arange(0, pictures.size, side * side, dtype=np.int64)[:, None, None] + top * side + left
    flat = np.ascontiguousarray(pictures).reshape(-1)
    upper, lower = flat.take(place), flat.take(place + side)
    upper += (flat.take(place + 1) - upper) * across
    lower += (flat.take(place + side + 1) - lower) * across
    upper += (lower - upper) * down
    return upper, inside


def even(pictures: Gray) -> Gray:
    """Pictures (float32[n, S, S], gray levels) without tones: each pixel against its surroundings; 0 on margins."""
    from scipy.ndimage import gaussian_filter

    pictures, known = without_margins(pictures)
    reach = (0, _SURROUNDINGS, _SURROUNDINGS)
    apart = pictures - gaussian_filter(pictures, reach)
    apart /= np.sqrt(gaussian_filter(apart * apart, reach) + _LEAST_VARIATION**2)
    return np.where(known, np.where(np.abs(apart) < _LEAST_KNOWN, _LEAST_KNOWN, apart), np.float32(0))


@dataclass(frozen=True)
class Laid:
    """Pictures laid over others.

    Attributes:
        maps: float32[n, 2, 3], from places in the one that stays to places in the other, around the centres, in pixels.
        agreement: float32[n], the correlation of what is in both.
        shared: float32[n], how much of the one that stays is in the other, from 0 to 1.
    """

    maps: Gray
    agreement: Gray
    shared: Gray

    def plausible(self) -> NDArray[np.bool_]:
        """Maps that one makes of a picture: some zoom, turn and shift, and little skew."""
        scales = np.linalg.svd(self.maps[:, :, :2], compute_uv=False)
        turn = np.abs(self.degrees)
        return (
            (scales[:, 0] < 1.5)
            & (scales[:, 1] > 1 / 1.5)
            & (scales[:, 0] < 1.25 * scales[:, 1])
            & (turn < 25)
            & (self.shared > 0.6)
        )

    @property
    def degrees(self) -> Gray:
        """How far the other one is turned."""
        return np.rad2deg(np.arctan2(self.maps[:, 1, 0] - self.maps[:, 0, 1], self.maps[:, 0, 0] + self.maps[:, 1, 1]))


def unmoved(count: int) -> Gray:
    """Maps that change nothing."""
    maps = np.zeros((count, 2, 3), np.float32)
    maps[:, 0, 0] = maps[:, 1, 1] = 1
    return maps


def scaled(maps: Gray, factor: float) -> Gray:
    """The same maps of pictures that are so much larger."""
    return maps * np.array([1, 1, factor], np.float32)


def laid(staying: Gray, others: Gray, maps: Gray, steps: int) -> Laid:
    """Improve maps, float32[n, 2, 3], of even pictures, float32[n, S, S], by so many steps."""
    count, side = staying.shape[:2]
    circle = _circle(side)
    weight = circle * (staying != 0).reshape(count, -1)
    target, jacobian = _steepest(staying, weight)
    weighted = jacobian * weight[:, None]
    hessian = weighted @ jacobian.transpose(0, 2, 1)
    size = hessian.shape[1]
    damping = _DAMPING * np.trace(hessian, axis1=1, axis2=2) / size + 1e-6
    inverse = np.linalg.inv(hessian + damping[:, None, None] * np.eye(size, dtype=np.float32))
    for _ in range(steps):
        shown, inside = moved(others, maps)
        inside = (inside & (shown != 0)).reshape(count, -1)
        normal = _normal(shown.reshape(count, -1), weight * inside)
        update = (inverse @ (weighted @ ((normal - target) * inside)[:, :, None]))[:, :, 0]
        maps = _composed(maps, update, side / 2)
    shown, inside = moved(others, maps)
    common = weight * (inside & (shown != 0)).reshape(count, -1)
    agreement = (_normal(staying.reshape(count, -1), common) * _normal(shown.reshape(count, -1), common) * common).sum(
        axis=1
    )
    return Laid(maps, agreement, common.sum(axis=1) / circle.sum())


def _circle(side: int) -> Gray:
    line = np.arange(side) - (side - 1) / 2
    radius = np.hypot(line, line[:, None]) / (side / 2)
    return np.clip((_RIM[0] - radius) / _RIM[1], 0, 1).astype(np.float32).ravel()


def _steepest(pictures: Gray, weight: Gray) -> tuple[Gray, Gray]:
    """Normal pictures, float32[n, S²], and how they change with each of six parameters, float32[n, 6, S²]."""
    count, side = pictures.shape[:2]
    down, across = (slope.reshape(count, -1) for slope in np.gradient(pictures, axis=(1, 2)))
    line = (np.arange(side, dtype=np.float32) - (side - 1) / 2) / (side / 2)
    right, below = np.tile(line, side), np.repeat(line, side)
    slopes = np.stack([across, down, across * right, across * below, down * right, down * below], axis=1)
    flat = pictures.reshape(count, -1)
    mean = (flat * weight).sum(axis=1, keepdims=True) / (weight.sum(axis=1, keepdims=True) + 1e-6)
    length = np.sqrt((np.square(flat - mean) * weight).sum(axis=1, keepdims=True)) + 1e-6
    return (flat - mean) / length, slopes / length[:, :, None]


def _normal(flat: Gray, weight: Gray) -> Gray:
    """Of mean 0 and length 1 under weights, both float32[n, P]."""
    mean = (flat * weight).sum(axis=1, keepdims=True) / (weight.sum(axis=1, keepdims=True) + 1e-6)
    centred = flat - mean
    return np.asarray(centred / (np.sqrt((centred * centred * weight).sum(axis=1, keepdims=True)) + 1e-6))


def _composed(maps: Gray, update: Gray, half: float) -> Gray:
    """Maps after the inverse of a small map, whose linear part is in units of half a side."""
    count = len(maps)
    small = np.zeros((count, 3, 3), np.float32)
    small[:, :2, :2] = np.eye(2) + update[:, 2:].reshape(count, 2, 2) / half
    small[:, :2, 2] = update[:, :2]
    small[:, 2, 2] = 1
    return np.asarray(maps @ np.linalg.inv(small))
