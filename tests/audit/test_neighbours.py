"""Pairs of hashes that differ in few bits, against a comparison of every pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferbench.audit import neighbours
from ferbench.audit.neighbours import near_pairs


def every_pair(hashes, most):
    return [
        (i, j)
        for i, j in itertools.combinations(range(len(hashes)), 2)
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= most
    ]


def found(hashes, most):
    """Not sorted out: a pair that comes twice would be seen."""
    return sorted(tuple(pair) for pairs in near_pairs(hashes, most) for pair in pairs.tolist())


def some_bits(generator, count):
    return sum(1 << int(bit) for bit in generator.permutation(64)[:count])


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 9), st.integers(1, 4))
def test_each_pair_that_differs_in_few_bits_is_found_once(seed, most, agreeing):
    generator = np.random.default_rng(seed)
    originals = generator.integers(0, 2**64, 12, dtype=np.uint64)
    turned = [int(one) ^ some_bits(generator, k % (most + 3)) for k, one in enumerate(originals)]
    hashes = generator.permutation(np.array([*turned, *turned[:3], *originals, *originals[:5]], np.uint64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_MOST_AGREEING", agreeing)
        patch.setattr(neighbours, "_SORTING", -1e9)  # keys as long as that allows
        assert found(hashes, most) == every_pair(hashes, most)


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_hashes_that_crowd_together_lose_no_pair(seed):
    generator = np.random.default_rng(seed)
    centre = int(generator.integers(0, 2**63))
    crowd = np.array([centre ^ some_bits(generator, int(generator.integers(0, 8))) for _ in range(80)], np.uint64)
    assert found(crowd, 6) == every_pair(crowd, 6)


def test_hashes_of_which_thousands_are_equal_are_paired_in_pieces():
    hashes = np.array([5] * 600 + [4] * 500 + [2**64 - 1] * 2, np.uint64)
    pieces = list(near_pairs(hashes, 6))
    assert sum(map(len, pieces)) == 1100 * 1099 // 2 + 1
    assert len(np.unique(np.concatenate(pieces), axis=0)) == 1100 * 1099 // 2 + 1
    assert max(map(len, pieces)) < 3 * 65_536


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_hashes_have_no_pair(count):
    assert found(np.zeros(count, np.uint64), 6) == []


@pytest.mark.parametrize("most", [-1, 64])
def test_a_number_of_bits_that_hashes_do_not_have_is_refused(most):
    with pytest.raises(ValueError, match="between 0 and 63 bits"):
        next(near_pairs(np.zeros(2, np.uint64), most))
