"""What an image is without its colours, so that a picture is known again in gray and in RGB.

A gray image that was saved in colour has three equal planes, whose luma is the image; one that was made from a colour
image, as decoding does, is its luma. So one hash of the luma finds a picture in either layout.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.data.images import pixel_hash
from ferbench.data.pack import Pack

#: Stands for a hash that is not known.
UNKNOWN = bytes(16)


def luma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8[1, H, W] of uint8[C, H, W]: ITU-R 601-2 luma, rounded as decoding to gray rounds it."""
    if len(image) == 1:
        return image
    from PIL import Image

    colour = Image.merge("RGB", [Image.fromarray(np.ascontiguousarray(plane)) for plane in image])
    return np.asarray(colour.convert("L"))[None]


def gray_hashes(pack: Pack, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """uint8[n, 16]: pixel hashes of the luma of native images; `UNKNOWN` where an older pack holds resampled ones."""
    if pack.gray_hashes is not None:
        return np.asarray(pack.gray_hashes[rows])
    if pack.images.shape[1] == 1:
        return np.asarray(pack.pixel_hashes[rows])
    if pack.stored_hashes is None:
        joined = b"".join(pixel_hash(luma(pack.images[row])) for row in rows.tolist())
        return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 16)
    return np.zeros((len(rows), 16), dtype=np.uint8)
