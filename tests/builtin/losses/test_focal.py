"""Focal loss."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

from ferbench import Task
from ferbench.data.targets import Outputs, Targets
from ferbench_builtin.losses.focal import focal

TWO = Task(("no", "yes"), channels=1, height=8, width=8, train_counts=(70, 30))
LABELS = torch.tensor([0, 1, 1, 0, 1, 0])
SCORES = torch.tensor([0.3, -1.2, 4.0, -9.0, 0.0, 2.5])


def value(task=TWO, logits=None, labels=LABELS, soft=None, weight=None, **options) -> torch.Tensor:
    logits = torch.stack([torch.zeros_like(SCORES), SCORES], dim=1) if logits is None else logits
    return focal(task, **options)(Outputs(logits), Targets(labels, soft, None, weight)).total


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_two_classes_are_torchvisions_sigmoid_focal_loss(gamma):
    expected = sigmoid_focal_loss(SCORES, LABELS.float(), alpha=-1, gamma=gamma, reduction="mean")
    torch.testing.assert_close(value(gamma=gamma), expected)


def test_alpha_by_name_is_torchvisions_alpha_up_to_its_scale():
    expected = sigmoid_focal_loss(SCORES, LABELS.float(), alpha=0.75, gamma=2.0, reduction="mean")
    # Weights 1 and 3 have the mean 1.6 over 70 + 30 samples; torchvision has 0.25 and 0.75.
    torch.testing.assert_close(value(weights={"yes": 3.0}), expected * 4 / 1.6)


def test_alpha_by_frequency_is_torchvisions_alpha_up_to_its_scale():
    expected = sigmoid_focal_loss(SCORES, LABELS.float(), alpha=0.7, gamma=2.0, reduction="mean")
    # Of 70 and 30 samples, 1 / n is 0.3 to 0.7; with the mean 1 over the samples it is 100 / 140 and 100 / 60.
    torch.testing.assert_close(value(scheme="inverse"), expected * (100 / 60) / 0.7)


@pytest.mark.parametrize("soft", [None, torch.tensor([[0.9, 0.1], [0.4, 0.6]])])
def test_smoothing_is_torchs_where_gamma_is_0(soft):
    logits, labels = torch.tensor([[0.3, -0.7], [1.5, 0.2]]), torch.tensor([0, 1])
    expected = F.cross_entropy(logits, labels if soft is None else soft, label_smoothing=0.2)
    torch.testing.assert_close(value(logits=logits, labels=labels, soft=soft, gamma=0.0, label_smoothing=0.2), expected)


def test_smoothed_labels_are_distributions():
    logits, labels = torch.tensor([[0.2, 0.8]]).log(), torch.tensor([1])
    expected = -(0.1 * 0.8**2 * torch.tensor(0.2).log() + 0.9 * 0.2**2 * torch.tensor(0.8).log())
    torch.testing.assert_close(value(logits=logits, labels=labels, label_smoothing=0.2), expected)


def test_gamma_0_is_cross_entropy():
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(value(logits=logits, gamma=0.0), F.cross_entropy(logits, LABELS))


def test_distributions_are_discounted_class_by_class():
    logits = torch.tensor([[0.2, 0.8]]).log()
    expected = -(0.25 * 0.8**2 * torch.tensor(0.2).log() + 0.75 * 0.2**2 * torch.tensor(0.8).log())
    got = value(logits=logits, labels=torch.tensor([1]), soft=torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_a_sure_answer_has_a_finite_gradient(gamma):
    logits = torch.tensor([[-60.0, 60.0]], requires_grad=True)
    value(logits=logits, labels=torch.tensor([1]), gamma=gamma).backward()
    assert torch.isfinite(logits.grad).all()


def test_sample_weights_multiply_and_the_mean_is_over_samples():
    weight = torch.tensor([0.0, 0, 0, 0, 0, 3.0])
    alone = value(logits=torch.tensor([[0.0, 2.5]]), labels=LABELS[5:])
    torch.testing.assert_close(value(weight=weight), alone * 3 / 6)
