"""Mixup and CutMix, against timm and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from timm.data import mixup as timm_mixup

from ferbench.data.draws import Draws
from ferbench.data.targets import Targets
from ferbench.training.mixing import Mixing, mix_images, mix_targets

K = 4


def draws(n: int, epoch: int = 1) -> Draws:
    return Draws(seed=3, epoch=epoch, samples=np.arange(n), positions=np.arange(n))


def batch(n: int = 6) -> tuple[torch.Tensor, Targets]:
    images = torch.rand(n, 3, 8, 10, generator=torch.Generator().manual_seed(0))
    return images, Targets(torch.arange(n) % K)


def no_box(n: int) -> torch.Tensor:
    return torch.zeros(n, 4, dtype=torch.int64)


def mix(images, targets, share, boxes, classes):
    return mix_images(images, share, boxes), mix_targets(targets, share, classes)


def test_mixup_with_given_shares_is_timms(monkeypatch):
    images, targets = batch()
    shares = np.array([0.9, 0.2, 1.0, 0.5, 0.75, 0.1], dtype=np.float32)
    reference = timm_mixup.Mixup(mixup_alpha=1.0, mode="elem", label_smoothing=0.0, num_classes=K)
    monkeypatch.setattr(reference, "_params_per_elem", lambda n: (shares.copy(), np.zeros(n, dtype=bool)))
    expected, expected_soft = reference(images.clone(), targets.labels)
    mixed, got = mix(images, targets, torch.from_numpy(shares), no_box(6), K)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(got.soft, expected_soft)


def test_cutmix_with_the_same_shares_and_centres_is_timms(monkeypatch):
    images, targets = batch()
    mixing = Mixing(0.0, 1.0, 1.0, K)
    unmixed = draws(6)
    shares = scipy.stats.beta(1, 1).ppf(unmixed.uniform("mix share").numpy()).astype(np.float32)
    centre = unmixed.uniform("mix centre", columns=2)
    centres = iter([int(c) for x, y in centre.tolist() for c in (y * 8, x * 10)])
    monkeypatch.setattr(timm_mixup.np.random, "randint", lambda low, high, size=None: next(centres))
    reference = timm_mixup.Mixup(0.0, cutmix_alpha=1.0, mode="elem", label_smoothing=0.0, num_classes=K)
    monkeypatch.setattr(reference, "_params_per_elem", lambda n: (shares.copy(), np.ones(n, dtype=bool)))
    expected, expected_soft = reference(images.clone(), targets.labels)
    mixed, got = mixing(images, targets, unmixed)
    assert not torch.equal(mixed, images)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(got.soft, expected_soft)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_of_mixup_follow_the_beta_distribution(alpha):
    share, _ = Mixing(alpha, 0.0, 1.0, K).parameters((8, 8), draws(4000))
    assert scipy.stats.kstest(share.numpy(), scipy.stats.beta(alpha, alpha).cdf).pvalue > 0.001


def test_with_both_half_of_the_samples_are_cut():
    _, boxes = Mixing(1.0, 1.0, 1.0, K).parameters((64, 64), draws(4000))
    cut = (boxes[:, 1] > boxes[:, 0]).float().mean().item()
    assert cut == pytest.approx(0.5, abs=0.04)


def test_the_probability_is_that_of_a_sample():
    share, _ = Mixing(1.0, 0.0, 0.25, K).parameters((8, 8), draws(4000))
    assert (share < 1).float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_the_label_is_that_of_the_larger_share():
    images, targets = batch(4)
    _, got = mix(images, targets, torch.tensor([0.4, 0.6, 1.0, 0.1]), no_box(4), K)
    assert got.labels.tolist() == [3, 1, 2, 0]


def test_votes_affect_and_weights_are_mixed_and_missing_affect_spreads():
    images = torch.zeros(2, 1, 8, 8)
    targets = Targets(
        torch.tensor([0, 1]),
        soft=torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 1.0, 0]]),
        affect=torch.tensor([[1.0, torch.nan], [0.0, 0.5]]),
        weight=torch.tensor([1.0, 3.0]),
    )
    _, got = mix(images, targets, torch.tensor([0.75, 1.0]), no_box(2), K)
    torch.testing.assert_close(got.soft[0], torch.tensor([0.375, 0.375, 0.25, 0.0]))
    torch.testing.assert_close(got.affect, torch.tensor([[0.75, torch.nan], [0.0, 0.5]]), equal_nan=True)
    torch.testing.assert_close(got.weight, torch.tensor([1.5, 3.0]))


def test_a_sample_is_mixed_the_same_in_every_batch_of_its_epoch_and_otherwise_in_the_next():
    mixing = Mixing(1.0, 1.0, 1.0, K)
    share, boxes = mixing.parameters((8, 8), draws(6))
    again, boxes_again = mixing.parameters((8, 8), draws(4))
    assert torch.equal(share[:4], again)
    assert torch.equal(boxes[:4], boxes_again)
    assert not torch.equal(share, mixing.parameters((8, 8), draws(6, epoch=2))[0])
