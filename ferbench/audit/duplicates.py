"""Images that are there more than once, pixel by pixel, and images of one value."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from ferbench.data.gray import gray_hashes, luma
from ferbench.data.images import Images
from ferbench.data.pack import Pack

_CHUNK = 2000  # images


def exact_groups(pack: Pack) -> NDArray[np.int64]:
    """Group numbers, int64[N]: images with the same native pixels, colours aside, have equal numbers.

    They are told by SHA-256 of their luma. Where images of several sizes were packed at one size, the native pixels
    are no longer there, and the 128 bits of BLAKE2b that were taken of them stand in.
    """
    if pack.stored_hashes is None:
        digests = (sha256(luma(pack.images[row]).tobytes()).digest() for row in range(len(pack)))
    else:
        gray = gray_hashes(pack, np.arange(len(pack)))
        known = gray if gray.any(axis=1).all() else pack.pixel_hashes  # packs of older releases know no luma
        digests = (row.tobytes() for row in known)
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(digest, len(numbers)) for digest in digests], dtype=np.int64)


def constant_images(images: Images) -> NDArray[np.int64]:
    """The numbers of the images (uint8[N, C, H, W]) in which every channel has one value."""
    constant = []
    for start in range(0, len(images), _CHUNK):
        chunk = np.asarray(images[start : start + _CHUNK])
        flat = chunk.reshape(*chunk.shape[:2], -1)
        constant.append(start + np.flatnonzero((flat.min(axis=2) == flat.max(axis=2)).all(axis=1)))
    return np.concatenate(constant) if constant else np.zeros(0, np.int64)


def joined(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group numbers, int64[count], of what pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)
