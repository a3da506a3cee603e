"""Resizing as other frameworks do it."""

from __future__ import annotations

import numpy as np
import torch
from made_weights import images

from ferbench_foreign.resizing import resize_as_opencv, resize_as_tensorflow

#: Every 21st pixel of `images` that OpenCV 5 has taken from 48×48 to 64×64.
OF_OPENCV = [
    [[127, 44, 246, 40], [238, 78, 84, 236], [43, 246, 41, 131], [79, 85, 236, 14]],
    [[228, 10, 192, 149], [10, 195, 148, 30], [192, 148, 29, 245], [149, 30, 245, 56]],
]


def test_opencvs_rule_gives_opencvs_bytes():
    given = resize_as_opencv(torch.tensor(images(2, 48, 1)).permute(0, 3, 1, 2).float() / 255, 64)
    differences = (given[:, 0, ::21, ::21] * 255).round().int() - torch.tensor(OF_OPENCV)
    assert differences.abs().max() <= 1
    assert (differences != 0).float().mean() < 0.05


def test_tensorflows_rule_reads_at_the_start_of_each_pixel():
    line = torch.tensor([[[[0.0, 6.0], [0.0, 6.0]]]])
    np.testing.assert_allclose(resize_as_tensorflow(line, 4)[0, 0, 0], [0, 3, 6, 6])
    np.testing.assert_allclose(resize_as_tensorflow(line, 3)[0, 0, 0], [0, 4, 6], rtol=1e-6)


def test_images_of_that_size_are_left_alone():
    pixels = torch.rand(1, 1, 5, 5)
    assert resize_as_opencv(pixels, 5) is pixels
    assert resize_as_tensorflow(pixels, 5) is pixels
