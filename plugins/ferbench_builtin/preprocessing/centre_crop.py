"""A crop about the centre."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from ferbench import Face, Tunable


def centre_crop(
    *, share: Annotated[float, Interval(gt=0, le=1), Tunable(0.6, 1.0)] = 0.8
) -> Callable[[Face], NDArray[np.uint8]]:
    """The middle of each image, for faces with wide margins around them.

    Args:
        share: of each side that is kept.
    """

    def process(face: Face) -> NDArray[np.uint8]:
        height, width = face.pixels.shape[:2]
        rows, columns = max(1, round(share * height)), max(1, round(share * width))
        top, left = (height - rows) // 2, (width - columns) // 2
        return face.pixels[top : top + rows, left : left + columns]

    return process
