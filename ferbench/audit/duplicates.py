"""Images that are there more than once: exactly, and nearly.

Exact copies have the same hash of their native pixels. Near copies are found by a perceptual hash: the signs of the
lowest frequencies of an image's cosine transform against their median, which scaling, compression and brightness hardly
change (after Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010). Candidates that
differ in few bits are then compared as images.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Bits in which the hashes of near copies may differ, and the correlation that their pixels must reach.
MOST_BITS = 6
LEAST_CORRELATION = 0.9

_FREQUENCIES = 8
_BANDS = 4
_BAND_BITS = 64 // _BANDS
_CHUNK = 2000  # images
_PAIRS = 2_000_000  # candidates at a time


def exact_groups(pixel_hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Group numbers, int64[N]: images with equal hashes (uint8[N, 16]) have equal numbers."""
    as_bytes = np.ascontiguousarray(pixel_hashes).view(f"V{pixel_hashes.shape[1]}").ravel()
    return np.unique(as_bytes, return_inverse=True)[1].astype(np.int64)


def constant_images(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The numbers of the images (uint8[N, C, H, W]) in which every channel has one value."""
    found = []
    for start in range(0, len(images), _CHUNK):
        chunk = np.asarray(images[start : start + _CHUNK])
        flat = chunk.reshape(*chunk.shape[:2], -1)
        found.append(start + np.flatnonzero((flat.min(axis=2) == flat.max(axis=2)).all(axis=1)))
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def perceptual_hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A hash of 64 bits for each image, uint64[N], of uint8[N, C, H, W]; colours are averaged.

    Each bit says whether one of the lowest 8 × 8 frequencies, the mean left out, is above their median. Bits that are
    beside each other in the spectrum, which are alike, come into different bands of `near_pairs`.
    """
    from scipy.fft import dct

    height, width = images.shape[2:]
    rows = dct(np.eye(height), axis=0, norm="ortho")[:_FREQUENCIES].astype(np.float32)
    columns = dct(np.eye(width), axis=0, norm="ortho")[:_FREQUENCIES].astype(np.float32)
    order = np.arange(64).reshape(-1, _BANDS).T.ravel()
    hashes = np.zeros(len(images), np.uint64)
    for start in range(0, len(images), _CHUNK):
        gray = np.asarray(images[start : start + _CHUNK]).mean(axis=1, dtype=np.float32)
        spectrum = (rows @ gray @ columns.T).reshape(len(gray), -1)
        bits = spectrum > np.median(spectrum[:, 1:], axis=1, keepdims=True)
        bits[:, 0] = False
        packed = np.ascontiguousarray(np.packbits(bits[:, order], axis=1))
        hashes[start : start + len(gray)] = packed.view(">u8").ravel().astype(np.uint64)
    return hashes


def near_pairs(hashes: NDArray[np.uint64], most_bits: int = MOST_BITS) -> NDArray[np.int64]:
    """All pairs of hashes that differ in at most ``most_bits`` bits, int64[n, 2], the smaller number first.

    Multi-index hashing (Norouzi, Punjani and Fleet, 2012): of the four bands of 16 bits at least one differs in a
    quarter of the bits at most. So each band is looked up as it is and with one bit turned, in a sorted list, and only
    what is found is compared: no pair is lost as long as ``most_bits`` is below 8.

    Raises:
        ValueError: ``most_bits`` is 8 or more.
    """
    if most_bits >= 2 * _BANDS:
        raise ValueError(f"at most {2 * _BANDS - 1} bits, not {most_bits}")
    found = [np.zeros((0, 2), np.int64)]
    for band in range(_BANDS):
        keys = ((hashes >> np.uint64(band * _BAND_BITS)) & np.uint64(2**_BAND_BITS - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        turns = [0, *(1 << bit for bit in range(_BAND_BITS))] if most_bits >= _BANDS else [0]
        for turn in turns:
            places = np.arange(len(keys)) if turn == 0 else np.flatnonzero(ordered & turn == 0)
            other = ordered[places] ^ turn
            start = places + 1 if turn == 0 else np.searchsorted(ordered, other, "left")
            end = np.searchsorted(ordered, other, "right")
            for one, two in _ranges(places, start, end):
                left, right = order[one], order[two]
                close = np.bitwise_count(hashes[left] ^ hashes[right]) <= most_bits
                left, right = left[close], right[close]
                found.append(np.stack([np.minimum(left, right), np.maximum(left, right)], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _ranges(
    places: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each place with everything from its start to before its end, some millions at a time."""
    sizes = np.maximum(end - start, 0)
    ends = np.cumsum(sizes)
    row = 0
    while row < len(sizes):
        before = int(ends[row - 1]) if row else 0
        stop = max(row + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
        chunk = sizes[row:stop]
        inside = np.arange(int(chunk.sum())) - np.repeat(np.cumsum(chunk) - chunk, chunk)
        yield np.repeat(places[row:stop], chunk), np.repeat(start[row:stop], chunk) + inside
        row = stop


def correlations(images: NDArray[np.uint8], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """The correlation of the pixels of each pair, float32[n] in [-1, 1]; 0 where an image is constant."""
    found = np.zeros(len(pairs), np.float32)
    for start in range(0, len(pairs), _CHUNK):
        chunk = pairs[start : start + _CHUNK]
        sides = []
        for column in (0, 1):
            side = np.asarray(images[chunk[:, column]]).reshape(len(chunk), -1).astype(np.float32)
            side -= side.mean(axis=1, keepdims=True)
            length = np.linalg.norm(side, axis=1, keepdims=True)
            sides.append(np.divide(side, length, out=np.zeros_like(side), where=length > 0))
        found[start : start + len(chunk)] = (sides[0] * sides[1]).sum(axis=1)
    return found


def joined(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group numbers, int64[count], of what pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)
