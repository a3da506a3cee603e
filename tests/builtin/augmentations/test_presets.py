"""Augmentations of published systems."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from ferbench import Draws, Task
from ferbench.data.augment import resample
from ferbench_builtin.augmentations.presets import crop_jitter, crop_jitter_erase, shifted
from ferbench_builtin.augmentations.standard import Standard

TASK = Task(("a", "b"), channels=3, height=32, width=32, train_counts=(1, 1))
IMAGES = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
NOTHING = {"crop": 1.0, "perspective_scale": 0.3, "erase_area": 0.33}


def augmented(augmentation) -> torch.Tensor:
    ids = np.arange(16)
    return augmentation(IMAGES.expand(16, 3, 32, 32), (32, 32), Draws(0, 1, ids, ids))


@pytest.mark.parametrize("preset", [shifted, crop_jitter, crop_jitter_erase])
def test_every_option_of_a_preset_acts(preset):
    options = inspect.signature(preset).parameters
    usual = augmented(preset(TASK))
    for name, option in options.items():
        if option.kind is option.KEYWORD_ONLY:
            assert not torch.equal(augmented(preset(TASK, **{name: option.default / 2})), usual), name


@pytest.mark.parametrize("preset", [shifted, crop_jitter, crop_jitter_erase])
def test_a_preset_does_nothing_but_what_its_options_say(preset):
    off = {
        name: NOTHING.get(name, 0.0)
        for name, option in inspect.signature(preset).parameters.items()
        if option.kind is option.KEYWORD_ONLY
    }
    expected = resample(IMAGES.expand(16, 3, 32, 32), (32, 32))
    assert torch.equal(augmented(preset(TASK, **off)), expected)


def test_shifted_is_standard_with_a_shift():
    assert torch.equal(augmented(shifted(TASK)), augmented(Standard(TASK, shift=0.1)))
