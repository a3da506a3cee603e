"""Copies of images, exact and near."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from made_packs import make_pack
from PIL import Image
from scipy.fft import idctn

from ferbench.audit.duplicates import (
    LEAST_CORRELATION,
    MOST_BITS,
    constant_images,
    correlations,
    exact_groups,
    joined,
    near_groups,
    perceptual_hashes,
)


def test_a_brighter_and_a_noisy_copy_have_near_hashes_and_another_image_has_not():
    generator = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(generator.normal(size=(2, 1, 48, 48)), axis=2), axis=3)
    smooth = 40 + 170 * (smooth - smooth.min((2, 3), keepdims=True)) / np.ptp(smooth, axis=(2, 3), keepdims=True)
    first, other = smooth
    images = np.stack([first, first * 0.9 + 20, first + generator.normal(0, 2, first.shape), other]).astype(np.uint8)
    hashes = perceptual_hashes(images)
    assert np.bitwise_count(hashes[:3, None] ^ hashes[:3]).max() <= MOST_BITS
    assert np.bitwise_count(hashes[:3] ^ hashes[3]).min() > MOST_BITS
    found = correlations(images, np.array([[0, 1], [0, 3]]))
    assert found[0] == pytest.approx(np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1], abs=1e-4)
    assert found[1] == pytest.approx(np.corrcoef(images[0].ravel(), images[3].ravel())[0, 1], abs=1e-4)


def test_constant_images_have_one_value_in_every_channel():
    images = np.zeros((3, 3, 4, 4), np.uint8)
    images[1, 2] = 9
    images[2, 0, 1, 1] = 1
    assert constant_images(images).tolist() == [0, 1]


def test_images_with_equal_pixels_share_a_group():
    pack = make_pack({"train": {"a": 3}}, classes=("a",))
    images = pack.images.copy()
    images[2] = images[0]
    groups = exact_groups(replace(pack, images=images))
    assert groups[0] == groups[2] != groups[1]


def test_a_picture_in_gray_is_a_copy_of_it_in_colour():
    """As in a union of a colour dataset with a gray one, whose images get three equal planes."""
    pack = make_pack({"train": {"a": 4}}, classes=("a",))
    colour = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    gray = np.asarray(Image.fromarray(colour[0]).convert("L"))
    images = np.stack([*colour.transpose(0, 3, 1, 2), np.stack([gray] * 3), np.stack([255 - gray] * 3)])
    groups = exact_groups(replace(pack, images=images))
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 3


def test_of_images_packed_at_another_size_the_native_pixels_count():
    pack = make_pack({"train": {"a": 3}}, classes=("a",))
    hashes = pack.pixel_hashes.copy()
    hashes[2] = hashes[0]
    same = np.zeros_like(pack.images)
    groups = exact_groups(replace(pack, images=same, pixel_hashes=hashes, stored_hashes=hashes))
    assert groups[0] == groups[2] != groups[1]


def test_groups_are_what_pairs_with_near_hashes_and_alike_pixels_connect():
    generator = np.random.default_rng(3)
    drift = np.cumsum(np.cumsum(generator.normal(size=(60, 1, 24, 24)), axis=2), axis=3)
    drift[20:40] = drift[20] + 0.1 * np.cumsum(drift[20:40], axis=0)  # a scene that changes slowly
    low = drift.min((2, 3), keepdims=True)
    images = (255 * (drift - low) / np.ptp(drift, axis=(2, 3), keepdims=True)).astype(np.uint8)
    rows = generator.permutation(60)[:50]
    hashes = perceptual_hashes(images)
    close = [
        (i, j)
        for i, j in itertools.combinations(range(50), 2)
        if np.bitwise_count(hashes[rows[i]] ^ hashes[rows[j]]) <= MOST_BITS
        and np.corrcoef(images[rows[i]].ravel(), images[rows[j]].ravel())[0, 1] >= LEAST_CORRELATION
    ]
    found, expected = near_groups(images, rows), joined(50, np.array(close))
    assert len(close) > 20
    assert ((found[:, None] == found) == (expected[:, None] == expected)).all()


@pytest.mark.parametrize(("detail", "alike"), [(2.0, True), (30.0, False)])
def test_images_with_one_hash_are_near_copies_only_where_their_pixels_agree(detail, alike):
    """The hash sees the lowest frequencies alone; what two pictures differ in may be all the others."""
    generator = np.random.default_rng(0)
    spectrum = np.zeros((2, 32, 32))
    spectrum[:, :8, :8] = generator.normal(0, 60, (8, 8))
    spectrum[:, 16:, 16:] = generator.normal(0, 2 * detail, (2, 16, 16))
    images = (128 + idctn(spectrum, axes=(1, 2), norm="ortho")).clip(0, 255).astype(np.uint8)[:, None]
    assert np.bitwise_count(np.bitwise_xor(*perceptual_hashes(images))) <= MOST_BITS
    assert (np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] >= LEAST_CORRELATION) == alike
    first, second = near_groups(images, np.arange(2))
    assert (first == second) == alike


def test_pairs_join_into_groups():
    groups = joined(5, np.array([[0, 3], [3, 4]]))
    assert groups[0] == groups[3] == groups[4]
    assert len(set(groups.tolist())) == 3
