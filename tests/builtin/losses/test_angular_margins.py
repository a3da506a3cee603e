"""ArcFace and CosFace against angles, sample by sample."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.angular_margins import arcface, cosface

TASK = Task(("a", "b", "c"), channels=1, height=8, width=8, train_counts=(6, 4, 2))
LABELS = torch.tensor([0, 1, 2, 2])
#: The true class of the last is almost opposite: θ + m is beyond π.
COSINE = torch.tensor([[0.9, 0.1, -0.3], [0.5, 0.2, 0.0], [-0.6, 0.3, 1.0], [0.4, 0.7, -0.99]])
VOTES = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6], [0.5, 0.0, 0.5]])
WEIGHT = torch.tensor([1.0, 0.0, 2.0, 0.5])


def outputs(cosine):
    return Outputs(16 * cosine, extra={"cosine": cosine})


def with_angle(cosine, margin):
    angle = math.acos(cosine) + margin
    return math.cos(angle) if angle < math.pi else cosine - margin * math.sin(margin)


def by_hand(narrow, scale, truths, weights):
    total = 0.0
    for row, truth, weight in zip(COSINE.double().tolist(), truths, weights, strict=True):
        logits = [scale * (c + y * (narrow(max(-1, min(1, c))) - c)) for c, y in zip(row, truth, strict=True)]
        top = max(logits)
        partition = top + math.log(sum(math.exp(z - top) for z in logits))
        total += weight * sum(y * (partition - z) for y, z in zip(truth, logits, strict=True))
    return pytest.approx(total / len(truths), rel=1e-4)


@pytest.mark.parametrize(("soft", "weight"), [(None, None), (VOTES, None), (VOTES, WEIGHT)])
@pytest.mark.parametrize(
    ("loss", "scale", "narrow"),
    [
        (arcface(TASK), 64, lambda c: with_angle(c, 0.5)),
        (arcface(TASK, margin=0.3, scale=10), 10, lambda c: with_angle(c, 0.3)),
        (cosface(TASK), 64, lambda c: c - 0.35),
        (cosface(TASK, margin=0.2, scale=10), 10, lambda c: c - 0.2),
    ],
    ids=["arcface", "arcface-other", "cosface", "cosface-other"],
)
def test_margins_by_hand(loss, scale, narrow, soft, weight):
    targets = Targets(LABELS, soft, weight=weight, positions=torch.arange(4), epoch=1)
    truths = targets.distributions(3).double().tolist()
    weights = [1.0] * 4 if weight is None else weight.tolist()
    assert loss(outputs(COSINE), targets).total.item() == by_hand(narrow, scale, truths, weights)


@pytest.mark.parametrize("build", [arcface, cosface])
def test_validation_has_no_margin(build):
    total = build(TASK, scale=10)(outputs(COSINE), Targets(LABELS)).total
    torch.testing.assert_close(total, torch.nn.functional.cross_entropy(10 * COSINE, LABELS))


def test_the_angular_margin_never_costs_less_as_the_angle_grows():
    angles = torch.linspace(0, math.pi, 400)
    loss, targets = arcface(TASK, scale=4), Targets(torch.zeros(1, dtype=torch.int64), positions=torch.zeros(1))
    costs = [loss(outputs(torch.stack([c, c * 0, c * 0])[None]), targets).total.item() for c in angles.cos()]
    assert all(later > before - 1e-6 for before, later in itertools.pairwise(costs))


def test_gradients_are_finite_where_features_lie_on_the_class():
    cosine = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]], requires_grad=True)
    targets = Targets(torch.tensor([0, 0]), positions=torch.arange(2))
    arcface(TASK)(outputs(cosine), targets).total.backward()
    assert cosine.grad.isfinite().all()


def test_a_model_whose_head_is_no_cosine_is_refused(ferbench_cli):
    settings = [
        part for one in ("data.image_size=16", "dataset.size=24", "dataset.train=35") for part in ("--set", one)
    ]
    done = ferbench_cli("run", "--model", "cnn4", "--loss", "arcface", *settings, "--quiet")
    assert done.exit_code == 2
    assert "say --set model.head=cosine" in done.stderr
