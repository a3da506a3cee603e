"""What a preprocessing step is given of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Face:
    """An image before it is brought to the size that is stored.

    Attributes:
        pixels: uint8[H, W] gray or uint8[H, W, 3] RGB, upright, of any size; not to be written.
        id: of the sample; None for a picture that is in no dataset.
    """

    pixels: NDArray[np.uint8]
    id: str | None = None
