"""Centre and island loss against loops over samples and classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.centre import centre
from ferbench_builtin.losses.island import island

TASK = Task(("a", "b", "c"), channels=1, height=8, width=8, train_counts=(6, 4, 2), features=4)
LABELS = torch.tensor([0, 1, 0, 1, 0])  # none of the third class
VOTES = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.4, 0.2, 0.4], [0.1, 0.8, 0.1], [1.0, 0.0, 0.0]])
WEIGHT = torch.tensor([1.0, 0.5, 2.0, 0.0, 3.0])
POSITIONS = torch.arange(5)


def batch(seed: int) -> Outputs:
    generator = torch.Generator().manual_seed(seed)
    return Outputs(torch.randn(5, 3, generator=generator), features=torch.randn(5, 4, generator=generator))


class ByHand:
    """The paper's sums, one sample and one class at a time."""

    def __init__(self, centres, weight, rate, apart=0.0):
        self.centres = [np.array(row, dtype=np.float64) for row in centres.tolist()]
        self.weight, self.rate, self.apart = weight, rate, apart

    def cost(self, outputs, truths, weights):
        total = 0.0
        rows = zip(outputs.logits.tolist(), outputs.features.tolist(), truths, weights, strict=True)
        for logits, x, truth, weight in rows:
            partition = sum(map(math.exp, logits))
            for y, z, c in zip(truth, logits, self.centres, strict=True):
                away = sum((a - b) ** 2 for a, b in zip(x, c, strict=True))
                total += weight * (-y * math.log(math.exp(z) / partition) + self.weight / 2 * y * away) / len(truths)
        return total + self.weight * self.apart * sum(
            float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) + 1
            for j, a in enumerate(self.centres)
            for k, b in enumerate(self.centres)
            if j != k
        )

    def move(self, outputs, truths, weights):
        new = []
        for j, c in enumerate(self.centres):
            step, count = np.zeros(len(c)), 0.0
            for x, truth, weight in zip(outputs.features.double().numpy(), truths, weights, strict=True):
                step += weight * truth[j] * (c - x)
                count += weight * truth[j]
            step /= 1 + count
            for k, other in enumerate(self.centres):
                if k != j:
                    long, far = np.linalg.norm(c), np.linalg.norm(other)
                    turn = other / (long * far) - (c @ other) / (long**3 * far) * c
                    step += self.apart / (len(self.centres) - 1) * turn
            new.append(c - self.rate * step)
        self.centres = new


TARGETS = {
    "labels": Targets(LABELS, positions=POSITIONS, epoch=1),
    "votes": Targets(LABELS, VOTES, positions=POSITIONS, epoch=1),
    "weights": Targets(LABELS, VOTES, weight=WEIGHT, positions=POSITIONS, epoch=1),
}


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("apart", [None, 10.0], ids=["centre", "island"])
def test_three_batches_by_hand(targets, apart):
    torch.manual_seed(0)
    loss = centre(TASK, weight=0.3, rate=0.4) if apart is None else island(TASK, weight=0.3, rate=0.4, apart=apart)
    by_hand = ByHand(loss.centres, 0.3, 0.4, apart or 0.0)
    truths = targets.distributions(3).double().tolist()
    weights = [1.0] * 5 if targets.weight is None else targets.weight.tolist()
    for seed in range(3):
        outputs = batch(seed)
        assert loss(outputs, targets).total.item() == pytest.approx(by_hand.cost(outputs, truths, weights), rel=1e-4)
        by_hand.move(outputs, truths, weights)
        np.testing.assert_allclose(loss.centres.numpy(), np.array(by_hand.centres), rtol=1e-4, atol=1e-5)


def test_a_class_that_a_batch_lacks_keeps_its_centre():
    loss = centre(TASK)
    before = loss.centres.clone()
    loss(batch(0), TARGETS["labels"])
    assert torch.equal(loss.centres[2], before[2])
    assert (loss.centres[:2] != before[:2]).all()


def test_features_are_pulled_to_where_the_centre_was():
    """λ (x − c) / N, though the centre has moved before the backward pass."""
    loss, outputs = centre(TASK, weight=0.3), batch(0)
    before, features = loss.centres.clone(), outputs.features.clone().requires_grad_()
    loss(Outputs(outputs.logits, features=features), TARGETS["labels"]).total.backward()
    torch.testing.assert_close(features.grad, 0.3 * (features.detach() - before[LABELS]) / 5)
    assert not list(loss.parameters())


def test_validation_measures_and_leaves_the_centres_alone():
    loss, outputs = centre(TASK), batch(1)
    before = loss.centres.clone()
    measured = loss(outputs, Targets(LABELS)).total
    assert torch.equal(loss.centres, before)
    torch.testing.assert_close(loss(outputs, TARGETS["labels"]).total, measured)


def test_the_island_turns_centres_away_from_each_other():
    torch.manual_seed(3)
    loss = island(TASK, apart=1.0)
    loss.centres.copy_(torch.eye(3, 4) + 0.7)
    likeness = [loss(batch(seed), TARGETS["labels"]).components["island"].item() for seed in range(8)]
    assert likeness[-1] < likeness[0] - 1


def test_centres_begin_with_lengths_of_about_one():
    torch.manual_seed(0)
    wide = Task(TASK.class_names, 1, 8, 8, TASK.train_counts, features=512)
    assert centre(wide).centres.norm(dim=1).tolist() == pytest.approx([1, 1, 1], abs=0.1)
