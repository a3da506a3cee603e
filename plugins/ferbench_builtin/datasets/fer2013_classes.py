"""What FER2013 calls its classes and parts."""

from __future__ import annotations

from ferbench import expressions

#: Sorted, as every class list is; the table's emotion numbers have another order.
CLASS_NAMES = expressions.BASIC

#: Class names by the table's emotion number.
BY_EMOTION = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

PARTS = ("Training", "PublicTest", "PrivateTest")

#: (height, width) of every image.
SIZE = (48, 48)


def class_named(name: str) -> str | None:
    """The class that a folder or column stands for, None if for none."""
    label = expressions.expression_named(name)
    return label if label in CLASS_NAMES else None
