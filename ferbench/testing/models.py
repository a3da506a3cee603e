"""What is asked of models."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.data.targets import Outputs
from ferbench.plugin.partners import dependent_options
from ferbench.plugin.specs import ModelSpec
from ferbench.task import Task
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation
from ferbench.training.kept import part_fault
from ferbench.training.runtime import seed_everything
from ferbench.training.step import forward

_DRAWS = 5


class ModelBench:
    """A model and images for it.

    Attributes:
        spec: the model's.
        component: the model.
        sizes: sides of the input that it is tried with; all but the rule on shapes take the first.
    """

    def __init__(self, subject: Subject) -> None:
        assert isinstance(subject.component.spec, ModelSpec)
        self.spec = subject.component.spec
        self.sizes = (subject.image_size,) if subject.image_size else (self.spec.image_size, *self.spec.image_sizes)
        self.component = subject.component
        self._subject = subject

    @property
    def classes(self) -> int:
        return len(self._subject.class_names)

    def build(self, seed: int = 0, size: int | None = None) -> nn.Module:
        """The model with the weights that a seed gives, in evaluation mode."""
        side = size or self.sizes[0]
        counts = tuple(range(100, 100 * self.classes + 1, 100))
        task = Task(self._subject.class_names, self.spec.channels, side, side, counts, self.spec.affect)
        seed_everything(seed)
        model = self._subject.build(task)
        if not isinstance(model, nn.Module):
            raise Violation(f"the builder returns {type(model).__name__}, no torch.nn.Module")
        return model.eval()

    @functools.cached_property
    def model(self) -> nn.Module:
        """One that no rule changes."""
        return self.build()

    def images(self, n: int = 2, size: int | None = None) -> Tensor:
        """float32[n, C, H, W] as the harness gives them: noise in [0, 1], normalised."""
        side = size or self.sizes[0]
        noise = torch.rand(n, self.spec.channels, side, side, generator=torch.Generator().manual_seed(1))
        mean, std = (torch.tensor(of).view(1, -1, 1, 1) for of in (self.spec.mean, self.spec.std))
        return (noise - mean) / std

    @functools.cached_property
    def outputs(self) -> Outputs:
        """All that the model gives for two images."""
        with torch.no_grad():
            outputs = self.model(self.images())
        return outputs if isinstance(outputs, Outputs) else Outputs(outputs)

    @property
    def named(self) -> tuple[str, ...]:
        """Names of what is in ``extra``."""
        return tuple(self.outputs.extra)

    @functools.cached_property
    def repeats(self) -> bool:
        """Whether the same images give the same outputs in evaluation mode."""
        return torch.equal(both(self.model, self.images()), both(self.model, self.images()))

    def needs_repeats(self) -> None:
        if not self.repeats:
            raise NotApplicable("its outputs change from call to call")


RULES = RuleSet(ModelBench)


def both(model: nn.Module, images: Tensor) -> Tensor:
    """Logits and, where there are any, valence and arousal side by side: float[N, K] or float[N, K + 2]."""
    with torch.no_grad():
        outputs = forward(model, images)
    return outputs.logits if outputs.affect is None else torch.cat([outputs.logits, outputs.affect], dim=1)


@RULES.rule(gate=True)
def builds(bench: ModelBench) -> str:
    """The builder returns a module."""
    return f"{sum(p.numel() for p in bench.model.parameters()):,} parameters"


@RULES.rule(gate=True)
def shapes(bench: ModelBench) -> str:
    """Logits are float[N, K], valence and arousal float[N, 2], at every image size that it claims."""
    for size in bench.sizes:
        model = bench.model if size == bench.sizes[0] else bench.build(size=size)
        with torch.no_grad():
            outputs = model(bench.images(2, size))
        if isinstance(outputs, Tensor):
            outputs = Outputs(outputs)
        if not isinstance(outputs, Outputs):
            raise Violation(f"forward returns {type(outputs).__name__}, neither Outputs nor a tensor of logits")
        _is_shaped("logits", outputs.logits, (2, bench.classes), size)
        if outputs.affect is not None:
            _is_shaped("affect", outputs.affect, (2, 2), size)
    return "at " + ", ".join(f"{size}×{size}" for size in bench.sizes)


@RULES.rule()
def named_outputs(bench: ModelBench) -> str:
    """Outputs have what the spec's `gives` names, floats of one row an image, and nothing else."""
    outputs = bench.outputs
    parts: dict[str, Any] = {"features": outputs.features, "classifier": outputs.classifier, **outputs.extra}
    there = {name: part for name, part in parts.items() if part is not None}
    for name, part in there.items():
        if name not in bench.spec.gives:
            raise Violation(f"it gives {name}, which no loss can ask for: name it in ModelSpec(gives=…)")
        fault = part_fault(name, part, 2)
        if fault is not None:
            raise Violation(f"it gives {fault}")
        if isinstance(part, Tensor) and not part.isfinite().all():
            raise Violation(f"{name} is not finite")
    missing = [name for name in bench.spec.gives if name not in there]
    for name in missing:
        if not dependent_options(bench.component, name):
            raise Violation(
                f"it does not give {name}, which its spec names: "
                "where that hangs on an option, say so in the option's description"
            )
    note = f"{', '.join(there) or 'logits alone'}"
    return note + (f"; not with these options: {', '.join(missing)}" if missing else "")


@RULES.rule()
def classifier_of_features(bench: ModelBench) -> None:
    """The classifier makes the logits of the features, and learns with the model."""
    needs = ("features", "classifier")
    if set(needs) - set(bench.spec.gives):
        raise NotApplicable("it does not give both")
    bench.needs_repeats()
    outputs = forward(bench.model, bench.images(), needs)
    assert outputs.features is not None
    assert outputs.classifier is not None
    logits = outputs.classifier(outputs.features)
    if logits.shape != outputs.logits.shape or not torch.allclose(logits, outputs.logits, rtol=1e-4, atol=1e-5):
        raise Violation("classifier(features) is not the logits")
    if outputs.logits.requires_grad and not outputs.classifier(outputs.features.detach()).requires_grad:
        raise Violation("the classifier does not learn: let it use the model's own layer, not a copy or .detach()")


def _is_shaped(name: str, values: Any, wanted: tuple[int, int], size: int) -> None:
    at = f"for two {size}×{size} images"
    if not isinstance(values, Tensor) or tuple(values.shape) != wanted:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise Violation(f"{name} {at} are {got}, not {wanted}")
    if not values.is_floating_point() or not values.isfinite().all():
        raise Violation(f"{name} {at} are {values.dtype} or not finite")


@RULES.rule()
def unnormalised_logits(bench: ModelBench) -> None:
    """Logits are no probabilities, nor their logarithms: losses and records make them so."""
    with torch.no_grad():
        logits = torch.cat([forward(bench.build(seed), bench.images(4)).logits.double() for seed in range(2)])
    if bool((logits >= 0).all()) and _are_all(logits.sum(dim=1), 1.0):
        raise Violation("each row is at least 0 and sums to 1: leave the softmax out")
    if _are_all(logits.exp().sum(dim=1), 1.0):
        raise Violation("each row is the logarithm of probabilities: leave the log_softmax out")


def _are_all(values: Tensor, value: float) -> bool:
    return torch.allclose(values, torch.full_like(values, value), rtol=1e-4)


@RULES.rule()
def looks_at_the_images(bench: ModelBench) -> None:
    """Other images give other logits, at the latest after two steps of training."""
    for seed in range(_DRAWS):  # under some initial weights every ReLU of a small layer is off
        model = bench.build(seed)
        for trained in (False, True):
            if trained:  # a last layer that starts at zero tells none apart
                _reached(model.train(), bench)
            with torch.no_grad():
                logits = forward(model.eval(), bench.images(4)).logits
            if not torch.equal(logits, logits[:1].expand_as(logits)):
                return
    raise Violation("four images that differ have the same logits: what it computes does not depend on the images")


@RULES.rule()
def gradients(bench: ModelBench) -> str:
    """Gradients reach every trainable parameter."""
    trainable = [name for name, p in bench.model.named_parameters() if p.requires_grad]
    if not trainable:
        raise Violation("no parameter is trainable: every one has requires_grad False")
    missed, draws = set(trainable), 0
    while missed and draws < _DRAWS:  # under some initial weights every ReLU of a small layer is off
        missed -= _reached(bench.build(seed=draws).train(), bench)
        draws += 1
    if missed:
        first = [name for name in trainable if name in missed]
        more = f" and {len(first) - 3} more" if len(first) > 3 else ""
        raise Violation(f"no gradient reaches {', '.join(first[:3])}{more}; freeze what is not to be learnt")
    frozen = sum(1 for _ in bench.model.parameters()) - len(trainable)
    several = f", under {draws} draws of the weights" if draws > 1 else ""
    return f"{len(trainable)} tensors" + (f", {frozen} frozen" if frozen else "") + several


def _reached(model: nn.Module, bench: ModelBench) -> set[str]:
    """The names of the parameters that a gradient reaches."""
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(trainable.values(), lr=1e-3)
    reached: set[str] = set()
    for _ in range(2):  # a layer that starts at zero hides those before it from the first gradient
        optimizer.zero_grad()
        outputs = forward(model, bench.images(4), bench.named)
        total = outputs.logits.square().mean() + outputs.logits[:, 0].mean()
        for part in (outputs.affect, *outputs.extra.values()):
            if part is not None:
                total = total + part.mean()
        total.backward()
        reached |= {name for name, p in trainable.items() if p.grad is not None and bool(p.grad.any())}
        optimizer.step()
    return reached


@RULES.rule()
def same_output_in_evaluation(bench: ModelBench) -> None:
    """In evaluation mode the same images give the same outputs, to the bit."""
    if not bench.repeats:
        raise Violation(
            "two calls differ: dropout or something else random is on in evaluation mode, or it keeps state"
        )


@RULES.rule()
def batch_of_one(bench: ModelBench) -> None:
    """One image alone gives what it gives beside others."""
    alone = both(bench.model, bench.images(2)[:1])
    bench.needs_repeats()
    together = both(bench.model, bench.images(2))[:1]
    if not torch.allclose(alone, together, rtol=1e-3, atol=1e-4):
        away = (alone - together).abs().max().item()
        raise Violation(f"the outputs differ by up to {away:.3g}: batch statistics are used in evaluation mode")


@RULES.rule()
def input_unchanged(bench: ModelBench) -> None:
    """The images that it is given stay as they are."""
    images = bench.images()
    both(bench.model, images)
    if not torch.equal(images, bench.images()):
        raise Violation("it changes them in place; another model, or the next epoch, would see other images")


@RULES.rule()
def state_dict_round_trip(bench: ModelBench) -> None:
    """A state dict carries the whole model: loaded into one with other weights, it gives the same outputs."""
    bench.needs_repeats()
    other = bench.build(seed=1)
    other.load_state_dict(bench.model.state_dict())
    if not torch.equal(both(bench.model, bench.images()), both(other, bench.images())):
        raise Violation("the outputs differ: something is in no parameter and no buffer (register_buffer)")


@RULES.rule()
def same_seed_same_weights(bench: ModelBench) -> None:
    """The same seed gives the same weights, to the bit."""
    again = bench.build().state_dict()
    for name, value in bench.model.state_dict().items():
        if not torch.equal(value, again[name]):
            raise Violation(f"{name} differs: take random numbers from torch's, numpy's or Python's global generator")


@RULES.rule(informational=True)
def exportable(bench: ModelBench) -> str:
    """torch.export takes the model."""
    try:
        torch.export.export(bench.model, (bench.images(2),), strict=False)
    except Exception as error:
        return f"no: {type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    return "yes"
