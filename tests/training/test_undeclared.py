"""What losses read of outputs, and samplers of scores, though their specs do not ask for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_loop import Order, training

from ferbench import Outputs, Targets, UserError
from ferbench.plugin.component import Component, PluginRecord
from ferbench.plugin.culprit import using
from ferbench.plugin.specs import LossSpec, SamplerSpec
from ferbench.training.asking import pass_scores
from ferbench.training.loop import fit
from ferbench.training.observer import Observer
from ferbench.training.scores import Scores
from ferbench.training.step import evaluate_loss
from ferbench.training.undeclared import watched

TARGETS = Targets(torch.zeros(2, dtype=torch.int64))
SCORES = Scores(1, {"loss": 0.5}, {})


def component(spec):
    return Component(spec.kind, spec, PluginRecord("mine", "mine", "1", "mine", "ok", None, 0.0, (spec,), "mine"))


def given(**parts):
    return Outputs(torch.zeros(2, 3), others=(Outputs(torch.zeros(2, 3), **parts),), **parts)


def asserts(outputs, targets):
    assert outputs.features is not None
    return outputs.features.sum()


def later(outputs, targets):
    features = outputs.features
    return F.normalize(features).sum()


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (lambda outputs, targets: outputs.extra["embed"].sum(), "embed"),
        (lambda outputs, targets: outputs.others[0].extra["embed"].sum(), "embed"),
        (lambda outputs, targets: outputs.features.square().mean(), "features"),
        (lambda outputs, targets: torch.cdist(outputs.features, outputs.features).mean(), "features"),
        (lambda outputs, targets: outputs.others[0].features.mean(), "features"),
        (later, "features"),
        (asserts, "features"),
        (lambda outputs, targets: outputs.classifier(outputs.logits).mean(), "classifier"),
    ],
)
def test_a_loss_that_reads_what_it_does_not_need_is_told_what_to_say(loss, name):
    used = component(LossSpec("margin", "mine:margin", needs=("maps",)))
    with using(used), pytest.raises(UserError) as raised:
        evaluate_loss(loss, given(extra={"maps": torch.zeros(2, 3)}), TARGETS)
    assert raised.value.message.endswith(f" reads {name} of the outputs, and does not say that it needs it")
    assert raised.value.message.startswith("loss 'margin'")
    assert raised.value.remedy == f"name it in its ferbench.LossSpec(needs=('maps', '{name}'))"


def own_table(outputs, targets):
    assert outputs.features is None
    return outputs.extra.get("maps") or {"happy": 1}["sad"]


def of_a_teacher(outputs, targets):
    return targets.teacher.features.mean()


def asserts_else(outputs, targets):
    known = outputs.features is not None
    assert targets.class_counts is not None, known


@pytest.mark.parametrize(
    ("loss", "error"),
    [
        (own_table, KeyError),
        (of_a_teacher, AttributeError),
        (asserts_else, AssertionError),
        (lambda outputs, targets: targets.soft.mean(), AttributeError),
        (lambda outputs, targets: outputs.features + "no number", TypeError),
    ],
)
def test_other_mistakes_of_a_loss_are_left_as_they_are(loss, error):
    with pytest.raises(error):
        evaluate_loss(loss, given(features=torch.zeros(2, 3) if error is TypeError else None), TARGETS)


def test_outputs_that_are_watched_are_the_same_otherwise():
    maps = torch.zeros(2, 3)
    outputs = given(extra={"maps": maps})
    seen = watched(outputs)
    assert seen == outputs
    assert seen.extra["maps"] is maps
    assert seen.extra.get("embed") is None
    assert "embed" not in seen.extra
    with pytest.raises(KeyError, match="embed"):
        seen.others[0].extra["embed"]


class Hearing(Order):
    """Reads the losses as an epoch ends."""

    def update(self, scores):
        super().update(scores)
        self.hard = np.flatnonzero(scores.losses > 1)


class Keeping(Order):
    """Reads them as the next one begins."""

    _correct = np.zeros(0)

    def update(self, scores):
        super().update(scores)
        self._correct = scores.correct

    def indices(self, epoch):
        return np.flatnonzero(np.isnan(self._correct)) if epoch == 2 else super().indices(epoch)


@pytest.mark.parametrize(("sampler", "name"), [(Hearing, "losses"), (Keeping, "correct")])
def test_a_sampler_that_hears_of_no_samples_is_told_what_to_say(sampler, name):
    used = component(SamplerSpec("hard", "mine:hard"))
    with using(used), pytest.raises(UserError) as raised:
        fit(training(epochs=2, sampler=sampler(50)), Observer())
    assert raised.value.message == (
        f"sampler 'hard' of plugin 'mine' (mine 1) fails where scores.{name} is None: it hears of no single samples "
        "unless it says so"
    )
    assert raised.value.remedy == "set per_sample=True in its ferbench.SamplerSpec"


class Sorting(Order):
    """Sorts by what is not there, which gives one position and no error."""

    order = None

    def update(self, scores):
        super().update(scores)
        self.order = np.argsort(scores.losses)

    def indices(self, epoch):
        return super().indices(epoch) if self.order is None else self.order


def test_a_sampler_whose_epoch_is_made_of_nothing_is_told_what_to_say():
    with using(component(SamplerSpec("hard", "mine:hard"))), pytest.raises(UserError) as raised:
        fit(training(epochs=2, sampler=Sorting(50)), Observer())
    assert "gives 1 positions for epoch 2" in raised.value.message
    assert raised.value.remedy.endswith(
        "; its update() reads scores.losses, which is None unless its ferbench.SamplerSpec has per_sample=True"
    )


class Failing:
    losses = None

    def __init__(self, update):
        self.update = update


def test_other_mistakes_of_a_sampler_are_left_as_they_are():
    for update, error in (
        (lambda scores: scores.f1 + 1, TypeError),
        (lambda scores: [][len(scores.f1)], IndexError),
        (lambda scores: {}[scores.losses], KeyError),
    ):
        with pytest.raises(error):
            pass_scores(Failing(update), SCORES)


def test_a_sampler_that_hears_of_them_is_to_blame_itself():
    losses = np.zeros(3, dtype=np.float32)
    with pytest.raises(ValueError, match="operands"):
        pass_scores(Failing(lambda scores: scores.losses + np.zeros(4)), SCORES, (losses, losses))
