"""What FER2013 calls its classes and parts."""

from __future__ import annotations

#: Sorted, as every class list is; the table's emotion numbers have another order.
CLASS_NAMES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

#: Class names by the table's emotion number.
BY_EMOTION = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

PARTS = ("Training", "PublicTest", "PrivateTest")

#: (height, width) of every image.
SIZE = (48, 48)

_ALIASES = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}


def class_named(name: str) -> str | None:
    """The class that a folder or column stands for, None if for none."""
    plain = name.strip().lower()
    plain = _ALIASES.get(plain, plain)
    return plain if plain in CLASS_NAMES else None
