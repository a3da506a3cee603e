import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from ferbench import Task
from ferbench.data.targets import Outputs, Targets
from ferbench_builtin.losses.cross_entropy import cross_entropy

TASK = Task(("angry", "happy", "sad"), channels=1, height=8, width=8, train_counts=(5, 5, 5))

# Logits whose softmax is known: the logarithms of these probabilities.
PROBABILITIES = [[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]
LOGITS = torch.tensor(PROBABILITIES).log()
LABELS = torch.tensor([0, 1])


def value(logits=LOGITS, *, smoothing=0.0, **targets) -> float:
    loss = cross_entropy(TASK, label_smoothing=smoothing)
    return loss(Outputs(logits), Targets(**{"labels": LABELS, **targets})).total.item()


def test_labels_by_hand():
    assert value() == pytest.approx((math.log(2) + math.log(1 / 0.8)) / 2, rel=1e-6)


def test_labels_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(50, 3))
    labels = generator.integers(0, 3, 50)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    got = value(torch.tensor(logits), labels=torch.tensor(labels))
    assert got == pytest.approx(log_loss(labels, probabilities, labels=[0, 1, 2]), rel=1e-5)


def test_smoothing_spreads_its_share_over_all_classes():
    # Smoothing 0.3 makes the target of class 0 (0.8, 0.1, 0.1) and of class 1 (0.1, 0.8, 0.1).
    first = -(0.8 * math.log(0.5) + 0.2 * math.log(0.25))
    second = -(0.8 * math.log(0.8) + 0.2 * math.log(0.1))
    assert value(smoothing=0.3) == pytest.approx((first + second) / 2, rel=1e-6)


def test_soft_targets_take_the_place_of_labels():
    soft = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
    first = -(0.5 * math.log(0.5) + 0.5 * math.log(0.25))
    second = -(0.25 * math.log(0.8) + 0.75 * math.log(0.1))
    assert value(soft=soft) == pytest.approx((first + second) / 2, rel=1e-6)


def test_soft_targets_are_smoothed_too():
    one_hot = torch.nn.functional.one_hot(LABELS, 3).double()
    assert value(soft=one_hot, smoothing=0.2) == pytest.approx(value(smoothing=0.2), rel=1e-6)


@pytest.mark.parametrize("soft", [None, torch.eye(3)[:2]])
def test_weights_multiply_and_the_mean_is_over_samples(soft):
    got = value(soft=soft, weight=torch.tensor([3.0, 0.5]))
    assert got == pytest.approx((3 * math.log(2) + 0.5 * math.log(1 / 0.8)) / 2, rel=1e-6)


def test_weighted_micro_batches_add_up_to_the_batch():
    weight = torch.tensor([3.0, 0.5])
    parts = [value(LOGITS[i : i + 1], labels=LABELS[i : i + 1], weight=weight[i : i + 1]) for i in (0, 1)]
    assert value(weight=weight) == pytest.approx(sum(parts) / 2, rel=1e-6)


def test_half_precision_logits_are_computed_in_float32():
    loss = cross_entropy(TASK)(Outputs(LOGITS.bfloat16()), Targets(LABELS)).total
    assert loss.dtype == torch.float32


def test_component_is_the_total_without_its_graph():
    logits = LOGITS.clone().requires_grad_()
    result = cross_entropy(TASK)(Outputs(logits), Targets(LABELS))
    assert list(result.components) == ["expression"]
    assert result.components["expression"].item() == result.total.item()
    assert result.total.requires_grad
    assert not result.components["expression"].requires_grad
