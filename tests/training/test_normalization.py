"""Batch-norm statistics estimated anew."""

from __future__ import annotations

import torch
from torch import nn

from ferbench.training.normalization import estimate_statistics


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm2d(2, momentum=0.3), nn.Dropout(0.5), nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))


def test_the_statistics_are_the_mean_over_the_batches():
    made = model().train()
    batches = [torch.rand(6, 2, 4, 4) + i for i in range(3)]
    estimate_statistics(made, batches)
    expected = torch.stack([b.mean(dim=(0, 2, 3)) for b in batches]).mean(dim=0)
    torch.testing.assert_close(made[0].running_mean, expected)
    assert made[0].momentum == 0.3
    assert made.training


def test_dropout_does_not_disturb_them():
    made = model().eval()
    batch = torch.rand(8, 2, 4, 4)
    estimate_statistics(made, [batch])
    with torch.no_grad():
        normed = (batch - batch.mean(dim=(0, 2, 3), keepdim=True)) / (
            batch.var(dim=(0, 2, 3), keepdim=True, unbiased=False) + 1e-5
        ).sqrt()
        expected = made[2](normed)
    torch.testing.assert_close(made[3].running_mean, expected.mean(dim=(0, 2, 3)), atol=1e-5, rtol=1e-4)
    assert not made.training


def test_norms_that_stay_in_evaluation_mode_keep_their_statistics():
    class Frozen(nn.Sequential):
        def train(self, mode: bool = True):
            super().train(mode)
            self[0].eval()
            return self

    made = Frozen(*model())
    estimate_statistics(made.eval(), [torch.rand(6, 2, 4, 4)])
    assert torch.equal(made[0].running_mean, torch.zeros(2))
    assert not torch.equal(made[3].running_mean, torch.zeros(3))


def test_a_model_without_batch_norm_is_left_alone():
    linear = nn.Linear(2, 2)
    estimate_statistics(linear, iter([]))
    assert linear.training
