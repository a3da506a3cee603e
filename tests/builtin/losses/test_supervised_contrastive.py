"""The supervised contrastive loss against loops over anchors, positives and all others."""

from __future__ import annotations

import math

import pytest
import torch

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.supervised_contrastive import supervised_contrastive

TASK = Task(("a", "b", "c"), channels=1, height=8, width=8, train_counts=(6, 4, 2), features=4)
LABELS = torch.tensor([0, 1, 0, 2, 1])
VOTES = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.4, 0.2, 0.4], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
WEIGHT = torch.tensor([1.0, 0.5, 2.0, 0.0, 3.0])
TARGETS = {
    "labels": Targets(LABELS, positions=torch.arange(5), epoch=1),
    "votes": Targets(LABELS, VOTES, positions=torch.arange(5), epoch=1),
    "weights": Targets(LABELS, VOTES, weight=WEIGHT, positions=torch.arange(5), epoch=1),
}


def views(seed: int = 0) -> Outputs:
    drawn = torch.Generator().manual_seed(seed)
    first, second = (
        Outputs(torch.randn(5, 3, generator=drawn), features=torch.randn(5, 4, generator=drawn)) for _ in range(2)
    )
    return Outputs(first.logits, features=first.features, others=(second,))


def by_hand(outputs, targets, points, temperature, weight):
    truths, n = targets.distributions(3).double().tolist(), len(targets)
    weights = [1.0] * n if targets.weight is None else targets.weight.tolist()
    points = [[each / math.hypot(*row) for each in row] for row in points.double().tolist()]
    total = 0.0
    for view, part in enumerate((outputs, outputs.others[0])):
        for sample, logits in enumerate(part.logits.double().tolist()):
            partition = math.log(sum(map(math.exp, logits)))
            cost = sum(y * (partition - z) for y, z in zip(truths[sample], logits, strict=True))
            i = view * n + sample
            near = [sum(a * b for a, b in zip(points[i], other, strict=True)) / temperature for other in points]
            apart = math.log(sum(math.exp(each) for j, each in enumerate(near) if j != i))
            pulled, alike = 0.0, 0.0
            for j in range(2 * n):
                if j != i:
                    same = sum(a * b for a, b in zip(truths[sample], truths[j % n], strict=True))
                    share = 1.0 if j % n == sample else same
                    pulled -= share * (near[j] - apart)
                    alike += share
            total += weights[sample] * (cost + weight * pulled / alike) / (2 * n)
    return pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_features_themselves_by_hand(targets):
    outputs = views()
    loss = supervised_contrastive(TASK, weight=0.7, temperature=0.3, projection=0)
    points = torch.cat([outputs.features, outputs.others[0].features])
    assert loss(outputs, targets).total.item() == by_hand(outputs, targets, points, 0.3, 0.7)
    assert not list(loss.parameters())


def test_projections_by_hand():
    outputs, targets = views(), TARGETS["labels"]
    loss = supervised_contrastive(TASK, projection=6)
    points = torch.cat([outputs.features, outputs.others[0].features])
    first, _, second = loss.projection
    points = ((points @ first.weight.T + first.bias).clamp_min(0) @ second.weight.T + second.bias).detach()
    assert points.shape == (10, 6)
    assert loss(outputs, targets).total.item() == by_hand(outputs, targets, points, 0.1, 1.0)


def test_one_view_is_cross_entropy():
    outputs = views()
    total = supervised_contrastive(TASK)(Outputs(outputs.logits, features=outputs.features), Targets(LABELS)).total
    torch.testing.assert_close(total, torch.nn.functional.cross_entropy(outputs.logits, LABELS))


def test_images_of_one_class_come_together():
    loss, targets = supervised_contrastive(TASK, temperature=0.5, projection=0), TARGETS["labels"]
    outputs = views()
    both = torch.cat([outputs.features, outputs.others[0].features]).requires_grad_()
    for _ in range(200):
        other = Outputs(outputs.logits, features=both[5:])
        total = loss(Outputs(outputs.logits, features=both[:5], others=(other,)), targets).total
        (slope,) = torch.autograd.grad(total, both)
        both = (both - slope).detach().requires_grad_()
    points = torch.nn.functional.normalize(both).detach()
    near, same = points @ points.T, LABELS.repeat(2)[:, None] == LABELS.repeat(2)
    assert near[same].min() > 0.9 > 0.5 > near[~same].max()
