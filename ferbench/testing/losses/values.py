"""How much a loss costs, and what its gradient reaches."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.data.targets import Outputs, Targets
from ferbench.errors import UserError
from ferbench.testing.losses.bench import BEFORE_THE_HEAD, RULES, SAMPLES, LossBench, rule, tensors, total_of
from ferbench.testing.made_up import reached, reordered
from ferbench.testing.rules import NotApplicable, Violation
from ferbench.training.head import PREDICTIONS
from ferbench.training.loss_state import put_state, trainable


@rule()
def finite(bench: LossBench) -> None:
    """Value and gradient are finite, however sure the model is."""
    for scale in (0.0, 1.0, 30.0, 300.0):
        outputs = bench.outputs(scale)
        at = f"with logits up to ±{outputs.logits.detach().abs().max():.0f}"
        _is_finite(bench.build(), outputs, bench.targets(), at, "compute logarithms with log_softmax")


@rule()
def absent_class(bench: LossBench) -> None:
    """Value and gradient are finite where a class has no training samples, though validation may have some."""
    absent = bench.classes - 1
    for there in (False, True):
        labels = bench.labels if there else torch.where(bench.labels == absent, 0, bench.labels)
        at = f"with 0 among task.train_counts{' and a sample of that class' if there else ''}"
        remedy = "divide by the counts only where they are above 0"
        targets = bench.targets()
        targets.labels = labels
        _is_finite(bench.build(absent=absent), bench.outputs(), targets, at, remedy)


def _is_finite(loss: Any, outputs: Outputs, targets: Targets, at: str, remedy: str) -> None:
    total = total_of(loss, outputs, targets)
    if not total.isfinite():
        raise Violation(f"{at} it is {total.item()}; {remedy}")
    if total.requires_grad:
        total.backward()
        reached = [*tensors(outputs).values(), *trainable(loss)]
        for part in (one.grad for one in reached):
            if part is not None and not part.isfinite().all():
                raise Violation(f"{at} its gradient is not finite; {remedy}")


@rule()
def gradient(bench: LossBench) -> None:
    """Its gradient reaches the logits of most samples, or what else it needs of them."""
    outputs = bench.outputs()
    total = total_of(bench.build(), outputs, bench.targets())
    if not total.requires_grad:
        raise Violation("it has no gradient: something detached it, such as .item(), .detach() or argmax")
    total.backward()
    without = int((~reached(outputs)).sum())
    if 2 * without > SAMPLES:  # one that learns from what seems clean leaves some out
        what = " or ".join(["the logits", *(name for name in bench.needs if name != "classifier")])
        raise Violation(f"no gradient reaches {what} of {without} of {SAMPLES} samples")


@RULES.rule(gate=True)
def trains_the_classifier(bench: LossBench) -> None:
    """Its gradient reaches the logits, the classifier, the cosines, or what a model has under a name of its own."""
    for one in filter(None, (bench, bench.in_last_epoch())):
        outputs, weights = one.outputs(), torch.ones(one.classes, requires_grad=True)
        total = total_of(one.build(), _weighted(outputs, weights), one.targets())
        if not total.requires_grad:
            raise NotApplicable("it has no gradient")
        total.backward()
        for given in (outputs, *outputs.others):
            own = (part for name, part in given.extra.items() if name not in BEFORE_THE_HEAD)
            if any(part.grad is not None and part.grad.any() for part in (weights, given.logits, *own)):
                return
    raise Violation(f"what it learns predicts nothing: {PREDICTIONS}")


def _weighted(outputs: Outputs, weights: Tensor) -> Outputs:
    """The same outputs, with a classifier that has weights float[K], all 1."""
    classifier = outputs.classifier
    return dataclasses.replace(
        outputs,
        classifier=None if classifier is None else lambda given: classifier(given) * weights.to(given.device),
        others=tuple(_weighted(other, weights) for other in outputs.others),
    )


@rule()
def lower_for_better(bench: LossBench) -> str:
    """Right predictions cost less than none, and none less than wrong ones."""
    with torch.no_grad():
        right, none, wrong = (
            float(total_of(bench.build(), bench.predictions(way), bench.targets())) for way in (1.0, 0.0, -1.0)
        )
    if not right < none < wrong:
        raise Violation(f"right predictions cost {right:.4g}, those without opinion {none:.4g}, wrong ones {wrong:.4g}")
    return f"{right:.3g} < {none:.3g} < {wrong:.3g}"


@rule()
def mean_over_samples(bench: LossBench) -> None:
    """Where nothing is learnt, the same samples twice cost what they cost once."""
    outputs, targets = dataclasses.replace(bench.outputs(), others=()), bench.in_validation()

    def twice(part: Tensor) -> Tensor:
        return torch.cat([part, part])

    try:
        once = bench.evaluated(bench.build(), outputs, targets)
    except Exception:  # what it is, other rules say
        raise NotApplicable("it does not work where nothing is learnt") from None
    doubled = bench.evaluated(bench.build(), outputs.each(twice), targets.each(twice))
    if not torch.allclose(once, doubled, rtol=1e-4):
        raise Violation(f"once {once:.4g}, twice {doubled:.4g}: return the mean, so that micro-batches can be weighted")


@rule(informational=True)
def adds_up(bench: LossBench) -> str:
    """Two parts of a batch, weighted by their sizes, cost what the batch costs."""
    outputs, targets = bench.outputs(), bench.targets()
    cut = SAMPLES // 3 + 1
    with torch.no_grad():
        whole, parts = float(total_of(bench.build(), outputs, targets)), 0.0
        for start, stop in ((0, cut), (cut, SAMPLES)):
            some = outputs.each(operator.itemgetter(slice(start, stop)))
            part = float(total_of(bench.build(), some, targets.slice(start, stop)))
            parts += part * (stop - start) / SAMPLES
    if not math.isclose(whole, parts, rel_tol=1e-4, abs_tol=1e-6):
        raise Violation(
            f"it is {whole:.4g} over the batch and {parts:.4g} over its parts: micro-batches change what is learnt; "
            "divide sums by the number of samples, also where they are weighted"
        )
    return "yes"


@rule()
def distributions(bench: LossBench) -> None:
    """Where targets are distributions (votes, Mixup), these count; a loss that cannot use them raises a UserError."""
    outputs = bench.outputs()
    certain = torch.nn.functional.one_hot(bench.labels, bench.classes).float()
    blended = 0.6 * certain + 0.4 * certain.roll(1, dims=1)
    try:
        with torch.no_grad():
            labels, votes = (
                float(total_of(bench.build(), outputs, bench.targets(soft))) for soft in (certain, blended)
            )
    except UserError:
        return
    if math.isclose(labels, votes, rel_tol=1e-6):
        raise Violation(
            f"it is {labels:.4g} whatever the distributions are; read targets.distributions(K), not targets.labels"
        )


@rule()
def missing_labels(bench: LossBench) -> None:
    """Samples without valence or arousal (NaN) add nothing there."""
    loss, outputs = bench.build(), bench.outputs()
    affect = bench.affect.clone()
    affect[::3] = torch.nan
    affect[1::3, 1] = torch.nan
    assert outputs.affect is not None
    targets = bench.targets()
    targets.affect = affect
    total = total_of(loss, outputs, targets)
    if not total.isfinite():
        raise Violation(f"with missing labels it is {total.item()}")
    if not total.requires_grad:
        raise NotApplicable("it has no gradient")
    total.backward()
    learnt = outputs.affect.grad
    if learnt is None:
        return
    if not learnt.isfinite().all():
        raise Violation("with missing labels its gradient is not finite; mask before computing, not after")
    if learnt[affect.isnan()].any():
        raise Violation("predictions are pulled somewhere where there is no label")


@rule()
def class_order(bench: LossBench) -> None:
    """Classes in another order cost the same."""
    order = torch.randperm(bench.classes, generator=torch.Generator().manual_seed(3))
    outputs, soft = bench.outputs(), torch.softmax(bench.outputs(2.0).logits.detach().flip(0), dim=1)
    elsewhere = torch.empty_like(order)
    elsewhere[order] = torch.arange(bench.classes)
    moved, counts = reordered(outputs, order), bench.targets().class_counts
    assert counts is not None
    for votes in (None, soft):
        with torch.no_grad():
            plain = total_of(bench.build(), outputs, bench.targets(votes))
            permuted = bench.targets(None if votes is None else votes[:, order])
            permuted.labels, permuted.class_counts = elsewhere[bench.labels], counts[order]
            permuted.teacher = None if permuted.teacher is None else reordered(permuted.teacher, order)
            other = total_of(_in_order(bench, order), moved, permuted)
        if not torch.allclose(plain, other, rtol=1e-4):
            with_what = "labels" if votes is None else "label distributions"
            raise Violation(
                f"with {with_what} it is {plain:.4g}, and {other:.4g} when the classes change places: "
                "know classes by task.class_names, not by position"
            )


def _in_order(bench: LossBench, order: Tensor) -> Any:
    """The loss for classes in another order. What it draws at random for each class, such as the initial weights of a
    head, changes places with them."""
    loss = bench.build(order)
    if not isinstance(loss, nn.Module):
        return loss
    own, elsewhere = loss.state_dict(), bench.build(order, seed=1).state_dict()
    for name, value in bench.build().state_dict().items():
        if isinstance(value, Tensor) and not torch.equal(own[name], elsewhere[name]):
            for dimension in (place for place, size in enumerate(value.shape) if size == bench.classes):
                value = value.index_select(dimension, order)
            own[name] = value
    put_state(loss, own)
    return loss
