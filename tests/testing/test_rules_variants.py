"""Mistakes that are like those in ``broken``, each refused by the rule that says what is wrong."""

from __future__ import annotations

import pytest

from ferbench.plugin.discovery import load_registry
from ferbench.testing import Subject, check, failed

LOSS = """
import torch
import torch.nn.functional as F
from torch import nn
import ferbench

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("variant", build="variant:build")

def cross_entropy(outputs, targets, **how):
    return F.cross_entropy(outputs.logits, targets.distributions(outputs.logits.shape[1]), **how)

def returning(change):
    def loss(outputs, targets):
        total = cross_entropy(outputs, targets)
        with torch.no_grad():
            change(outputs, targets)
        return total
    return loss
"""

LOSSES = {
    "writes the labels": ("inputs-unchanged", "build = lambda task: returning(lambda o, t: t.labels.zero_())"),
    "writes the affect": ("inputs-unchanged", "build = lambda task: returning(lambda o, t: o.affect.mul_(2))"),
    "assigns other logits": (
        "inputs-unchanged",
        "build = lambda task: returning(lambda o, t: setattr(o, 'logits', o.logits + 1))",
    ),
    "writes votes": (
        "inputs-unchanged",
        "build = lambda task: returning(lambda o, t: None if t.soft is None else t.soft.mul_(0.5))",
    ),
    "adds a margin in place": (
        "inputs-unchanged",
        """
def build(task):
    def loss(outputs, targets):
        outputs.logits.sub_(0.5 * targets.distributions(task.num_classes))
        return cross_entropy(outputs, targets)
    return loss
""",
    ),
    "a module with an attribute": (
        "state-round-trip",
        """
class build(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.seen = 0.0
    def forward(self, outputs, targets):
        self.seen += 1
        return cross_entropy(outputs, targets) * (1 + self.seen)
""",
    ),
    "a closure that counts": (
        "state-round-trip",
        """
def build(task):
    seen = []
    def loss(outputs, targets):
        seen.append(1)
        return cross_entropy(outputs, targets) * len(seen)
    return loss
""",
    ),
    "a running mean that begins with the first batch": (
        "state-round-trip",
        """
class build:
    def __init__(self, task):
        self.centre = None
    def __call__(self, outputs, targets):
        if torch.is_grad_enabled():
            mean = outputs.logits.detach().mean(0)
            self.centre = mean if self.centre is None else 0.9 * self.centre + 0.1 * mean
        away = outputs.logits if self.centre is None else outputs.logits - self.centre
        return cross_entropy(outputs, targets) + 1e-3 * away.square().mean()
""",
    ),
    "something that models give by a name of their own": (
        "needs",
        "build = lambda task: returning(lambda o, t: o.extra['embed'])",
    ),
    "class ids beyond the last, late": (
        "corrections",
        """
def build(task, *, start: int = 10):
    def loss(outputs, targets):
        corrected = targets.labels + 1 if targets.epoch >= start else None
        return ferbench.LossValue(cross_entropy(outputs, targets), corrected=corrected)
    return loss
""",
    ),
    "half a state": (
        "state-round-trip",
        """
class build:
    def __init__(self, task):
        pass
    def __call__(self, outputs, targets):
        return cross_entropy(outputs, targets)
    def state_dict(self):
        return {}
""",
    ),
    "a state that cannot be stored": (
        "state-round-trip",
        """
class build:
    def __init__(self, task):
        pass
    def __call__(self, outputs, targets):
        return cross_entropy(outputs, targets)
    def state_dict(self):
        return {"seen": {1, 2}}
    def load_state_dict(self, state):
        pass
""",
    ),
    "a parameter in a closure": (
        "parameters",
        """
def build(task):
    scale = nn.Parameter(torch.zeros(()))
    return lambda outputs, targets: cross_entropy(outputs, targets) + 0 * scale
""",
    ),
    "a network in a list": (
        "parameters",
        """
class build:
    def __init__(self, task):
        self.nets = [nn.Linear(task.num_classes, 1)]
    def __call__(self, outputs, targets):
        return cross_entropy(outputs, targets)
""",
    ),
    "a component called macro_f1": (
        "component-names",
        """
def build(task):
    def loss(outputs, targets):
        total = cross_entropy(outputs, targets)
        return ferbench.LossValue(total, {"macro_f1": total.detach()})
    return loss
""",
    ),
    "a component that is a truth value": (
        "scalar",
        """
def build(task):
    def loss(outputs, targets):
        total = cross_entropy(outputs, targets)
        return ferbench.LossValue(total, {"low": total < 1})
    return loss
""",
    ),
    "a parameter among the globals": (
        "parameters",
        """
SCALE = nn.Parameter(torch.zeros(()))
class build:
    def __init__(self, task):
        pass
    def __call__(self, outputs, targets):
        return cross_entropy(outputs, targets) + 0 * SCALE
""",
    ),
    "a share of nothing": (
        "absent-class",
        """
def build(task):
    counts = torch.tensor(task.train_counts).float()
    priors = (counts / counts.sum()).log()
    def loss(outputs, targets):
        truth = targets.distributions(task.num_classes)
        adjusted = outputs.logits + (priors - priors.max()).to(outputs.logits.device)
        return F.cross_entropy(adjusted, truth)
    return loss
""",
    ),
}

MODEL = """
import torch
from torch import nn
import ferbench

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("variant", build="variant:build", image_size=8)
"""

MODELS = {
    "softmax": (
        "unnormalised-logits",
        "build = lambda task: nn.Sequential(nn.Flatten(), nn.Linear(64, task.num_classes), nn.Softmax(1))",
    ),
    "a constant": (
        "looks-at-the-images",
        """
class build(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(task.num_classes))
    def forward(self, images):
        return self.bias.expand(len(images), -1)
""",
    ),
}

SAMPLER = """
import numpy as np
import ferbench
from ferbench_builtin.samplers.shuffled import Shuffled

@ferbench.hookimpl
def ferbench_samplers():
    yield ferbench.SamplerSpec("variant", build="variant:build")
"""

SAMPLERS = {
    "sorts the labels": (
        "inputs-unchanged",
        """
class build(Shuffled):
    def __init__(self, labels, task, *, seed):
        super().__init__(labels, task, seed=seed)
        labels.sort()
""",
    ),
    "shuffles them in an epoch": (
        "inputs-unchanged",
        """
class build(Shuffled):
    def __init__(self, labels, task, *, seed):
        super().__init__(labels, task, seed=seed)
        self.labels = labels
    def indices(self, epoch):
        self.labels[:] = self.labels[::-1].copy()
        return super().indices(epoch)
""",
    ),
    "writes into the losses": (
        "inputs-unchanged",
        """
class build(Shuffled):
    def update(self, scores):
        scores.losses[:] = -scores.losses
""",
    ),
    "hears of samples that it does not ask for": (
        "single-samples",
        "class build(Shuffled):\n    def update(self, scores):\n        self.mean = scores.losses.mean()\n",
    ),
    "always in turn": (
        "heeds-the-seed, new-draws-every-epoch",
        "class build(Shuffled):\n    def indices(self, epoch):\n        return np.arange(self._size)\n",
    ),
}

OPTIMIZER = """
import ferbench
import torch

@ferbench.hookimpl
def ferbench_optimizers():
    yield ferbench.OptimizerSpec("variant", build="variant:build", closure=True)

class Climbing(torch.optim.SGD):
    def __init__(self, parameters):
        super().__init__(parameters, lr=0.01)

    @torch.no_grad()
    def step(self, closure):
        loss = closure()
        weights = [each for group in self.param_groups for each in group["params"] if each.grad is not None]
        before = [each.clone() for each in weights]
        ups = [0.05 * each.grad / self.length(weights) for each in weights]
        for each, up in zip(weights, ups):
            each += up
        closure()
        self.back(weights, before)
        super().step()
        return loss

    def length(self, weights):
        return torch.stack([each.grad.norm() for each in weights]).norm() + 1e-12

    def back(self, weights, before):
        for each, value in zip(weights, before):
            each.copy_(value)
"""

OPTIMIZERS = {
    "as it should be": ("", "build = Climbing"),
    "stays where it climbed": (
        "heeds-the-schedule",
        "class build(Climbing):\n    def back(self, weights, before): pass\n",
    ),
    "divides by no length": (
        "zero-gradient",
        "class build(Climbing):\n"
        "    def length(self, weights): return torch.stack([each.grad.norm() for each in weights]).norm()\n",
    ),
}

VARIANTS = [
    *(("optimizer", OPTIMIZER, name, *one) for name, one in OPTIMIZERS.items()),
    *(("loss", LOSS, name, *one) for name, one in LOSSES.items()),
    *(("model", MODEL, name, *one) for name, one in MODELS.items()),
    *(("sampler", SAMPLER, name, *one) for name, one in SAMPLERS.items()),
]


@pytest.mark.parametrize(("kind", "head", "name", "rules", "text"), VARIANTS, ids=[one[2] for one in VARIANTS])
def test_a_mistake_is_refused_by_the_rule_that_names_it(tmp_path, kind, head, name, rules, text):
    if name == "writes into the losses":
        head = head.replace('build="variant:build"', 'build="variant:build", per_sample=True')
    (tmp_path / "variant.py").write_text(f"{head}\n{text}\n")
    component = load_registry([str(tmp_path / "variant.py")]).find(kind, "variant")
    verdicts = list(check(Subject(component)))
    assert ", ".join(failed(verdicts)) == rules, [one.said for one in verdicts if one.status == "failed"]
    if name == "stays where it climbed":
        assert "or put back what step() moved" in next(one.said for one in verdicts if one.status == "failed")


SOUND = {
    "centres with a state": """
class build:
    def __init__(self, task):
        self.centre = torch.zeros(task.num_classes)
    def __call__(self, outputs, targets):
        if torch.is_grad_enabled():
            mean = outputs.logits.detach().mean(0)
            self.centre = 0.9 * self.centre.to(mean.device) + 0.1 * mean
        away = outputs.logits - self.centre.to(outputs.logits.device)
        return cross_entropy(outputs, targets) + 1e-3 * away.square().mean()
    def state_dict(self):
        return {"centre": self.centre}
    def load_state_dict(self, state):
        self.centre = state["centre"]
""",
    "a buffer that comes late": """
class build(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.register_buffer("centre", None)
    def forward(self, outputs, targets):
        mean = outputs.logits.detach().mean(0)
        self.centre = mean if self.centre is None else 0.9 * self.centre + 0.1 * mean
        return cross_entropy(outputs, targets) + 1e-3 * (outputs.logits - self.centre).square().mean()
""",
    "dropout while it learns": """
class build(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.drop = nn.Dropout(0.2)
    def forward(self, outputs, targets):
        return cross_entropy(outputs, targets) + 1e-3 * self.drop(outputs.logits.square().mean(1)).mean()
""",
    "batch norm": """
class build(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.norm = nn.BatchNorm1d(1)
    def forward(self, outputs, targets):
        away = self.norm(outputs.logits.square().mean(1, keepdim=True))
        return cross_entropy(outputs, targets) + 1e-3 * away.square().mean()
""",
    "a margin while it learns": """
class build(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.margin = 0.5
    def forward(self, outputs, targets):
        wanted = targets.distributions(outputs.logits.shape[1])
        logits = outputs.logits - self.margin * wanted if self.training else outputs.logits
        return cross_entropy(ferbench.Outputs(logits), targets)
""",
    "a frozen network": """
class build(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.teacher = nn.Linear(task.num_classes, 1).requires_grad_(False)
    def forward(self, outputs, targets):
        return cross_entropy(outputs, targets)
""",
}


@pytest.mark.parametrize("name", SOUND)
def test_a_loss_that_keeps_what_it_may_keep_is_sound(tmp_path, name):
    (tmp_path / "variant.py").write_text(f"{LOSS}\n{SOUND[name]}\n")
    component = load_registry([str(tmp_path / "variant.py")]).find("loss", "variant")
    verdicts = list(check(Subject(component)))
    assert failed(verdicts) == [], [one.said for one in verdicts if one.status == "failed"]


NEEDY = """
import torch.nn.functional as F
from torch import nn
import ferbench

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("variant", build="variant:build", needs={needs})

def build(task):
    own = nn.Linear(task.features or 16, task.num_classes).requires_grad_(False)
    return lambda outputs, targets: F.cross_entropy({logits}, targets.distributions(task.num_classes))
"""


@pytest.mark.parametrize(
    ("needs", "logits", "said"),
    [
        (("features", "classifier"), "outputs.classifier(outputs.features)", ""),
        (("features", "classifier"), "outputs.classifier(outputs.features.detach())", ""),
        (("cosine",), "8 * outputs.extra['cosine']", ""),
        (("fine",), "outputs.extra['fine']", ""),
        (
            ("features", "classifier"),
            "own(outputs.features) + 0 * outputs.logits",
            "predictions are the model's logits",
        ),
        (("features", "cosine"), "own(outputs.features)", "take cosine of a model with model.head=cosine"),
    ],
)
def test_what_a_loss_trains_has_to_predict(tmp_path, needs, logits, said):
    (tmp_path / "variant.py").write_text(NEEDY.format(needs=needs, logits=logits))
    component = load_registry([str(tmp_path / "variant.py")]).find("loss", "variant")
    (verdict,) = [one for one in check(Subject(component)) if one.rule == "trains-the-classifier"]
    assert (verdict.status == "failed") == bool(said)
    assert said in verdict.said


def verdict(folder, kind, rule, text, **options):
    (folder / "variant.py").write_text(text)
    component = load_registry([str(folder / "variant.py")]).find(kind, "variant")
    return next(one for one in check(Subject(component, options)) if one.rule == rule)


BESIDE = " beside its parameters and buffers"


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("build = lambda task: cross_entropy", "it keeps nothing"),
        (SOUND["a frozen network"], f"it keeps nothing{BESIDE}"),
        (SOUND["a buffer that comes late"], "it changes with what it is given"),
        (SOUND["centres with a state"], "it changes with what it is given"),
    ],
)
def test_what_a_loss_keeps_is_told(tmp_path, build, said):
    assert verdict(tmp_path, "loss", "state-round-trip", f"{LOSS}\n{build}\n").said == said


CORRECTING = """
class build:
    def __init__(self, task, *, start: int = 10, width: int = 8):
        self.start, self.told = start, 0
    def epoch_started(self, epoch, epochs):
        self.told = epoch
    def __call__(self, outputs, targets):
        value = ferbench.LossValue(cross_entropy(outputs, targets))
        if WHEN:
            value.corrected = outputs.logits.argmax(1)
        return value
"""
OF_ALL = "of 72 wrong predictions it corrects"


@pytest.mark.parametrize(
    ("when", "start", "status", "said"),
    [
        ("targets.epoch >= self.start", 1, "passed", f"{OF_ALL} 72 in the first epoch, 72 in the last"),
        ("targets.epoch >= self.start", 10, "passed", f"{OF_ALL} 0 in the first epoch, 72 in the last"),
        ("self.told >= self.start", 10, "passed", f"{OF_ALL} 0 in the first epoch, 72 in the last"),
        (
            "targets.epoch >= self.start",
            2_000,
            "skipped",
            "it corrected nothing; try an option that lets it begin earlier, such as --set start=1",
        ),
        ("False", 1, "passed", "it corrects none"),
        (
            "False",
            2,
            "skipped",
            "it corrected nothing; try an option that lets it begin earlier, such as --set start=1",
        ),
    ],
)
def test_corrections_are_tried_in_the_first_epoch_and_in_a_late_one(tmp_path, when, start, status, said):
    text = f"{LOSS}\n{CORRECTING.replace('WHEN', when)}\n"
    tried = verdict(tmp_path, "loss", "corrections", text, start=start)
    assert (tried.status, tried.said) == (status, said)


def test_what_a_loss_does_not_ask_for_is_named_with_what_to_say(tmp_path):
    text = LOSS.replace('build="variant:build"', 'build="variant:build", needs=("features",)')
    text += "\nbuild = lambda task: returning(lambda o, t: o.features + o.extra['embed'])\n"
    tried = verdict(tmp_path, "loss", "needs", text)
    assert (tried.status, tried.said) == ("failed", "it reads embed: name it, LossSpec(needs=('features', 'embed'))")


@pytest.mark.parametrize("name", ["losses", "correct"])
def test_what_a_sampler_does_not_ask_for_is_named_with_what_to_say(tmp_path, name):
    told = verdict(
        tmp_path,
        "sampler",
        "single-samples",
        f"{SAMPLER}\nclass build(Shuffled):\n    def update(self, scores): self.least = scores.{name}.min()\n",
    )
    assert told.said == f"scores.{name} is None: set per_sample=True in its ferbench.SamplerSpec"


@pytest.mark.parametrize("name", ["basic-cnn", "linear"])
def test_a_model_that_returns_outputs_is_exported_as_it_is(name):
    import torch

    from ferbench import Outputs
    from ferbench.testing.models import ModelBench

    bench = ModelBench(Subject(load_registry().find("model", name)))
    program = torch.export.export(bench.model, (bench.images(2),), strict=False)
    expected, found = bench.model(bench.images(2)), program.module()(bench.images(2))
    expected, found = (one if isinstance(one, Outputs) else Outputs(one) for one in (expected, found))
    torch.testing.assert_close(found.logits, expected.logits)


TAUGHT = """
import torch.nn.functional as F
import ferbench

@ferbench.hookimpl
def ferbench_losses():
    yield ferbench.LossSpec("variant", build="variant:build", needs={needs})

def build(task):
    def loss(outputs, targets):
        total = F.cross_entropy(outputs.logits, targets.distributions(task.num_classes))
{taught}
    return loss
"""
AGREE = "total + F.mse_loss(outputs.logits.softmax(1), {}.softmax(1))"
THEIRS = "targets.teacher.logits.detach()"


@pytest.mark.parametrize(
    ("needs", "taught", "rule", "said"),
    [
        (("teacher",), f"return {AGREE.format(THEIRS)}", "evaluation", "it fails where targets.teacher is None"),
        (
            (),
            f"return {AGREE.format(THEIRS)}",
            "needs",
            "it fails without teacher: name it, LossSpec(needs=('teacher',))",
        ),
        (
            ("teacher",),
            "teacher = targets.teacher\n        if teacher is None: return total\n"
            f"        return {AGREE.format('teacher.logits.div_(2).detach()')}",
            "inputs-unchanged",
            "it changes teacher.logits in place",
        ),
    ],
)
def test_mistakes_about_a_teacher_are_named(tmp_path, needs, taught, rule, said):
    (tmp_path / "variant.py").write_text(TAUGHT.format(needs=needs, taught=f"        {taught}"))
    component = load_registry([str(tmp_path / "variant.py")]).find("loss", "variant")
    first = next(one for one in check(Subject(component)) if one.status == "failed")
    assert first.rule == rule
    assert said in first.said


METRIC = """
import ferbench

@ferbench.hookimpl
def ferbench_metrics():
    yield ferbench.MetricSpec("variant", build="variant:build", higher_is_better=True)

def right(predictions):
    return (predictions.probabilities.argmax(axis=1) == predictions.labels).mean()
"""


@pytest.mark.parametrize("text", ["build = lambda: right", "build = lambda task: right"])
def test_a_builder_of_a_metric_is_told_from_the_metric(tmp_path, text):
    (tmp_path / "variant.py").write_text(f"{METRIC}\n{text}\n")
    verdicts = list(check(Subject(load_registry([str(tmp_path / "variant.py")]).find("metric", "variant"))))
    said = {verdict.rule: verdict.said for verdict in verdicts if verdict.status == "failed"}
    assert said == {"builds": "`build` names the metric itself, not a builder of it"}


def test_labels_that_a_loss_gives_back_as_they_are_are_no_corrections(tmp_path):
    text = f"{LOSS}\n{CORRECTING.replace('WHEN', 'True').replace('outputs.logits.argmax(1)', 'targets.labels')}\n"
    tried = verdict(tmp_path, "loss", "corrections", text, start=1)
    assert (tried.status, tried.said) == ("skipped", "it corrected nothing")
