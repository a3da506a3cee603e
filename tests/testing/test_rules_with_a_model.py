"""A loss whose model gives something that is not shaped like logits."""

from __future__ import annotations

import pytest

from ferbench.plugin.discovery import load_registry
from ferbench.testing import Subject, cases, check, failed

PLUGIN = """
import torch
import torch.nn.functional as F
from torch import nn
import ferbench

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("embedding", build="pair:Embedding", image_size=8, gives=("embed", "sure", "branch"))
    yield ferbench.ModelSpec("liar", build="pair:Liar", image_size=8, gives=("embed", "sure"))

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("on-embedding", build="pair:OnEmbedding", needs=("embed", "sure"))
    yield ferbench.LossSpec("averages", build="pair:Averages", needs=("embed",))
    yield ferbench.LossSpec("forgets", build="pair:OnEmbedding", needs=("embed",))

class Embedding(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.embed = nn.Linear(64, 5)
        self.head = nn.Linear(5, task.num_classes)

    def forward(self, images):
        embed = self.embed(images.flatten(1))
        extra = {"embed": embed, "sure": embed.mean(1).sigmoid(), "branch": self.head(embed)}
        return ferbench.Outputs(self.head(embed), extra=extra)

class Liar(Embedding):
    def forward(self, images):
        return super().forward(images).logits

class Averages:
    mean = None

    def __init__(self, task):
        pass

    def __call__(self, outputs, targets):
        embed = outputs.extra["embed"]
        now = embed.detach().mean(0)
        self.mean = now if self.mean is None else 0.9 * self.mean + 0.1 * now
        total = F.cross_entropy(outputs.logits, targets.distributions(outputs.logits.shape[1]))
        return total + (embed - self.mean.to(embed.device)).square().mean()

class OnEmbedding(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.head = nn.Linear(5, task.num_classes)

    def forward(self, outputs, targets):
        truth = targets.distributions(outputs.logits.shape[1])
        own = F.cross_entropy(self.head(outputs.extra["embed"]), truth, reduction="none")
        assert (outputs.extra["sure"] > 0).all() and (outputs.extra["sure"] < 1).all()
        return F.cross_entropy(outputs.logits, truth) + 0.1 * (own * outputs.extra["sure"]).mean()
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("pair") / "pair.py"
    path.write_text(PLUGIN)
    return str(path)


def verdicts(file, loss, model=None):
    registry = load_registry([file])
    partner = None if model is None else registry.find("model", model)
    return list(check(Subject(registry.find("loss", loss), partner=partner)))


def test_it_is_tried_with_what_the_model_gives(file):
    tried = verdicts(file, "on-embedding", "embedding")
    assert failed(tried) == [], [one.said for one in tried if one.status == "failed"]


def test_a_mean_of_what_the_model_gives_has_to_be_carried_by_a_checkpoint(file):
    (broken,) = (one for one in verdicts(file, "averages", "embedding") if one.status == "failed")
    assert broken.rule == "state-round-trip"


def test_without_a_model_the_shape_is_explained(file):
    tried = verdicts(file, "on-embedding")
    assert failed(tried) == ["scalar"]
    (said,) = (one.said for one in tried if one.status == "failed")
    assert "shapes cannot be multiplied" in said
    assert said.endswith("made-up 'embed' has the shape of logits, [24, 7]; name the model that gives it with --model")


def test_what_the_model_gives_and_the_loss_does_not_name_is_found(file):
    (said,) = (one.said for one in verdicts(file, "forgets", "embedding") if one.status == "failed")
    assert said == "it fails without sure: name it, LossSpec(needs=('embed', 'sure'))"


def test_a_model_that_does_not_give_what_it_says_is_named(file):
    first = next(one for one in verdicts(file, "on-embedding", "liar") if one.status == "failed")
    assert first.rule == "needs"
    assert first.said.startswith("model 'liar' does not give embed")


def test_as_tests_and_as_a_command(file, ferbench_cli):
    for case in cases("loss", "on-embedding", plugins=[file], model="embedding"):
        if case.rule.name in ("scalar", "class-order"):
            case.check()
    plugin = ("--plugin", file)
    assert ferbench_cli("plugins", "check", "on-embedding", "--model", "embedding", *plugin).exit_code == 0
    refused = ferbench_cli("plugins", "check", "on-embedding", "--model", "cnn4", *plugin)
    assert refused.exit_code == 2
    assert "needs embed and sure, which model 'cnn4' does not give" in refused.stderr
    other = ferbench_cli("plugins", "check", "embedding", "--model", "cnn4", *plugin)
    assert other.exit_code == 2
    assert "model 'embedding' is no loss" in other.stderr
