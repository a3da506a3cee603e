"""The nearest neighbours of vectors of length 1, found without comparing every pair.

Vectors are put into cells around centres (k-means), about as many cells as the root of their number. Each cell is
compared with the cells whose centres are the nearest, so the work grows with the number of vectors to the power of
1.5: an inverted file (Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", 2011) that is
searched a cell at a time, by one product of matrices. Vectors in cells further apart are not compared; below `_EVERY`
vectors all are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

_SEARCHED = 24  # cells that each cell is compared with
_EVERY = 4000
_LEARNED_FROM = 50  # vectors a cell
_ROUNDS = 8


@dataclass(frozen=True)
class Neighbours:
    """Pairs of a query and a vector.

    Attributes:
        query: int64[n], its place among the queries.
        vector: int64[n], the place of one of its nearest.
        cosine: float32[n] of the angle between them.
    """

    query: Rows
    vector: Rows
    cosine: Vectors


def nearest(vectors: Vectors, queries: Vectors, count: int, least: float) -> Neighbours:
    """The ``count`` nearest vectors of each query, but itself, with a cosine of ``least`` or more.

    Args:
        vectors: float32[N, D] of length 1.
        queries: float32[N, D] of length 1; query i is not compared with vector i.
        count: of neighbours.
        least: cosine.
    """
    centres = _centres(vectors)
    members = _grouped(_nearest_cells(vectors, centres, 1), len(centres))
    asking = _grouped(_nearest_cells(queries, centres, _SEARCHED), len(centres))
    best = np.full((len(queries), count), -2, np.float32)
    which = np.zeros((len(queries), count), np.int64)
    for compared, queried in zip(members, asking, strict=True):
        cosines = queries[queried] @ vectors[compared].T
        cosines[queried[:, None] == compared] = -2
        together = np.concatenate([best[queried], cosines], axis=1)
        kept = np.argpartition(-together, count - 1, axis=1)[:, :count]
        named = np.concatenate([which[queried], np.broadcast_to(compared, cosines.shape)], axis=1)
        best[queried] = np.take_along_axis(together, kept, axis=1)
        which[queried] = np.take_along_axis(named, kept, axis=1)
    query, place = np.nonzero(best >= least)
    return Neighbours(query, which[query, place], best[query, place])


def _centres(vectors: Vectors) -> Vectors:
    """Centres of cells, float32[C, D] of length 1: spherical k-means of a sample."""
    if len(vectors) < _EVERY:
        return vectors[:1]
    rng = np.random.default_rng(0)
    cells = round(len(vectors) ** 0.5)
    sample = vectors[np.sort(rng.permutation(len(vectors))[: _LEARNED_FROM * cells])]
    centres = sample[rng.permutation(len(sample))[:cells]]
    for _ in range(_ROUNDS):
        cell = _nearest_cells(sample, centres, 1)[:, 0]
        sums = np.zeros_like(centres)
        np.add.at(sums, cell, sample)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(length > 0, sums / np.maximum(length, 1e-12), centres)
    return centres


def _nearest_cells(vectors: Vectors, centres: Vectors, count: int) -> Rows:
    """The cells with the nearest centres, int64[N, at most ``count``]."""
    count = min(count, len(centres))
    chunks = [vectors[start : start + _EVERY] @ centres.T for start in range(0, len(vectors), _EVERY)]
    none = np.zeros((0, count), np.int64)
    return np.concatenate([none, *(np.argpartition(-chunk, count - 1, axis=1)[:, :count] for chunk in chunks)])


def _grouped(cells: Rows, count: int) -> list[Rows]:
    """The vectors, by place, that have each cell among theirs (int64[N, n])."""
    order = np.argsort(cells.ravel(), kind="stable") // cells.shape[1]
    return np.split(order, np.cumsum(np.bincount(cells.ravel(), minlength=count))[:-1])
