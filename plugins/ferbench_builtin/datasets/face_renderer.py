"""Draws parametric gray faces, many at a time.

A face lives in its own coordinates: origin between nose and eyes, x to the viewer's right, y down, about one
unit from the centre to the chin. Every pixel is mapped back into them (scale, shift, in-plane rotation, and
yaw and pitch over a rounded head), then shapes are laid over each other, with edges as wide as a pixel.

Pixels are made with additions, multiplications, divisions and square roots alone, which IEEE 754 rounds in
one way: no exponentials and no matrix products, whose last bits differ between machines. Sines and cosines,
of one angle per picture, are rounded from double precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ferbench_builtin.datasets.action_units import ACTION_UNITS

#: Raised when the same parameters give other pixels.
RENDERER_VERSION = 1

Array = np.ndarray
Values = Mapping[str, Array]


def render(action_units: Array, face: Values, noise: Array) -> Array:
    """Pictures of faces.

    Args:
        action_units: float[n, len(ACTION_UNITS)], intensities in [0, 1].
        face: a value float[n] for every name in ``IDENTITY``, ``POSE``, ``LIGHT`` and ``SCENE`` of
            `face_parameters`; ``glasses`` and ``patch`` are 1 where there is one, else 0.
        noise: float32[n, size, size], standard normal; its shape sets the size of the pictures.

    Returns:
        uint8[n, size, size].
    """
    size = noise.shape[-1]
    p = {name: value.astype(np.float32)[:, None, None] for name, value in face.items()}
    p |= {f"au{u}": action_units[:, k, None, None].astype(np.float32) for k, u in enumerate(ACTION_UNITS)}
    at = _place(p, size)
    albedo = _head(p, at)
    relief = _Relief(np.ones_like(at.x), np.zeros_like(at.x))
    _nose(p, at, albedo, relief)
    _mouth(p, at, albedo, relief)
    _eyes(p, at, albedo, relief)
    _brows(p, at, albedo, relief)
    _hair(p, at, albedo)
    _glasses(p, at, albedo)
    picture = albedo * _shade(p, at, relief)
    _patch(p, at, picture)
    picture = 0.5 + p["contrast"] * (picture - 0.5) + p["brightness"] + p["grain"] * noise
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class _Place:
    """Where each pixel lies, float32[n, size, size].

    Attributes:
        flat_x, flat_y: in the plane of the picture, upright: for the outline of the head.
        x, y: on the surface of the turned head: for what is on the face.
        side: -1 left, 1 right of the middle of the face.
        radius: 1 on the outline of the head.
        depth: height of the head over the picture's plane, 0 outside.
        soft: float32[n, 1, 1], width of an edge: a pixel, or more where the picture is out of focus.
    """

    flat_x: Array
    flat_y: Array
    x: Array
    y: Array
    side: Array
    radius: Array
    depth: Array
    soft: Array


@dataclass(frozen=True)
class _Relief:
    """What skin folds do to light: a factor, and a tilt of the surface to the right; both [n, size, size]."""

    folds: Array
    tilt_x: Array


def _below(distance: Array, soft: Array) -> Array:
    """Share of a pixel where ``distance`` < 0."""
    return np.clip(0.5 - distance / soft, 0, 1)


def _within(distance: Array, half_width: Array | float, soft: Array) -> Array:
    """Share of a pixel where |``distance``| < ``half_width``; right for lines thinner than a pixel too."""
    return _below(distance - half_width, soft) - _below(distance + half_width, soft)


def _spot(x: Array, y: Array) -> Array:
    """A soft round bump, 1 in the middle, 0 from radius 1 on."""
    return np.square(np.maximum(1 - x * x - y * y, 0))


def _paint(canvas: Array, tone: Array | float, share: Array) -> None:
    canvas += share * (tone - canvas)


def _fold(relief: _Relief, depth: Array | float, share: Array) -> None:
    relief.folds[...] *= 1 - depth * share


def _rotation(angle: Array) -> tuple[Array, Array]:
    exact = angle.astype(np.float64)
    return np.cos(exact).astype(np.float32), np.sin(exact).astype(np.float32)


def _place(p: Values, size: int) -> _Place:
    grid = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(2 / size) - 1
    x, y = grid[None, None, :] - p["shift_x"], grid[None, :, None] - p["shift_y"]
    cos, sin = _rotation(p["roll"])
    flat_x, flat_y = (cos * x + sin * y) * p["zoom"], (cos * y - sin * x) * p["zoom"]
    height = p["face_height"] + 0.09 * p["au26"] * (flat_y > 0)
    width = p["face_width"] * (1 - p["jaw"] * np.square(np.maximum(flat_y, 0)))
    radius2 = np.square(flat_x / width) + np.square(flat_y / height)
    depth = np.sqrt(np.maximum(1 - radius2, 0))
    turned = flat_x + p["yaw"] * depth
    return _Place(
        flat_x=flat_x,
        flat_y=flat_y,
        x=turned,
        y=flat_y + p["pitch"] * depth,
        side=np.where(turned < 0, np.float32(-1), np.float32(1)),
        radius=np.sqrt(radius2),
        depth=depth,
        soft=2 / size * p["zoom"] + p["blur"],
    )


def _head(p: Values, at: _Place) -> Array:
    albedo = p["background"] + p["background_slope"] * at.flat_x + np.zeros_like(at.x)
    behind = np.sqrt(np.square(at.flat_x / (p["face_width"] * 1.22)) + np.square((at.flat_y + 0.1) / 1.15))
    _paint(albedo, p["hair"], _below(behind - 1, at.soft) * (p["long_hair"] > 0.2))
    neck = _below(np.abs(at.flat_x) - 0.45, at.soft) * (at.flat_y > 0.6)
    _paint(albedo, p["skin"] * 0.75, neck)
    _paint(albedo, p["skin"], _below((at.radius - 1) * 0.8, at.soft))
    stubble = np.clip((at.y - p["mouth_y"] + 0.28) * 5, 0, 1) * np.clip((at.radius - 0.25) * 4, 0, 1)
    _paint(albedo, p["hair"], 0.75 * np.maximum(p["beard"], 0) * stubble * (at.radius < 1))
    return albedo


def _nose(p: Values, at: _Place, albedo: Array, relief: _Relief) -> None:
    tip = p["nose_y"] - 0.05 * p["au9"]
    wing = p["nose_width"] * (1 + 0.2 * p["au9"])
    beside = np.abs(at.x)
    ridge = at.x / (0.8 * wing)
    along = np.clip((at.y + 0.25) * 3, 0, 1) * _below(at.y - tip, at.soft + 0.08)
    relief.tilt_x[...] += 1.6 * ridge * np.square(np.maximum(1 - ridge * ridge, 0)) * along
    _fold(relief, 0.35, _spot(at.x / (1.3 * wing), (at.y - tip - 0.06) / 0.07))
    _paint(albedo, 0.08, 0.85 * _spot((beside - 0.55 * wing) / (0.45 * wing), (at.y - tip) / 0.045))

    wrinkled = _below(beside - 0.13, at.soft + 0.06) * p["au9"]
    for height in (-0.02, 0.06):
        line = at.y - p["eye_y"] - height - 0.6 * beside
        _fold(relief, 0.6, wrinkled * _within(line, 0.018, at.soft))

    corner = p["mouth_y"] - 0.1 * p["au12"] + 0.05 * p["au15"]
    top = tip - 0.05
    down = (at.y - top) / (corner + 0.02 - top)
    spread = p["mouth_width"] + 0.05 + 0.06 * p["au12"] - wing
    path = wing + 0.04 + down * spread - 0.05 * down * (1 - down)
    ends = np.clip(4 * down, 0, 1) * np.clip(4 * (1 - down), 0, 1)
    nasolabial = np.clip(0.25 * p["age"] + 0.6 * p["au12"] + 0.5 * p["au9"] + 0.4 * p["au10"], 0, 0.8)
    _fold(relief, nasolabial, _within(beside - path, 0.022, at.soft + 0.03) * ends)


def _mouth(p: Values, at: _Place, albedo: Array, relief: _Relief) -> None:
    middle = p["mouth_y"] - 0.02 * p["au12"]
    half = p["mouth_width"] * (1 + 0.28 * p["au12"] + 0.32 * p["au20"] - 0.18 * p["au23"] - 0.22 * p["au26"])
    across = at.x / half
    across2 = np.minimum(across * across, 1.2)
    arc = 1 - np.minimum(across2, 1)
    corner = p["mouth_curve"] + 0.21 * p["au12"] - 0.10 * p["au20"]
    drop = 0.22 * p["au15"]
    line = middle - corner * (across2 - 0.35) + drop * (across2 * across2 - 0.2)
    line += p["mouth_asymmetry"] * across

    parted = 0.06 * p["au25"]
    upward = parted + 0.05 * p["au10"] * (0.3 + p["au25"]) + 0.03 * p["au9"] + 0.03 * p["au26"]
    downward = parted + 0.23 * p["au26"] + 0.07 * p["au16"] + 0.03 * p["au12"] * p["au25"]
    # A stretched or bared mouth opens like a box, a dropped jaw like an ellipse.
    box = np.minimum(p["au20"] + p["au16"] + p["au10"], 1)
    opening = arc + box * (np.sqrt(arc) - arc)
    inner_top, inner_bottom = line - upward * opening, line + downward * opening
    thin = 1 - 0.75 * p["au23"]
    outer_top = inner_top - p["upper_lip"] * thin * (1 - 0.3 * p["au12"]) * arc
    outer_bottom = inner_bottom + p["lower_lip"] * thin * (1 + 0.5 * p["au16"]) * arc

    ends = _below((np.abs(across) - 1) * half, at.soft)
    lips = np.maximum(_below(outer_top - at.y, at.soft) + _below(at.y - outer_bottom, at.soft) - 1, 0) * ends
    _paint(albedo, albedo * p["lip_tone"], lips)
    open_ = np.maximum(_below(inner_top - at.y, at.soft) + _below(at.y - inner_bottom, at.soft) - 1, 0) * ends
    _paint(albedo, 0.06, open_)
    bared = np.clip(1.2 * p["au12"] + 1.2 * p["au10"] + 0.8 * p["au20"] + p["au9"], 0, 1)
    _paint(albedo, 0.92, open_ * _below(at.y - inner_top - 0.075, at.soft) * bared)
    _paint(albedo, 0.85, open_ * _below(inner_bottom - at.y - 0.06, at.soft) * np.clip(1.2 * p["au16"], 0, 1))
    seam = _within(at.y - (inner_top + inner_bottom) / 2, 0.012 + 0.006 * p["au23"], at.soft) * ends
    _paint(albedo, 0.1, 0.85 * seam * (1 - open_))
    dimple = _spot((np.abs(at.x) - half) / 0.06, (at.y - line) / 0.06)
    _fold(relief, np.clip(0.15 + 0.35 * (p["au12"] + p["au15"] + p["au20"]), 0, 0.6), dimple)
    _fold(relief, 0.25, _spot(at.x / (0.7 * half), (at.y - outer_bottom - 0.07) / 0.06))


def _eyes(p: Values, at: _Place, albedo: Array, relief: _Relief) -> None:
    beside = np.abs(at.x) - p["eye_distance"]
    middle = p["eye_y"] - p["eye_slant"] * beside / p["eye_width"]
    across = beside / p["eye_width"]
    arc = np.maximum(1 - across * across, 0)
    narrowed = np.clip(0.45 * p["au7"] + 0.25 * p["au6"] + 0.35 * p["au9"], 0, 0.75)
    upper = middle - p["eye_open"] * 1.1 * (1 + 0.9 * p["au5"]) * (1 - narrowed) * arc
    lower = middle + p["eye_open"] * (1 + 0.25 * p["au5"]) * (0.75 - narrowed - 0.35 * p["au6"]) * arc
    lower = np.maximum(lower, upper + 0.012)
    ends = _below((np.abs(across) - 1) * p["eye_width"], at.soft)
    _fold(relief, 0.3, _spot(beside / (1.7 * p["eye_width"]), (at.y - middle + 0.06) / 0.16))
    inside = np.maximum(_below(upper - at.y, at.soft) + _below(at.y - lower, at.soft) - 1, 0) * ends
    _paint(albedo, 0.55 + 0.4 * p["skin"], inside)
    iris_x, iris_y = beside - p["gaze_x"] * at.side, at.y - p["eye_y"] - p["gaze_y"]
    iris = _below(np.sqrt(iris_x * iris_x + iris_y * iris_y) - 0.08, at.soft)
    _paint(albedo, p["iris"], inside * iris)
    _paint(albedo, 0.08, 0.9 * _within(at.y - upper, 0.014, at.soft) * ends)
    _fold(relief, 0.4, _within(at.y - upper + 0.05, 0.012, at.soft + 0.02) * ends * (1 - 0.7 * p["au5"]))
    pouch = np.clip(0.2 * p["age"] + 0.55 * p["au6"] + 0.25 * p["au7"], 0, 0.7)
    _fold(relief, pouch, _within(at.y - lower - 0.055, 0.016, at.soft + 0.02) * ends)
    away = beside - p["eye_width"] - 0.03
    feet = np.clip(away * 20, 0, 1) * np.clip((0.14 - away) * 20, 0, 1)
    for slope in (-0.7, 0.5):
        _fold(relief, 0.5 * p["au6"], feet * _within(at.y - p["eye_y"] - slope * away, 0.014, at.soft))
    cheek = _spot((beside - 0.02) / 0.22, (at.y - p["eye_y"] - 0.3) / 0.16)
    relief.folds[...] *= 1 + 0.22 * p["au6"] * cheek


def _brows(p: Values, at: _Place, albedo: Array, relief: _Relief) -> None:
    beside = np.abs(at.x)
    start = p["eye_distance"] - 0.47 * p["brow_length"] - 0.05 * p["au4"]
    along = np.clip((beside - start) / p["brow_length"], 0, 1)
    back = 1 - along
    line = (
        p["eye_y"] - p["brow_gap"] + p["brow_tilt"] * (back - 0.5) - 4 * p["brow_arch"] * along * back
        - 0.26 * p["au1"] * back * back - p["au2"] * (0.07 + 0.17 * along)
        + p["au4"] * (0.03 + 0.17 * back) + 0.05 * p["au9"] * back + p["brow_asymmetry"] * at.side
    )  # fmt: skip
    ends = _below(start - beside, at.soft) * _below(beside - start - p["brow_length"], at.soft)
    share = _within(at.y - line, p["brow_thickness"] * (1 - 0.45 * along), at.soft) * ends
    _paint(albedo, p["hair"] * 0.8, share * (0.4 + 0.6 * p["brow_tone"]))
    between = _spot(at.x / 0.3, (at.y - p["eye_y"] + 0.16) / 0.16)
    _fold(relief, 0.55 * p["au4"], _within(beside - 0.055, 0.014, at.soft) * between)
    forehead = np.clip((0.5 - beside) * 5, 0, 1)
    creased = np.clip(0.1 * p["age"] + 0.3 * p["au1"] + 0.35 * p["au2"], 0, 0.6) * forehead
    for height in (0.16, 0.27):
        crease = at.y - p["eye_y"] + p["brow_gap"] + 0.08 * p["au1"] + height - 0.15 * beside * beside
        _fold(relief, creased, _within(crease, 0.014, at.soft + 0.02))


def _hair(p: Values, at: _Place, albedo: Array) -> None:
    line = p["hairline"] + p["hair_curve"] * np.square(at.x)
    top = _below((at.radius - 1.13) * 0.8, at.soft) * _below(at.y - line, at.soft + 0.04) * (at.flat_y < 0.1)
    _paint(albedo, p["hair"], top)


def _glasses(p: Values, at: _Place, albedo: Array) -> None:
    beside = np.abs(at.x)
    x, y = (beside - p["eye_distance"]) / 0.24, (at.y - p["eye_y"] - 0.03) / 0.19
    x2, y2 = x * x, y * y
    distance = (np.sqrt(np.sqrt(x2 * x2 + y2 * y2)) - 1) * 0.2
    tint = np.maximum(p["glasses_tint"], 0) * p["glasses"]
    _paint(albedo, p["glasses_tone"], _below(distance, at.soft) * tint)
    frame = _within(distance, 0.02, at.soft)
    bridge = _within(at.y - p["eye_y"], 0.016, at.soft) * (distance > 0) * (at.radius < 1)
    _paint(albedo, p["glasses_tone"], np.maximum(frame, bridge) * p["glasses"])


def _shade(p: Values, at: _Place, relief: _Relief) -> Array:
    from_x, from_y = p["from_x"], p["from_y"]
    length = np.sqrt(from_x * from_x + from_y * from_y + 0.6)
    tilt_x = at.flat_x / p["face_width"] * (at.radius < 1) + relief.tilt_x
    lit = np.maximum(tilt_x * from_x + at.flat_y * from_y + 0.2 + np.float32(0.77) * at.depth, 0) / length
    on_head = _below((at.radius - 1) * 0.8, at.soft)
    light = 1 + p["directional"] * (1.35 * lit - 1)
    light *= relief.folds
    return 1 + on_head * (light - 1)


def _patch(p: Values, at: _Place, picture: Array) -> None:
    x, y = at.flat_x - p["patch_x"], at.flat_y - p["patch_y"]
    cos, sin = _rotation(p["patch_angle"])
    along, across = cos * y - sin * x, cos * x + sin * y
    distance = np.maximum(np.abs(across) - p["patch_width"], np.abs(along) - p["patch_height"])
    hand = p["patch_is_hand"] > 0
    tone = np.where(hand, p["skin"] * 0.95, p["patch_tone"])
    cover = _below(distance, at.soft) * p["patch"]
    _paint(picture, tone, cover)
    gaps = np.abs(np.abs(across) - p["patch_width"] * 0.5)
    fingers = np.minimum(gaps, np.abs(across))
    _paint(picture, tone * 0.5, cover * hand * _within(fingers, 0.012, at.soft))
