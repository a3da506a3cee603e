"""Exact copies of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made_packs import make_pack
from PIL import Image

from ferbench.audit.duplicates import constant_images, exact_groups, joined


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


def test_pairs_join_into_groups():
    groups = joined(5, np.array([[0, 3], [3, 4]]))
    assert groups[0] == groups[3] == groups[4]
    assert len(set(groups.tolist())) == 3
