"""Cross-entropy, and what truth and prediction have in it changed over."""

from __future__ import annotations

import math

import pytest
from losses_by_hand import TARGETS, TASK, mean, softmax, value

from ferbench_builtin.losses.symmetric_cross_entropy import symmetric_cross_entropy


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_it_is_the_papers(targets):
    def cost(row, truth):
        there = -sum(y * math.log(p) for y, p in zip(truth, softmax(row), strict=True))
        back = -sum(p * (math.log(y) if y else -6.0) for y, p in zip(truth, softmax(row), strict=True))
        return 0.3 * there + 2.0 * back

    loss = symmetric_cross_entropy(TASK, alpha=0.3, beta=2.0, log_zero=-6.0)
    assert value(loss, targets).total.item() == pytest.approx(mean(targets, cost), rel=1e-5)


def test_of_a_label_the_reverse_part_is_linear_in_its_probability():
    def cost(row, truth):
        return 4.0 * (1 - sum(y * p for y, p in zip(truth, softmax(row), strict=True)))

    got = value(symmetric_cross_entropy(TASK, alpha=0.0), TARGETS["weights"]).total.item()
    assert got == pytest.approx(mean(TARGETS["weights"], cost), rel=1e-5)
