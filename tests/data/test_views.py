"""Views for test-time augmentation."""

from __future__ import annotations

import torch
from torchvision.transforms.v2 import functional as reference

from ferbench.data.augment import resample
from ferbench.data.views import CROP, VIEWS


def images(n: int = 2, size: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (n, 1, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_the_plain_view_is_that_of_evaluation():
    (plain,) = VIEWS["none"]
    assert torch.equal(plain.of(images(), (12, 12)), resample(images(), (12, 12)))


def test_flip_adds_the_mirror_image():
    plain, mirrored = VIEWS["flip"]
    assert torch.equal(mirrored.of(images(), (16, 16)), plain.of(images(), (16, 16)).flip(-1))


def test_the_ten_crops_are_the_corners_and_the_centre_of_image_and_mirror_image():
    side = round(CROP * 16)  # 14 of 16 pixels: every crop is made of whole pixels
    crops = reference.ten_crop(images().float() / 255, [side, side])
    views = [view.of(images(), (side, side)) for view in VIEWS["ten-crop"]]
    assert len(views) == 10
    for view, crop in zip(views, crops, strict=True):
        torch.testing.assert_close(view, crop, rtol=0, atol=1e-5)
