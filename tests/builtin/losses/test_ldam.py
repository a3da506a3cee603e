"""Margins that are wider for rare classes, and weights from some epoch on."""

from __future__ import annotations

import math

import pytest
import torch
from losses_by_hand import COUNTS, TARGETS, TASK, mean, softmax, value

from ferbench import Task
from ferbench_builtin.losses.ldam import ldam

#: Fourth roots of 160, 81 and 16 samples: the rarest class has all of the margin.
MARGINS = [0.6 * 2 / (160**0.25), 0.6 * 2 / 3, 0.6]


def by_hand(targets, weights=(1.0, 1.0, 1.0)):
    def cost(row, truth):
        cosines = [math.tanh(logit / 4) for logit in row]
        narrowed = [10 * (c - y * m) for c, y, m in zip(cosines, truth, MARGINS, strict=True)]
        return -sum(w * y * math.log(p) for w, y, p in zip(weights, truth, softmax(narrowed), strict=True))

    return pytest.approx(mean(targets, cost), rel=1e-4)


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_margins_are_taken_from_the_cosine_of_the_true_class(targets):
    loss = ldam(TASK, margin=0.6, scale=10)
    assert value(loss, targets).total.item() == by_hand(targets)


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_weights_are_effective_numbers_once_the_share_of_epochs_is_over(targets):
    loss = ldam(TASK, margin=0.6, scale=10, beta=0.9)
    loss.epoch_started(8, 10)
    assert value(loss, targets).total.item() == by_hand(targets)
    loss.epoch_started(9, 10)
    weights = [0.1 / (1 - 0.9**n) for n in COUNTS]
    average = sum(w * n for w, n in zip(weights, COUNTS, strict=True)) / sum(COUNTS)
    assert value(loss, targets).total.item() == by_hand(targets, [w / average for w in weights])
    loss.epoch_started(2, 10)
    assert value(loss, targets).total.item() == by_hand(targets)


def test_deferred_for_all_epochs_there_are_no_weights():
    loss = ldam(TASK, margin=0.6, scale=10, defer=1.0)
    loss.epoch_started(10, 10)
    assert value(loss, TARGETS["labels"]).total.item() == by_hand(TARGETS["labels"])


def test_a_class_without_samples_has_the_margin_of_the_rarest_and_changes_no_others():
    loss = ldam(Task(("a", "b", "c", "d"), 1, 8, 8, (*COUNTS, 0)), margin=0.6)
    torch.testing.assert_close(loss.margins, torch.tensor([*MARGINS, 0.6]))


def test_the_default_margin_of_the_rarest_class_is_the_papers():
    assert ldam(TASK).margins.max().item() == pytest.approx(0.5)


def test_a_model_whose_head_is_no_cosine_is_refused(ferbench_cli):
    settings = [
        part for one in ("data.image_size=16", "dataset.size=24", "dataset.train=35") for part in ("--set", one)
    ]
    done = ferbench_cli("run", "--model", "cnn4", "--loss", "ldam", *settings, "--quiet")
    assert done.exit_code == 2
    assert "say --set model.head=cosine" in done.stderr
