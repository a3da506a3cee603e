"""One frame of a sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.data.decode import DecodeError


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        index: its place among all frames of the sequence, from 0, those included that were passed over.
        name: of its file; of a video or animation ``frame 12``.
        seconds: since the first frame; None where there is no time.
        pixels: uint8[C, h, w]; None where there is a fault.
        fault: why it cannot be seen; empty when it can.
    """

    index: int
    name: str
    seconds: float | None
    pixels: NDArray[np.uint8] | None
    fault: str = ""


def seen(index: int, name: str, seconds: float | None, pixels: Callable[[], NDArray[np.uint8]]) -> Frame:
    """A frame of the pixels that a function gives, or of the fault that it meets."""
    try:
        return Frame(index, name, seconds, pixels())
    except DecodeError as error:
        return Frame(index, name, seconds, None, error.reason)
