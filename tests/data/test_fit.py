"""Images of any shape at one stored size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ferbench.data.fit import fitted

FITS = ("stretch", "pad", "crop")


def noise(height: int, width: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (channels, height, width), dtype=np.uint8)


def test_stretch_is_pillows_bicubic_of_the_whole_image() -> None:
    """Digests of packs rest on it."""
    image = noise(9, 14, 3)
    expected = np.asarray(Image.fromarray(image.transpose(1, 2, 0)).resize((6, 8), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(fitted(image, (8, 6), "stretch"), expected.transpose(2, 0, 1))


def test_pad_keeps_the_whole_image_between_black_margins() -> None:
    wide = np.full((1, 4, 8), 200, dtype=np.uint8)
    found = fitted(wide, (8, 8), "pad")[0]
    np.testing.assert_array_equal(found[2:6], 200)
    np.testing.assert_array_equal(found[[0, 1, 6, 7]], 0)


def test_crop_cuts_the_longer_side_equally_at_both_ends() -> None:
    tall = np.zeros((1, 12, 6), dtype=np.uint8)
    tall[:, 3:9] = noise(6, 6)
    np.testing.assert_array_equal(fitted(tall, (6, 6), "crop"), tall[:, 3:9])


def test_crop_to_a_wide_target_takes_the_middle_rows() -> None:
    image = noise(10, 10)
    image[:, 2:8] = noise(6, 10)
    np.testing.assert_array_equal(fitted(image, (6, 10), "crop"), image[:, 2:8])


def test_one_pixel_high_image_is_padded_to_at_least_one_row() -> None:
    line = np.full((1, 1, 300), 90, dtype=np.uint8)
    assert (fitted(line, (8, 8), "pad") == 90).any()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.sampled_from(FITS))
def test_every_fit_gives_the_size_and_never_a_value_beyond_a_plain_images(
    height: int, width: int, rows: int, columns: int, fit: str
) -> None:
    found = fitted(np.full((3, height, width), 120, dtype=np.uint8), (rows, columns), fit)
    assert found.shape == (3, rows, columns)
    assert set(np.unique(found)) <= ({0, 120} if fit == "pad" else {120})


def test_a_crop_whose_margins_round_to_less_than_nothing_is_that_of_the_whole_side() -> None:
    assert fitted(noise(3, 27), (1, 13), "crop").shape == (1, 1, 13)


@pytest.mark.parametrize("fit", FITS)
def test_same_aspect_ratio_leaves_nothing_to_choose(fit: str) -> None:
    image = noise(12, 18)
    np.testing.assert_array_equal(fitted(image, (8, 12), fit), fitted(image, (8, 12), "stretch"))
