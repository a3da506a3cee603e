"""Equalisation and the centre crop, against Pillow and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from ferbench import Face
from ferbench_builtin.preprocessing.centre_crop import centre_crop
from ferbench_builtin.preprocessing.equalize import equalize


def test_four_gray_values_by_hand():
    """Of 8 pixels 2 have the darkest value; the rest is spread by the share as dark: 0, 1/6, 3/6 and 6/6 of 255."""
    gray = np.array([[10, 10, 20, 30], [30, 40, 40, 40]], dtype=np.uint8)
    made = equalize()(Face(gray))
    assert made.tolist() == [[0, 0, 42, 128], [128, 255, 255, 255]]
    assert made.dtype == np.uint8


@pytest.mark.parametrize("seed", range(3))
def test_gray_images_are_equalised_as_pillow_does(seed):
    """Pillow divides in whole numbers and starts with half a step, so that values differ a little, and ranks do not."""
    generator = np.random.default_rng(seed)
    gray = np.clip(generator.normal(90, 12, (64, 64)), 0, 255).astype(np.uint8)
    ours = equalize()(Face(gray)).astype(int)
    pillows = np.asarray(ImageOps.equalize(Image.fromarray(gray))).astype(int)
    assert abs(ours - pillows).max() <= 16
    assert np.corrcoef(ours.ravel(), pillows.ravel())[0, 1] > 0.999
    assert (ours.min(), ours.max()) == (0, 255)


def test_an_image_of_one_value_stays():
    gray = np.full((5, 5), 77, dtype=np.uint8)
    assert (equalize()(Face(gray)) == 77).all()


def test_luma_of_colour_images_is_spread_and_the_colour_differences_stay():
    generator = np.random.default_rng(0)
    colour = generator.integers(90, 130, (32, 32, 3), dtype=np.uint8)
    made = equalize()(Face(colour))
    luma = np.rint(colour @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    wanted = equalize()(Face(luma)).astype(int)
    inside = ((made > 0) & (made < 255)).all(axis=2)
    assert inside.mean() > 0.7
    assert (made.astype(int) - colour == (wanted - luma)[:, :, None])[inside].all()


def test_gray_in_three_channels_is_equalised_as_gray():
    gray = np.random.default_rng(1).integers(50, 90, (16, 16), dtype=np.uint8)
    colour = np.repeat(gray[:, :, None], 3, axis=2)
    assert (equalize()(Face(colour)) == equalize()(Face(gray))[:, :, None]).all()


@pytest.mark.parametrize(
    ("share", "kept"), [(1.0, slice(0, 10)), (0.8, slice(1, 9)), (0.5, slice(2, 7)), (0.01, slice(4, 5))]
)
def test_the_middle_is_kept(share, kept):
    gray = np.arange(100, dtype=np.uint8).reshape(10, 10)
    assert (centre_crop(share=share)(Face(gray)) == gray[kept, kept]).all()
    colour = np.repeat(gray[:, :, None], 3, axis=2)
    assert (centre_crop(share=share)(Face(colour)) == colour[kept, kept]).all()
