"""A loss with a head of its own is told that nothing it trains predicts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from test_loop import training
from torch import nn

from ferbench.data.targets import Outputs
from ferbench.training.head import head_of
from ferbench.training.loop import fit
from ferbench.training.observer import Observer


class Net(nn.Module):
    """A layer, and a head on it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.BatchNorm1d(6), nn.ReLU())
        self.head = nn.Linear(6, 2)

    def forward(self, images):
        features = self.body(images)
        cosine = F.linear(F.normalize(features), F.normalize(self.head.weight))
        return Outputs(self.head(features), features=features, extra={"cosine": cosine}, classifier=self.head)


class OwnHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Linear(6, 2)

    def forward(self, outputs, targets):
        return F.cross_entropy(self.own(outputs.features), targets.labels)


LOSSES = {
    "the logits": lambda outputs, targets: F.cross_entropy(outputs.logits, targets.labels),
    "the classifier": lambda outputs, targets: F.cross_entropy(outputs.classifier(outputs.features), targets.labels),
    "cosines": lambda outputs, targets: F.cross_entropy(outputs.extra["cosine"], targets.labels),
}


def fitted(monkeypatch, loss, net=None, step=0, **changed) -> str:
    """What a training warns of."""
    said: list[str] = []
    monkeypatch.setattr("ferbench.training.head.warn", said.append)
    job = training(epochs=2, loss=loss, model=net or Net(), **changed)
    own = list(loss.parameters()) if isinstance(loss, nn.Module) else []
    job.needs = ("features", "classifier", "cosine")
    job.optimizer = torch.optim.SGD([*job.model.parameters(), *own], lr=0.1)
    job.schedule = lambda step, scores: (0.1,)
    job.at.step = step
    fit(job, Observer())
    assert not job.model._forward_hooks
    return "".join(f"warning: {line}\n" for line in said)


@pytest.mark.parametrize("more", [{}, {"accumulate": 2}, {"clip_norm": 0.1}], ids=str)
def test_a_head_that_lives_in_the_loss_is_warned_of_once(monkeypatch, more):
    said = fitted(monkeypatch, OwnHead(), **more)
    assert said.count("warning: ") == 1
    assert "the loss gives no gradient to the head of the model, so that its predictions learn nothing → " in said


def test_it_is_warned_of_where_everything_before_the_head_is_frozen(monkeypatch):
    net = Net()
    net.body.requires_grad_(False)
    assert "no gradient to the head" in fitted(monkeypatch, OwnHead(), net)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_that_trains_the_head_in_some_way_is_not(monkeypatch, name):
    assert fitted(monkeypatch, LOSSES[name]) == ""


def test_a_model_with_a_frozen_head_is_not(monkeypatch):
    net = Net()
    net.head.requires_grad_(False)
    assert fitted(monkeypatch, OwnHead(), net) == ""


def test_a_training_that_goes_on_says_it_no_more(monkeypatch):
    assert fitted(monkeypatch, OwnHead(), step=3) == ""


def test_the_head_is_what_the_logits_alone_hang_on():
    net = Net()
    outputs = net(torch.rand(4, 1, 4, 4))
    assert {id(each) for each in head_of(outputs)} == {id(each) for each in net.head.parameters()}
    assert head_of(Outputs(outputs.features)) != []
    assert head_of(Outputs(outputs.logits, features=outputs.logits)) == []
    assert head_of(Outputs(outputs.logits, extra={"branch": outputs.logits / 2})) == []
    with torch.no_grad():
        assert head_of(net(torch.rand(4, 1, 4, 4))) == []
