"""Seeded, stratified draws of samples.

Samples are ordered by a keyed hash of their ids, so that a draw does not depend on the order in which a dataset was
read, and a smaller draw is part of a larger one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: int64[n] rows of a pack.
Rows = NDArray[np.int64]


def keyed_order(keys: NDArray[np.str_], seed: int, purpose: str) -> NDArray[np.uint64]:
    """uint64 of each key, uniform and fixed by (seed, purpose, key): sorting by it is a seeded shuffle."""
    prefix = f"{seed}\x00{purpose}\x00".encode()
    digests = b"".join(hashlib.blake2b(prefix + str(key).encode(), digest_size=8).digest() for key in keys)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def allot(available: Sequence[int], total: int) -> list[int]:
    """``total`` seats in proportion to ``available`` (largest remainder), at least one for each that has any.

    Never more than there are; ``total`` must be at least the number of classes with samples.
    """
    counts = np.asarray(available, dtype=np.int64)
    total = min(total, int(counts.sum()))
    if total == 0:
        return [0] * len(counts)
    exact = counts * (total / counts.sum())
    seats = np.minimum(np.maximum(np.floor(exact).astype(np.int64), (counts > 0).astype(np.int64)), counts)
    remainders = exact - np.floor(exact)
    for k in np.lexsort((np.arange(len(counts)), -remainders)):
        if seats.sum() < total and seats[k] < counts[k]:
            seats[k] += 1
    while seats.sum() > total:
        seats[int(np.argmax(seats))] -= 1
    while seats.sum() < total:
        seats[int(np.argmax(counts - seats))] += 1
    return [int(n) for n in seats]


def draw_stratified(
    rows: Rows,
    labels: NDArray[np.int64],
    ids: NDArray[np.str_],
    *,
    total: int | None,
    per_class: int | None,
    seed: int,
    purpose: str,
) -> Rows:
    """A stratified draw without replacement: at most ``total`` of ``rows`` and at most ``per_class`` of each class.

    Args:
        rows: int64[n] rows to draw from.
        labels: int64[N] class ids by row.
        ids: str[N] sample ids by row.
        total: how many in all, shared out in proportion to the classes; None: no limit.
        per_class: how many of one class; None: no limit.
        seed: of the draw.
        purpose: keeps draws of one seed for different purposes apart.
    """
    order = keyed_order(ids[rows], seed, purpose)
    classes = np.unique(labels[rows])
    members = [rows[labels[rows] == k][np.argsort(order[labels[rows] == k], kind="stable")] for k in classes]
    if per_class is not None:
        members = [m[:per_class] for m in members]
    if total is not None:
        members = [m[:n] for m, n in zip(members, allot([len(m) for m in members], total), strict=True)]
    return np.sort(np.concatenate(members)) if members else rows[:0]


def group_table(
    pool: Rows, labels: NDArray[np.int64], groups: NDArray[np.str_], seed: int, purpose: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Group index of each pool row, and per group: its class (the first of its most frequent), size and shuffled
    rank within the class."""
    names, index = np.unique(groups[pool], return_inverse=True)
    classes = int(labels[pool].max()) + 1 if len(pool) else 1
    votes = np.zeros((len(names), classes), dtype=np.int64)
    np.add.at(votes, (index, labels[pool]), 1)
    group_class = votes.argmax(axis=1)
    order = keyed_order(names, seed, purpose)
    rank = np.empty(len(names), dtype=np.int64)
    for k in np.unique(group_class):
        members = np.flatnonzero(group_class == k)
        rank[members[np.argsort(order[members], kind="stable")]] = np.arange(len(members))
    return index, group_class, votes.sum(axis=1), rank
