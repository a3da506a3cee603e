"""Between cross-entropy and the mean absolute error."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from losses_by_hand import LABELS, LOGITS, TARGETS, TASK, mean, softmax, value

from ferbench import Targets
from ferbench_builtin.losses.generalised_cross_entropy import generalised_cross_entropy


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_it_is_the_papers(q, targets):
    def cost(row, truth):
        return sum(y * (1 - p**q) / q for y, p in zip(truth, softmax(row), strict=True))

    got = value(generalised_cross_entropy(TASK, q=q), targets).total.item()
    assert got == pytest.approx(mean(targets, cost), rel=1e-5)


def test_at_1_it_is_half_the_absolute_error():
    apart = (LOGITS.softmax(dim=1) - F.one_hot(LABELS, 3)).abs().sum(dim=1).mean()
    torch.testing.assert_close(value(generalised_cross_entropy(TASK, q=1.0), Targets(LABELS)).total, apart / 2)


def test_towards_0_it_is_cross_entropy():
    got = value(generalised_cross_entropy(TASK, q=0.01), Targets(LABELS)).total
    torch.testing.assert_close(got, F.cross_entropy(LOGITS, LABELS), rtol=0.03, atol=0)


def test_the_gradient_is_that_of_cross_entropy_times_p_to_the_q():
    logits, other = (LOGITS.clone().requires_grad_() for _ in range(2))
    value(generalised_cross_entropy(TASK), Targets(LABELS), logits).total.backward()
    F.cross_entropy(other, LABELS).backward()
    p = LOGITS.softmax(dim=1).gather(1, LABELS[:, None])
    torch.testing.assert_close(logits.grad, p**0.7 * other.grad)
