"""Predictions of an image beside others, and alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.data.views import VIEWS
from ferbench.training.evaluation import evaluate
from ferbench.training.neighbours import dependence

CPU = torch.device("cpu")


class Plain(nn.Module):
    """Logits of every pixel for itself."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.linear = nn.BatchNorm2d(1), nn.Linear(64, 3)

    def forward(self, images):
        return self.linear(self.norm(images).flatten(1))


class InTraining(Plain):
    """Its batch norm stays in training mode."""

    def train(self, mode=True):
        super().train(mode)
        self.norm.train()
        return self


class Attentive(Plain):
    """Each image is seen in the light of all others."""

    def forward(self, images):
        pixels = self.norm(images).flatten(1)
        return self.linear(torch.softmax(pixels @ pixels.T / 64, dim=1) @ pixels)


class Squeezing(Plain):
    """Forgets that a batch may have one image."""

    def forward(self, images):
        return super().forward(images).squeeze()


def split(n):
    images = np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8)).astype(np.uint8)
    return Batches(images, np.arange(n), Truth(np.arange(n) % 3), InputShape(1, (8, 8), (0.5,), (0.5,)), CPU)


def found(model, n=20, views=VIEWS["none"]):
    batches = split(n)
    result = evaluate(model, batches, 3, None, 8, views)
    return dependence(model, batches, result.probabilities, views)


@pytest.mark.parametrize("views", ["none", "flip", "ten-crop"])
@pytest.mark.parametrize("n", [1, 2, 20])
def test_a_model_that_looks_at_one_image_at_a_time_is_sound(n, views):
    model = Plain()
    assert found(model, n, VIEWS[views]) is None
    assert model.training


@pytest.mark.parametrize("model", [InTraining, Attentive])
def test_neighbours_that_matter_are_told_with_how_much(model):
    reason = found(model())
    assert reason is not None
    assert reason.startswith("predictions depend on the other images of a batch: alone, one of 8 images has")


def test_a_model_that_cannot_take_one_image_is_told_with_what_it_says():
    reason = found(Squeezing())
    assert reason is not None
    assert reason.startswith("the model takes no image alone: ")
