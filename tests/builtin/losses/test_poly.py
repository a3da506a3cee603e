"""Cross-entropy with another first coefficient of its series."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from losses_by_hand import LABELS, LOGITS, TARGETS, TASK, mean, softmax, value

from ferbench import Targets
from ferbench_builtin.losses.poly import poly


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_it_is_the_papers(smoothing, targets):
    def cost(row, truth):
        pairs = [(y * (1 - smoothing) + smoothing / 3, p) for y, p in zip(truth, softmax(row), strict=True)]
        return -sum(y * math.log(p) for y, p in pairs) + 2 * (1 - sum(y * p for y, p in pairs))

    got = value(poly(TASK, label_smoothing=smoothing), targets).total.item()
    assert got == pytest.approx(mean(targets, cost), rel=1e-5)


def test_of_a_label_it_is_the_series_with_another_first_coefficient():
    p = LOGITS.double().softmax(dim=1).gather(1, LABELS[:, None])[:, 0]
    series = sum((1 - p) ** j / j for j in range(1, 20_000)) + 3.0 * (1 - p)
    torch.testing.assert_close(value(poly(TASK, epsilon=3.0), Targets(LABELS)).total.double(), series.mean())


def test_at_0_it_is_cross_entropy():
    torch.testing.assert_close(value(poly(TASK, epsilon=0.0), Targets(LABELS)).total, F.cross_entropy(LOGITS, LABELS))
