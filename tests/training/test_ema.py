"""Averages of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ferbench.training.ema import averaged


def test_the_average_follows_the_documented_decay():
    model = nn.Linear(1, 1, bias=False)
    average = averaged(model, decay=0.5)
    expected = None
    for t, value in enumerate([4.0, 8.0, 2.0, 6.0], start=1):
        nn.init.constant_(model.weight, value)
        average.update(model, t)
        decay = min(0.5, 1 - t ** (-2 / 3))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-6)


def test_running_statistics_are_averaged_and_counters_copied():
    model = nn.BatchNorm1d(1)
    average = averaged(model, decay=0.25)
    for t, mean in enumerate([1.0, 5.0, 5.0], start=1):
        model.running_mean.fill_(mean)
        model.num_batches_tracked.fill_(10 * t)
        average.update(model, t)
    # 1, then (decay min(0.25, 1 - 2^(-2/3)) = 0.25) 0.25 + 3.75 = 4, then 1 + 3.75 = 4.75
    assert average.module.running_mean.item() == pytest.approx(4.75, rel=1e-6)
    assert average.module.num_batches_tracked.item() == 30


def test_the_model_itself_is_left_alone():
    model = nn.Linear(2, 2)
    before = model.weight.clone()
    averaged(model, decay=0.9).update(model, 1)
    assert torch.equal(model.weight, before)
