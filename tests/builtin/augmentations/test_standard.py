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
