"""What varies between rendered faces: each parameter with the range of its uniform distribution."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: What makes a person. Lengths in face units (see `face_renderer`), tones from 0 black to 1 white.
IDENTITY: dict[str, tuple[float, float]] = {
    "skin": (0.56, 0.86),
    "hair": (0.06, 0.26),
    "long_hair": (-1.0, 1.0),
    "hairline": (-0.86, -0.60),
    "hair_curve": (0.0, 0.9),
    "face_width": (0.66, 0.82),
    "face_height": (0.95, 1.06),
    "jaw": (0.04, 0.30),
    "eye_distance": (0.31, 0.38),
    "eye_y": (-0.24, -0.14),
    "eye_width": (0.155, 0.20),
    "eye_open": (0.070, 0.100),
    "eye_slant": (-0.03, 0.03),
    "iris": (0.05, 0.35),
    "brow_gap": (0.20, 0.26),
    "brow_thickness": (0.028, 0.050),
    "brow_length": (0.34, 0.44),
    "brow_arch": (0.01, 0.06),
    "brow_tilt": (-0.04, 0.04),
    "brow_tone": (0.75, 1.0),
    "nose_y": (0.17, 0.27),
    "nose_width": (0.10, 0.17),
    "mouth_y": (0.46, 0.56),
    "mouth_width": (0.28, 0.36),
    "mouth_curve": (-0.025, 0.03),
    "upper_lip": (0.030, 0.050),
    "lower_lip": (0.040, 0.070),
    "lip_tone": (0.35, 0.6),
    "age": (0.0, 0.7),
    "beard": (-3.0, 1.0),
}

#: How the head is held. Roll in radians, yaw and pitch as sines, shifts in half image widths, zoom in face
#: units per half image width.
POSE: dict[str, tuple[float, float]] = {
    "roll": (-0.12, 0.12),
    "yaw": (-0.16, 0.16),
    "pitch": (-0.08, 0.08),
    "shift_x": (-0.18, 0.18),
    "shift_y": (-0.22, 0.1),
    "zoom": (0.7, 0.88),
}

#: Where the light comes from and what the camera makes of it.
LIGHT: dict[str, tuple[float, float]] = {
    "from_x": (-1.0, 1.0),
    "from_y": (-0.9, 0.4),
    "directional": (0.0, 0.35),
    "contrast": (0.9, 1.2),
    "brightness": (-0.07, 0.07),
}

#: The rest of a picture. ``glasses`` and ``patch`` are compared with the probability that there is one.
SCENE: dict[str, tuple[float, float]] = {
    "background": (0.35, 0.8),
    "background_slope": (-0.15, 0.15),
    "gaze_x": (-0.04, 0.04),
    "gaze_y": (-0.012, 0.02),
    "brow_asymmetry": (-0.02, 0.02),
    "mouth_asymmetry": (-0.025, 0.025),
    "blur": (0.0, 0.02),
    "grain": (0.002, 0.012),
    "glasses": (0.0, 1.0),
    "glasses_tone": (0.0, 0.5),
    "glasses_tint": (-1.5, 0.5),
    "patch": (0.0, 1.0),
    "patch_x": (-0.8, 0.8),
    "patch_y": (-0.5, 0.9),
    "patch_width": (0.12, 0.32),
    "patch_height": (0.2, 0.6),
    "patch_angle": (-1.5, 1.5),
    "patch_tone": (0.05, 0.95),
    "patch_is_hand": (-1.0, 1.0),
}


def spread(ranges: Mapping[str, tuple[float, float]], draws: np.ndarray, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Values by name, each float[n], from uniform draws in [0, 1).

    Args:
        ranges: one of the tables of this module.
        draws: float[n, len(ranges)].
        scale: widens the ranges about their middles; 0 gives the middles.
    """
    return {
        name: (low + high) / 2 + scale * (high - low) * (draws[:, k] - 0.5)
        for k, (name, (low, high)) in enumerate(ranges.items())
    }
