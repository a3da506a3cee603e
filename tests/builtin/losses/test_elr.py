"""What was predicted of a sample goes on to count."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from losses_by_hand import COUNTS, LOGITS, TARGETS, TASK, softmax, value

from ferbench_builtin.losses.elr import elr

POSITIONS = torch.tensor([7, 256, 0, 31, 100])


def within(p: float) -> float:
    return min(max(p, 1e-4), 1 - 1e-4)


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_three_batches_by_hand(targets):
    targets = dataclasses.replace(targets, positions=POSITIONS, epoch=1)
    truths = targets.distributions(3).double().tolist()
    weights = [1.0] * 5 if targets.weight is None else targets.weight.tolist()
    loss, memory = elr(TASK, strength=2.0, beta=0.6), [[0.0] * 3 for _ in range(5)]
    for step in range(3):
        logits = LOGITS * (step - 0.5) * 4  # sure ones too, which are kept from 0 and 1
        costs = []
        for place, (row, truth) in enumerate(zip(logits.double().tolist(), truths, strict=True)):
            kept = [within(p) for p in softmax(row)]
            memory[place] = [0.6 * t + 0.4 * p / sum(kept) for t, p in zip(memory[place], kept, strict=True)]
            agreed = sum(t * p for t, p in zip(memory[place], kept, strict=True))
            entropy = -sum(y * math.log(p) for y, p in zip(truth, softmax(row), strict=True))
            costs.append(weights[place] * (entropy + 2.0 * math.log(1 - agreed)))
        assert value(loss, targets, logits).total.item() == pytest.approx(sum(costs) / 5, rel=1e-4)
    torch.testing.assert_close(loss.memory[POSITIONS], torch.tensor(memory), rtol=1e-4, atol=1e-6)
    assert loss.memory.shape == (sum(COUNTS), 3)
    untouched = torch.ones(sum(COUNTS), dtype=torch.bool)
    untouched[POSITIONS] = False
    assert not loss.memory[untouched].any()


def test_the_memory_is_no_way_for_gradients():
    """The gradient is that of ln(1 − ⟨p, t⟩) where t is a number."""
    targets = dataclasses.replace(TARGETS["labels"], positions=POSITIONS)
    loss, logits = elr(TASK), LOGITS.clone().requires_grad_()
    value(loss, targets, logits).total.backward()
    fixed, again = loss.memory[POSITIONS].clone(), LOGITS.clone().requires_grad_()
    p = again.softmax(dim=1)
    agreed = (fixed * p.clamp(1e-4, 1 - 1e-4)).sum(dim=1)
    cross_entropy = -p.log().gather(1, targets.labels[:, None])[:, 0]
    (cross_entropy + 3 * (1 - agreed).log()).mean().backward()
    torch.testing.assert_close(logits.grad, again.grad)


def test_validation_is_cross_entropy_and_changes_no_memory():
    loss = elr(TASK)
    value(loss, dataclasses.replace(TARGETS["labels"], positions=POSITIONS))
    before, targets = loss.memory.clone(), TARGETS["votes"]
    expected = -(targets.soft * LOGITS.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(value(loss, targets).total, expected)
    assert torch.equal(loss.memory, before)


def test_what_a_sample_is_predicted_to_be_again_costs_less():
    """That is what the method is: it pulls less towards a wrong label where the network said otherwise before."""
    targets = dataclasses.replace(TARGETS["labels"], positions=POSITIONS)
    plain, remembering = LOGITS.clone().requires_grad_(), LOGITS.clone().requires_grad_()
    loss = elr(TASK)
    for _ in range(3):
        total = value(loss, targets, remembering).total
    total.backward()
    value(loss, TARGETS["labels"], plain).total.backward()
    wrong = 3  # is taken to be of class 1, and labelled 2
    assert remembering.grad[wrong].norm() < plain.grad[wrong].norm()
