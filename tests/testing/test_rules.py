"""Each rule of the kit, by a plugin that breaks it and no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ferbench.plugin.discovery import load_registry
from ferbench.testing import Subject, check, failed, rules_of

FOLDER = Path(__file__).with_name("broken")
sys.path.insert(0, str(FOLDER))

from broken_plugin import BROKEN, named  # noqa: E402

PAIRS = [(kind, rule) for kind, rules in BROKEN.items() for rule in rules]


@pytest.fixture(scope="module")
def registry():
    return load_registry(["broken_plugin", "heavy_plugin"])


@pytest.mark.parametrize(("kind", "rule"), [*PAIRS, ("tracker", "light-import")])
def test_a_component_that_breaks_a_rule_fails_that_one_and_no_other(registry, kind, rule, tmp_path):
    (tmp_path / "file").touch()
    subject = Subject(registry.find(kind, named(kind, rule)), data=tmp_path if rule == "empty-directory" else None)
    verdicts = list(check(subject))
    assert failed(verdicts) == [rule], verdicts
    (verdict,) = [one for one in verdicts if one.status == "failed"]
    assert verdict.said
    assert "\n" not in verdict.said


@pytest.mark.parametrize("kind", BROKEN)
def test_every_rule_that_can_fail_is_broken_by_one(kind):
    """Add a component that breaks the rule to tests/testing/broken."""
    names = {rule.name for rule in rules_of(kind) if not rule.informational}
    assert names - set(BROKEN[kind]) <= {"light-import", "options"}


@pytest.mark.parametrize("kind", BROKEN)
def test_rules_have_names_of_their_own_and_say_what_they_ask(kind):
    rules = rules_of(kind)
    assert len({rule.name for rule in rules}) == len(rules)
    assert all(rule.summary for rule in rules)


DEFERRED = """
import ferbench
import torch
import torch.nn.functional as F

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("deferred", build="deferred:Deferred")

class Deferred:
    def __init__(self, task):
        self.weights = torch.tensor(task.train_counts).float()
        self.late = False

    def epoch_started(self, epoch, epochs):
        self.late = epoch > 0.8 * epochs

    def __call__(self, outputs, targets):
        truth = targets.distributions(outputs.logits.shape[1])
        weights = self.weights.to(outputs.logits.device) if self.late else torch.ones_like(truth[0])
        each = F.cross_entropy(outputs.logits, truth * weights, reduction="none")
        return each.REDUCED
"""


@pytest.mark.parametrize(
    ("reduced", "broken", "noted"),
    [
        ("mean()", [], "yes"),
        ("sum() if self.late else each.mean()", ["mean-over-samples"], "in the last epoch it is "),
        ("sum() / (truth * weights).sum()", [], "in the last epoch it is "),
    ],
)
def test_a_loss_that_changes_is_tried_in_its_last_epoch_too(tmp_path, reduced, broken, noted):
    (tmp_path / "deferred.py").write_text(DEFERRED.replace("REDUCED", reduced))
    component = load_registry([str(tmp_path / "deferred.py")]).find("loss", "deferred")
    verdicts = {one.rule: one for one in check(Subject(component))}
    assert failed(verdicts.values()) == broken
    assert verdicts["adds-up"].said.startswith(noted)
    for rule in broken:
        assert verdicts[rule].said.startswith("in the last epoch once ")


COMPARED = """
import ferbench
import torch
import torch.nn.functional as F

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("compared", build="compared:compared")

def compared(task):
    def loss(outputs, targets):
        total = F.cross_entropy(outputs.logits, targets.distributions(outputs.logits.shape[1]))
        if WHERE:
            apart = torch.cdist(outputs.logits, outputs.logits)
            total = total + 0.01 * apart.sum() / (len(apart) * (len(apart) - 1))
        return total

    return loss
"""


@pytest.mark.parametrize(("where", "broken"), [("targets.epoch", []), ("True", ["mean-over-samples"])])
def test_a_loss_may_compare_samples_with_each_other_while_it_learns(tmp_path, where, broken):
    (tmp_path / "compared.py").write_text(COMPARED.replace("WHERE", where))
    component = load_registry([str(tmp_path / "compared.py")]).find("loss", "compared")
    verdicts = {one.rule: one for one in check(Subject(component))}
    assert failed(verdicts.values()) == broken
    assert "over its parts" in verdicts["adds-up"].said


OFF_AT_FIRST = """
import ferbench
import torch
from torch import nn

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("often-off", build="often_off:build", image_size=8)

def build(task):
    off = torch.rand(()) < 0.5  # as under seed 0
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, task.num_classes))
    if off:
        nn.init.constant_(net[1].bias, -99.0)
    return net
"""


def test_a_layer_that_some_initial_weights_switch_off_is_no_broken_model(tmp_path):
    (tmp_path / "often_off.py").write_text(OFF_AT_FIRST)
    component = load_registry([str(tmp_path / "often_off.py")]).find("model", "often-off")
    (verdict,) = [one for one in check(Subject(component)) if one.rule == "gradients"]
    assert (verdict.status, verdict.said) == ("passed", "4 tensors, under 2 draws of the weights")
