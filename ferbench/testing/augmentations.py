"""What is asked of augmentations."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ferbench.data.draws import Draws
from ferbench.task import Task
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation
from ferbench.training.runtime import seed_everything

_SIZE = 32


class AugmentationBench:
    """An augmentation, and images and draws for it."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def build(self, channels: int = 3) -> Any:
        names = self._subject.class_names
        return self._subject.build_callable(Task(names, channels, _SIZE, _SIZE, (10,) * len(names)))

    def images(self, n: int = 8, channels: int = 3, height: int = 28, width: int = 28) -> Tensor:
        """uint8[n, C, h, w], smooth enough that a resampling does not wipe out what they show."""
        noise = torch.rand(n, channels, 7, 7, generator=torch.Generator().manual_seed(0))
        large = torch.nn.functional.interpolate(noise, (height, width), mode="bilinear", align_corners=False)
        return (large * 255).to(torch.uint8)

    def draws(self, rows: int | Sequence[int] = 8, seed: int = 0, epoch: int = 1) -> Draws:
        ids = np.arange(rows) if isinstance(rows, int) else np.array(rows)
        return Draws(seed, epoch, ids.astype(np.int64), ids.astype(np.int64))

    @functools.cached_property
    def repeats(self) -> bool:
        """Whether the same draws give the same images."""
        augment = self.build()
        results = []
        for seed in (1, 2):
            seed_everything(seed)
            results.append(augment(self.images(), (_SIZE, _SIZE), self.draws()))
        return torch.equal(*results)


RULES = RuleSet(AugmentationBench)


@RULES.rule(gate=True)
def builds(bench: AugmentationBench) -> None:
    """The builder returns something that can be called."""
    bench.build()


@RULES.rule(gate=True)
def range_and_dtype(bench: AugmentationBench) -> None:
    """Bytes become float32[N, C, H, W] within [0, 1], of the size that is asked for, gray or colour."""
    for channels, size in ((1, (_SIZE, _SIZE)), (3, (_SIZE, _SIZE)), (3, (24, 20))):
        augment = bench.build(channels)
        for epoch in range(1, 5):
            images = bench.images(16, channels, 30, 26)
            result = augment(images, size, bench.draws(16, epoch=epoch))
            given = f"uint8[16, {channels}, 30, 26] for {size[0]}×{size[1]}"
            if not isinstance(result, Tensor) or result.dtype != torch.float32:
                got = result.dtype if isinstance(result, Tensor) else type(result).__name__
                raise Violation(f"{given} becomes {got}, not torch.float32")
            if tuple(result.shape) != (16, channels, *size) or result.device != images.device:
                raise Violation(f"{given} becomes {list(result.shape)} on {result.device}")
            low, high = result.min().item(), result.max().item()
            if not (low >= 0 and high <= 1):
                raise Violation(f"{given} becomes values from {low:.3g} to {high:.3g}, not within 0 and 1")


@RULES.rule()
def determinism(bench: AugmentationBench) -> None:
    """The same draws give the same images, to the bit."""
    if not bench.repeats:
        raise Violation("another state of the global generators gives other images: take random numbers from `draws`")


@RULES.rule()
def draws_per_sample(bench: AugmentationBench) -> str:
    """What happens to an image does not depend on the others in its batch."""
    if not bench.repeats:
        raise NotApplicable("its results are not repeatable")
    augment, size = bench.build(), (_SIZE, _SIZE)
    whole = augment(bench.images(), size, bench.draws())
    order = [5, 2, 7]
    part = augment(bench.images()[order], size, bench.draws(order))
    away = (part - whole[order]).abs().max().item()
    if away > 1e-4:
        raise Violation(f"in another batch an image differs by up to {away:.2g}: one row of `draws` is one sample's")
    same = augment(bench.images()[:1].repeat(8, 1, 1, 1), size, bench.draws())
    return f"8 equal images become {len(torch.unique(same.flatten(1), dim=0))}"


@RULES.rule()
def input_unchanged(bench: AugmentationBench) -> None:
    """The images that it is given stay as they are."""
    images = bench.images()
    bench.build()(images, (28, 28), bench.draws())
    if not torch.equal(images, bench.images()):
        raise Violation("it changes them in place")
