"""How batches are cut for several ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.data.shards import Shards, describe

COUNTS = st.integers(1, 9)


@given(st.integers(1, 300), COUNTS, st.booleans())
def test_every_sample_is_on_one_rank(n, count, paired):
    parts = Shards(count, paired=paired).all(n)
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    assert len(parts) == count
    assert all((np.diff(part) > 0).all() for part in parts)


@given(st.integers(1, 300), COUNTS)
def test_parts_are_contiguous_and_of_nearly_one_size(n, count):
    parts = Shards(count).all(n)
    assert np.concatenate(parts).tolist() == list(range(n))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert Shards(count).longest(n) == max(sizes)


@given(st.integers(1, 300), COUNTS)
def test_samples_that_are_mixed_are_on_one_rank(n, count):
    for part in Shards(count, paired=True).all(n):
        assert set(n - 1 - part) == set(part)


@given(st.integers(1, 300), COUNTS)
def test_within_a_part_the_partner_is_where_it_is_in_the_batch(n, count):
    """What is mixed with what is found by turning the part round, as `Mixing` does."""
    for part in Shards(count, paired=True).all(n):
        assert (part[::-1] == n - 1 - part).all()


@pytest.mark.parametrize(
    ("size", "count", "text"),
    [(64, 2, "batch of 64 on 2 devices: 32 each"), (33, 4, "batch of 33 on 4 devices: 9 or 8 each")],
)
def test_the_shares_are_said(size, count, text):
    assert describe(size, count) == text
