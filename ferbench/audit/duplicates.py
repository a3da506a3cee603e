"""Images that are there more than once: exactly, and nearly.

Exact copies have the same SHA-256 of their native pixels, colours aside: a picture in gray is a copy of it in RGB. Near
copies are found by a perceptual hash: the signs of the lowest frequencies of an image's cosine transform against their
median, which scaling, compression and brightness hardly change (after Zauner, "Implementation and benchmarking of
perceptual image hash functions", 2010). Candidates that differ in few bits are then compared as images.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from ferbench.audit.neighbours import near_pairs
from ferbench.data.gray import gray_hashes, luma
from ferbench.data.images import Images
from ferbench.data.pack import Pack

#: Bits in which the hashes of near copies may differ, and the correlation that their pixels must reach.
MOST_BITS = 6
LEAST_CORRELATION = 0.9

_FREQUENCIES = 8
_CHUNK = 2000  # images, or pairs


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


def perceptual_hashes(images: Images) -> NDArray[np.uint64]:
    """A hash of 64 bits for each image, uint64[N], of uint8[N, C, H, W]; colours are averaged.

    Each bit says whether one of the lowest 8 × 8 frequencies, the mean left out, is above their median.
    """
    from scipy.fft import dct

    height, width = images.shape[2:]
    rows = dct(np.eye(height), axis=0, norm="ortho")[:_FREQUENCIES].astype(np.float32)
    columns = dct(np.eye(width), axis=0, norm="ortho")[:_FREQUENCIES].astype(np.float32)
    hashes = np.zeros(len(images), np.uint64)
    for start in range(0, len(images), _CHUNK):
        gray = np.asarray(images[start : start + _CHUNK]).mean(axis=1, dtype=np.float32)
        spectrum = (rows @ gray @ columns.T).reshape(len(gray), -1)
        bits = spectrum > np.median(spectrum[:, 1:], axis=1, keepdims=True)
        bits[:, 0] = False
        packed = np.ascontiguousarray(np.packbits(bits, axis=1))
        hashes[start : start + len(gray)] = packed.view(">u8").ravel().astype(np.uint64)
    return hashes


def near_groups(images: Images, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group numbers, int64[n], of the images with these row numbers: those that look the same have equal numbers.

    Two images look the same when their hashes differ in at most `MOST_BITS` bits and their pixels have a correlation of
    `LEAST_CORRELATION` or more; a group is what such pairs connect.
    """
    groups = np.arange(len(rows))
    for pairs in near_pairs(perceptual_hashes(images)[rows], MOST_BITS):
        for start in range(0, len(pairs), _CHUNK):
            # What is connected already needs no look at its pixels: of a thousand frames of one scene, a few thousand
            # pairs are compared, not half a million.
            chunk = pairs[start : start + _CHUNK]
            chunk = chunk[groups[chunk[:, 0]] != groups[chunk[:, 1]]]
            alike = chunk[correlations(images, rows[chunk]) >= LEAST_CORRELATION]
            if len(alike):
                groups = joined(len(rows), groups[alike])[groups]
    return groups


def correlations(images: Images, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """The correlation of the pixels of each pair, float32[n] in [-1, 1]; 0 where an image is constant."""
    coefficients = np.zeros(len(pairs), np.float32)
    for start in range(0, len(pairs), _CHUNK):
        chunk = pairs[start : start + _CHUNK]
        sides = []
        for column in (0, 1):
            side = np.asarray(images[chunk[:, column]]).reshape(len(chunk), -1).astype(np.float32)
            side -= side.mean(axis=1, keepdims=True)
            length = np.linalg.norm(side, axis=1, keepdims=True)
            sides.append(np.divide(side, length, out=np.zeros_like(side), where=length > 0))
        coefficients[start : start + len(chunk)] = (sides[0] * sides[1]).sum(axis=1)
    return coefficients


def joined(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group numbers, int64[count], of what pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)
