"""All pairs of 64-bit hashes that differ in few bits, found without comparing every pair.

The 64 bits are cut into blocks, more of them than bits may differ, say r. Two hashes that differ in at most r bits
agree on at least ``blocks - r`` whole blocks, whichever these are (the pigeonhole principle). So for every choice of
that many blocks the hashes are sorted by them, and only those that agree are compared: no pair is lost (Manku, Jain and
Das Sarma, "Detecting near-duplicates for web crawling", 2007).

More blocks mean longer keys: more sorting, less to compare. How many are best depends on how many hashes there are and
how evenly they are spread, so a sample of them decides; the cost then grows little faster than their number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

_BITS = 64
_AT_ONCE = 65_536  # pairs
_SAMPLE = 16_384  # hashes that decide how many blocks there are,
_TRIED = 8  # and choices of blocks that they are tried with
_MOST_AGREEING = 6  # blocks
_SORTING = 2.0  # what sorting costs for each hash, where comparing two costs 1

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
Block = tuple[int, int]  # its lowest bit, and how many it has


def near_pairs(hashes: Hashes, most_bits: int) -> Iterator[Rows]:
    """All pairs of hashes (uint64[N]) that differ in at most ``most_bits`` bits, each once, int64[n, 2] at a time.

    The smaller number stands first. Memory is that of some copies of the hashes, however many pairs there are.

    Raises:
        ValueError: ``most_bits`` is not between 0 and 63.
    """
    if not 0 <= most_bits < _BITS:
        raise ValueError(f"between 0 and {_BITS - 1} bits, not {most_bits}")
    waiting: list[Rows] = []
    count = 0
    for pair in _of_all(hashes, most_bits):
        waiting.append(np.sort(np.stack(pair, axis=1), axis=1))
        count += len(waiting[-1])
        if count >= _AT_ONCE:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if count:
        yield np.concatenate(waiting)


def _of_all(hashes: Hashes, most_bits: int) -> Iterator[tuple[Rows, Rows]]:
    # Equal hashes are paired once and then taken for one: of many of them, every key would pair all again.
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    for left, right in _equal(ordered):
        yield order[left], order[right]
    distinct, first, members = np.unique(ordered, return_index=True, return_counts=True)
    for lower, upper in _of_distinct(distinct, most_bits):
        ends = np.cumsum(members[lower] * members[upper])
        for start in range(0, int(ends[-1]), _AT_ONCE):
            place = np.arange(start, min(start + _AT_ONCE, int(ends[-1])))
            row = np.searchsorted(ends, place, "right")
            left, right = lower[row], upper[row]
            in_left, in_right = np.divmod(place - ends[row] + members[left] * members[right], members[right])
            yield order[first[left] + in_left], order[first[right] + in_right]


def _of_distinct(hashes: Hashes, most_bits: int) -> Iterator[tuple[Rows, Rows]]:
    """Places of the pairs among hashes that are all different."""
    if most_bits == 0 or len(hashes) < 2:
        return
    blocks, agreeing = _cut(hashes, most_bits)
    places = np.arange(len(hashes), dtype=np.uint64)
    width = np.uint64(_width(len(hashes)))
    for chosen in combinations(range(len(blocks)), agreeing):
        keyed = np.sort(_key(hashes, [blocks[number] for number in chosen]) << width | places)
        order = (keyed & _mask((0, int(width)))).view(np.int64)
        # Pairs that agree on other blocks too come up in several choices, and count in the first of them alone.
        earlier = [_mask(blocks[number]) for number in range(chosen[-1]) if number not in chosen]
        ordered = hashes[order]
        for left, right in _equal(keyed >> width):
            differ = ordered[left] ^ ordered[right]
            close = np.flatnonzero(np.bitwise_count(differ) <= most_bits)
            for mask in earlier:
                close = close[(differ[close] & mask) != 0]
            if len(close):
                yield order[left[close]], order[right[close]]


def _cut(hashes: Hashes, most_bits: int) -> tuple[list[Block], int]:
    """The blocks, and how many of them have to agree, at the least expected cost."""
    rng = np.random.default_rng(0)
    sample = rng.choice(hashes, min(_SAMPLE, len(hashes)), replace=False)
    scale = (len(hashes) / len(sample)) ** 2
    best: tuple[float, list[Block], int] | None = None
    for agreeing in range(1, min(_MOST_AGREEING, _BITS - most_bits) + 1):
        ends = np.linspace(0, _BITS, most_bits + agreeing + 1).round().astype(int).tolist()
        blocks = [(low, high - low) for low, high in pairwise(ends)]
        if sum(sorted(width for _, width in blocks)[-agreeing:]) + _width(len(hashes)) > _BITS:
            break  # a key and a place have to fit together
        pairs = 0
        for _ in range(_TRIED):
            chosen = rng.permutation(len(blocks))[:agreeing].tolist()
            members = np.unique(_key(sample, [blocks[number] for number in chosen]), return_counts=True)[1]
            pairs += int((members * (members - 1) // 2).sum())
        cost = math.comb(len(blocks), agreeing) * (_SORTING * len(hashes) + pairs / _TRIED * scale)
        if best is not None and cost >= best[0]:
            break
        best = cost, blocks, agreeing
    assert best is not None
    return best[1:]


def _key(hashes: Hashes, blocks: Sequence[Block]) -> Hashes:
    key = np.zeros_like(hashes)
    for low, width in blocks:
        key = key << np.uint64(width) | (hashes >> np.uint64(low)) & _mask((0, width))
    return key


def _mask(block: Block) -> np.uint64:
    low, width = block
    return np.uint64(((1 << width) - 1) << low)


def _width(count: int) -> int:
    """Bits of the places of so many hashes."""
    return (count - 1).bit_length()


def _equal(ordered: NDArray[np.uint64]) -> Iterator[tuple[Rows, Rows]]:
    """Places of all pairs of equal values in an ascending array: neighbours first, then those two apart, and so on."""
    left = np.flatnonzero(ordered[1:] == ordered[:-1])
    apart = 1
    while len(left):
        yield left, left + apart
        apart += 1
        left = left[left + apart < len(ordered)]
        left = left[ordered[left + apart] == ordered[left]]
