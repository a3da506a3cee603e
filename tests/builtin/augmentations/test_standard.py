from __future__ import annotations

import inspect
import re
from typing import get_type_hints

import numpy as np
import pytest
import torch
from annotated_types import Interval
from torch import Tensor

from ferbench import Draws, Task, Tunable
from ferbench.data.augment import resample
from ferbench_builtin.augmentations.none import none
from ferbench_builtin.augmentations.standard import Standard

TASK = Task(("a", "b"), channels=1, height=32, width=32, train_counts=(1, 1))
MOVES_NOTHING = {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0, "crop": 1, "perspective": 0}
NOTHING = MOVES_NOTHING | {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "erase": 0}
EVERYTHING = {"shift": 0.1, "crop": 0.9, "perspective": 0.7, "brightness": 0.3, "contrast": 0.3, "erase": 0.7} | {
    "saturation": 0.3,
    "hue": 0.1,
}
SIZE = (32, 32)


def bytes_(*shape: int) -> Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 256).to(torch.uint8)


def draws(rows: object = 16, seed: int = 0, epoch: int = 0) -> Draws:
    ids = np.arange(rows) if isinstance(rows, int) else np.asarray(rows)
    return Draws(seed, epoch, ids, ids)


@pytest.mark.parametrize("size", [(24, 24), (32, 32), (8, 10)])
def test_with_nothing_switched_on_it_is_the_evaluation_path_bit_for_bit(size: tuple[int, int]) -> None:
    images = bytes_(4, 1, 24, 24)
    assert torch.equal(Standard(TASK, **NOTHING)(images, size, draws(4)), resample(images, size))


def test_none_is_the_evaluation_path() -> None:
    images = bytes_(4, 1, 24, 24)
    assert torch.equal(none(TASK)(images, SIZE, draws(4)), resample(images, SIZE))


OPTIONS_ALONE = [
    {"flip": 0.5},
    {"rotation": 10},
    {"shift": 0.1},
    {"zoom": 0.1},
    {"crop": 0.8},
    {"perspective": 1.0},
    {"saturation": 0.5},
    {"hue": 0.2},
    {"brightness": 0.2},
    {"contrast": 0.2},
    {"erase": 1.0},
]


@pytest.mark.parametrize("option", OPTIONS_ALONE, ids=lambda option: next(iter(option)))
def test_each_option_alone_treats_equal_images_differently(option: dict[str, float]) -> None:
    images = bytes_(1, 3, 24, 24).expand(16, 3, 24, 24)
    result = Standard(TASK, **NOTHING | option)(images, SIZE, draws())
    kinds = len(torch.unique(result.flatten(1), dim=0))
    assert kinds == (2 if "flip" in option else 16)


@pytest.mark.parametrize("other", [draws(seed=1), draws(epoch=1)], ids=["seed", "epoch"])
def test_another_seed_or_epoch_treats_every_image_differently(other: Draws) -> None:
    images, augment = bytes_(16, 1, 24, 24), Standard(TASK)
    difference = (augment(images, SIZE, draws()) - augment(images, SIZE, other)).abs().amax((1, 2, 3))
    assert (difference > 0.05).all()


def test_a_sample_drawn_twice_in_an_epoch_is_treated_differently() -> None:
    images = bytes_(1, 1, 24, 24).expand(2, 1, 24, 24)
    twice = Standard(TASK)(images, SIZE, Draws(0, 0, np.array([7, 7]), np.array([0, 1])))
    assert not torch.allclose(twice[0], twice[1], atol=0.05)


def test_adding_an_operation_leaves_the_others_draws_alone() -> None:
    images = bytes_(16, 1, 24, 24)
    plain = Standard(TASK, shift=0.1)(images, SIZE, draws())
    erased = Standard(TASK, shift=0.1, erase=1.0, erase_area=0.2)(images, SIZE, draws())
    assert ((plain == erased).float().mean((1, 2, 3)) > 0.75).all()


def test_flip_alone_is_exact_and_happens_at_its_rate() -> None:
    images = bytes_(1, 1, 32, 32).expand(1000, 1, 32, 32)
    result = Standard(TASK, **NOTHING | {"flip": 0.25})(images, SIZE, draws(1000))
    flipped = (result == images.flip(-1) / 255).all(-1).all(-1)
    assert torch.equal(~flipped, (result == images / 255).all(-1).all(-1))
    assert abs(flipped.float().mean().item() - 0.25) < 0.055  # four standard errors


def test_crop_shows_windows_of_the_asked_side() -> None:
    """On a ramp, the range that is seen is the window."""
    ramp = torch.linspace(0, 1, 200).expand(64, 1, 200, 200)
    result = Standard(TASK, **NOTHING | {"crop": 0.6})(ramp, (200, 200), draws(64))
    low, high = result.amin((1, 2, 3)), result.amax((1, 2, 3))
    torch.testing.assert_close(high - low, torch.full((64,), 0.6), atol=0.01, rtol=0)
    assert low.min() < 0.05
    assert low.max() > 0.35


def test_nothing_waits_for_the_device() -> None:
    images = torch.empty(4, 1, 48, 48, dtype=torch.uint8, device="meta")
    batch = Draws(0, 0, np.arange(4), np.arange(4), device="meta")
    assert Standard(TASK, **EVERYTHING)(images, SIZE, batch).device.type == "meta"


def options() -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(Standard).parameters
    return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", options())
def test_every_option_has_bounds_a_search_range_inside_them_and_a_line_of_meaning(name: str) -> None:
    bounds, tunable = get_type_hints(Standard.__init__, include_extras=True)[name].__metadata__
    assert isinstance(bounds, Interval)
    assert isinstance(tunable, Tunable)
    for value in (options()[name].default, tunable.low, tunable.high):
        assert bounds.ge is None or value >= bounds.ge
        assert bounds.gt is None or value > bounds.gt
        assert bounds.le is None or value <= bounds.le
        assert bounds.lt is None or value < bounds.lt
    assert re.search(rf"^\s+{name}: \w", inspect.getdoc(Standard) or "", re.MULTILINE)


def blob(height: int, width: int, across: float = 0.0, sigma: float = 2.5) -> Tensor:
    """uint8[1, 1, H, W]: a round light, ``across`` pixels to the right of the middle."""
    y, x = torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2
    return (250 * torch.exp(-((x - across) ** 2 + y[:, None] ** 2) / (2 * sigma**2))).to(torch.uint8)[None, None]


def many(image: Tensor, n: int = 600, **options: float) -> Tensor:
    """One image, treated n times with one option."""
    height, width = image.shape[-2:]
    return Standard(TASK, **NOTHING | options)(image.expand(n, -1, -1, -1), (height, width), draws(n))


def test_images_turn_evenly_to_both_sides_by_at_most_the_rotation() -> None:
    turned = many(blob(33, 33, across=9.0), rotation=40)[:, 0]
    y = torch.arange(33) - 16.0
    mass = turned.sum((1, 2))
    down, right = (turned.sum(2) @ y) / mass, (turned.sum(1) @ y) / mass
    angles = torch.rad2deg(torch.atan2(down, right)).numpy()
    assert np.quantile(angles, [0, 0.25, 0.5, 0.75, 1]) == pytest.approx([-40, -20, 0, 20, 40], abs=4)


def test_images_are_shown_larger_as_often_as_smaller() -> None:
    shown = many(blob(33, 33), zoom=0.3)[:, 0]
    zooms = (shown.sum((1, 2)) / (blob(33, 33) / 255.0).sum()).sqrt().numpy()  # an area grows with the square
    assert np.quantile(zooms, [0, 0.25, 0.5, 0.75, 1]) == pytest.approx([0.7, 0.85, 1, 1.15, 1.3], abs=0.04)


def test_what_is_round_stays_round_in_images_that_are_not_square() -> None:
    plain = blob(24, 48, sigma=4.0)
    turned = many(plain, n=32, rotation=45)
    middle = (..., slice(4, 20), slice(14, 34))
    torch.testing.assert_close(turned[middle], (plain / 255.0).expand_as(turned)[middle], atol=0.02, rtol=0)


def test_hues_turn_evenly_to_both_sides() -> None:
    red = torch.tensor([200, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    _, green, blue = many(red, hue=0.1)[:, :, 0, 0].T
    # By a tenth of a turn at most: red gets up to 0.6 of its value in green on the one side, in blue on the other.
    assert (green > 0).float().mean().item() == pytest.approx(0.5, abs=0.06)
    assert (blue > 0).float().mean().item() == pytest.approx(0.5, abs=0.06)
    for channel in (green, blue):
        assert channel.max().item() * 255 / 200 == pytest.approx(0.6, abs=0.02)


def test_contrast_does_not_depend_on_brightness() -> None:
    image = torch.tensor([[102, 153], [153, 102]], dtype=torch.uint8)[None, None]
    values = many(image, brightness=0.3, contrast=0.5)[:, 0].flatten(1)
    brightness = values.mean(1) / 0.5
    contrast = (values.amax(1) - values.amin(1)) / (0.2 * brightness)
    for found, spread in ((brightness, 0.3), (contrast, 0.5)):
        wanted = [1 - spread, 1 - spread / 2, 1, 1 + spread / 2, 1 + spread]
        assert np.quantile(found.numpy(), [0, 0.25, 0.5, 0.75, 1]) == pytest.approx(wanted, abs=0.05)
    assert np.corrcoef(brightness.numpy(), contrast.numpy())[0, 1] == pytest.approx(0, abs=0.15)
