"""Copies of images, exact and near."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferbench.audit.duplicates import (
    constant_images,
    correlations,
    exact_groups,
    joined,
    near_pairs,
    perceptual_hashes,
)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(0, 7))
def test_exactly_the_pairs_that_differ_in_few_bits_are_found(seed, most):
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, 2**63, 12).astype(np.uint64)
    turned = [int(h) ^ sum(1 << int(b) for b in generator.permutation(64)[: k % 10]) for k, h in enumerate(hashes)]
    every = np.concatenate([hashes, np.array(turned, np.uint64)])
    close = [
        [i, j]
        for i, j in itertools.combinations(range(len(every)), 2)
        if (int(every[i]) ^ int(every[j])).bit_count() <= most
    ]
    assert near_pairs(every, most).tolist() == sorted(close)


def test_more_bits_than_the_bands_can_find_are_refused():
    with pytest.raises(ValueError, match="at most 7 bits"):
        near_pairs(np.zeros(2, np.uint64), 8)


def test_a_brighter_and_a_noisy_copy_have_near_hashes_and_another_image_has_not():
    generator = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(generator.normal(size=(2, 1, 48, 48)), axis=2), axis=3)
    smooth = 40 + 170 * (smooth - smooth.min((2, 3), keepdims=True)) / np.ptp(smooth, axis=(2, 3), keepdims=True)
    first, other = smooth
    images = np.stack([first, first * 0.9 + 20, first + generator.normal(0, 2, first.shape), other]).astype(np.uint8)
    hashes = perceptual_hashes(images)
    assert {tuple(pair) for pair in near_pairs(hashes).tolist()} == {(0, 1), (0, 2), (1, 2)}
    found = correlations(images, np.array([[0, 1], [0, 3]]))
    assert found[0] == pytest.approx(np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1], abs=1e-4)
    assert found[1] == pytest.approx(np.corrcoef(images[0].ravel(), images[3].ravel())[0, 1], abs=1e-4)


def test_constant_images_have_one_value_in_every_channel():
    images = np.zeros((3, 3, 4, 4), np.uint8)
    images[1, 2] = 9
    images[2, 0, 1, 1] = 1
    assert constant_images(images).tolist() == [0, 1]


def test_equal_hashes_share_a_group():
    hashes = np.array([[1] * 16, [2] * 16, [1] * 16], np.uint8)
    groups = exact_groups(hashes)
    assert groups[0] == groups[2] != groups[1]


def test_pairs_join_into_groups():
    groups = joined(5, np.array([[0, 3], [3, 4]]))
    assert groups[0] == groups[3] == groups[4]
    assert len(set(groups.tolist())) == 3
