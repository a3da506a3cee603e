"""Expressions as combinations of facial action units, and the affect that follows from them.

Action units (AU) are the Facial Action Coding System's: P. Ekman, W. V. Friesen and J. C. Hager, *FACS: The
Manual* (2002). Which units make up an emotion follows EMFACS-7 (W. V. Friesen and P. Ekman, 1983); how often
each takes part is a modelling choice, so that prototypes are seldom complete.
"""

from __future__ import annotations

import numpy as np

EXPRESSIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

#: FACS names of the units that the renderer can move, by number.
ACTION_UNITS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    15: "lip corner depressor",
    16: "lower lip depressor",
    20: "lip stretcher",
    23: "lip tightener",
    25: "lips part",
    26: "jaw drop",
}

#: For each expression, the probability that a unit takes part.
PROTOTYPES: dict[str, dict[int, float]] = {
    "angry": {4: 0.95, 5: 0.7, 7: 0.9, 10: 0.2, 23: 0.9, 25: 0.15},
    "disgust": {4: 0.3, 7: 0.3, 9: 0.95, 10: 0.6, 15: 0.8, 16: 0.85, 25: 0.5},
    "fear": {1: 0.9, 2: 0.8, 4: 0.8, 5: 0.9, 7: 0.4, 20: 0.9, 25: 0.6, 26: 0.6},
    "happy": {6: 0.85, 12: 0.97, 25: 0.6, 26: 0.15},
    "neutral": {},
    "sad": {1: 0.9, 4: 0.8, 15: 0.92},
    "surprise": {1: 0.92, 2: 0.95, 5: 0.85, 25: 0.9, 26: 0.9},
}

#: What a unit at full intensity adds to (valence, arousal). A modelling choice: it puts the full prototypes
#: near where J. A. Russell, "A circumplex model of affect" (1980), has the emotions.
AFFECT_WEIGHTS: dict[int, tuple[float, float]] = {
    1: (-0.10, 0.00),
    2: (0.15, 0.15),
    4: (-0.25, 0.05),
    5: (0.00, 0.40),
    6: (0.25, 0.05),
    7: (-0.10, 0.10),
    9: (-0.40, 0.30),
    10: (-0.15, 0.10),
    12: (0.65, 0.15),
    15: (-0.40, -0.40),
    16: (-0.15, 0.15),
    20: (-0.40, 0.15),
    23: (-0.40, 0.15),
    25: (0.00, 0.10),
    26: (0.05, 0.20),
}

#: Uniform numbers that `draw_action_units` reads per face.
DRAWS = 1 + 3 * len(ACTION_UNITS)

_PROBABILITY = np.array([[PROTOTYPES[name].get(unit, 0.0) for unit in ACTION_UNITS] for name in EXPRESSIONS])
_AFFECT = np.array([AFFECT_WEIGHTS[unit] for unit in ACTION_UNITS])


def draw_action_units(expressions: np.ndarray, draws: np.ndarray, weakest: float) -> np.ndarray:
    """Intensities of the action units at the apex of an expression.

    A face has one strength, between ``weakest`` and 1; the units that take part scatter around it. Every
    face, the neutral ones too, has a trace of all other units: weak expressions look like their neighbours.

    Args:
        expressions: int[n], positions in ``EXPRESSIONS``.
        draws: float[n, DRAWS], uniform in [0, 1).
        weakest: strength of the weakest expression, in [0, 1].

    Returns:
        float[n, len(ACTION_UNITS)] in [0, 1], columns in the order of ``ACTION_UNITS``.
    """
    strength = weakest + (1 - weakest) * draws[:, :1]
    present, scatter, trace = np.split(draws[:, 1:], 3, axis=1)
    active = (present < _PROBABILITY[expressions]) * strength * (0.75 + 0.5 * scatter)
    return np.clip(np.maximum(active, 0.2 * trace**3), 0, 1)


def affect(action_units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Valence and arousal of faces, inside the unit disc, 0 for a face at rest.

    Args:
        action_units: float[n, len(ACTION_UNITS)] in [0, 1].

    Returns:
        float[n] and float[n], both in [-1, 1].
    """
    # Summed by column: the order in which BLAS adds differs between machines.
    position = sum(action_units[:, k, None] * _AFFECT[k] for k in range(len(_AFFECT)))
    assert isinstance(position, np.ndarray)
    position = position / np.maximum(1, np.sqrt(position[:, :1] ** 2 + position[:, 1:] ** 2))
    return position[:, 0], position[:, 1]
