"""What is asked of estimators."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.bounded import Damaged
from ferbench.errors import UserError
from ferbench.estimators.fitting import limited
from ferbench.estimators.stored import from_bytes, to_bytes
from ferbench.plugin.specs import EstimatorSpec
from ferbench.task import Task
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation

#: Images of each class.
_EACH = 40

#: What the order of sums may make of a probability.
_ROUNDING = 1e-5


class EstimatorBench:
    """An estimator, and noise with a brighter spot for each class that it is fitted on."""

    def __init__(self, subject: Subject) -> None:
        assert isinstance(subject.component.spec, EstimatorSpec)
        self.spec = subject.component.spec
        self._subject = subject
        self.classes = len(subject.class_names)
        self._size = subject.image_size or self.spec.image_size

    def build(self, seed: int = 0) -> Any:
        task = Task(
            self._subject.class_names, self.spec.channels, self._size, self._size, (_EACH,) * self.classes, False
        )
        return self._subject.build(task, seed=seed)

    def samples(self, seed: int, n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Images float32[n, D] as the harness gives them, and their class ids int64[n]."""
        generator = np.random.default_rng(seed)
        images = generator.random((n, self.spec.channels, self._size, self._size), dtype=np.float32)
        labels = np.arange(n, dtype=np.int64) % self.classes
        edges = np.linspace(0, self._size, self.classes + 1).astype(int)
        for image, k in zip(images, labels, strict=True):
            image[:, edges[k] : edges[k + 1]] += 1.0
        images /= 2
        return images.reshape(n, -1), labels

    def fit(self, estimator: Any, **given: Any) -> Any:
        images, labels = self.samples(0, _EACH * self.classes)
        with limited(1):
            estimator.fit(images, labels, **given)
        return estimator

    @functools.cached_property
    def fitted(self) -> Any:
        """One that no rule changes."""
        return self.fit(self.build())

    def probabilities(self, estimator: Any, n: int = 30) -> NDArray[np.float64]:
        images, _ = self.samples(1, n)
        return np.asarray(estimator.predict_proba(images), dtype=np.float64)


RULES = RuleSet(EstimatorBench)


@RULES.rule(gate=True)
def builds(bench: EstimatorBench) -> None:
    """The builder returns an object with fit() and predict_proba()."""
    built = bench.build()
    for name in ("fit", "predict_proba"):
        if not callable(getattr(built, name, None)):
            raise Violation(f"the builder returns {type(built).__name__}, which has no {name}()")


@RULES.rule(gate=True)
def probabilities(bench: EstimatorBench) -> None:
    """Fitted on every class, it gives shares of them that add up to 1: float[n, K]."""
    classes = np.asarray(getattr(bench.fitted, "classes_", ()))
    if classes.tolist() != list(range(bench.classes)):
        raise Violation(f"its classes_ are {classes.tolist()}, not the class ids that it was fitted on")
    given = bench.probabilities(bench.fitted)
    if given.shape != (30, bench.classes):
        raise Violation(f"predict_proba() of 30 images gives {list(given.shape)}, not [30, {bench.classes}]")
    if not np.isfinite(given).all() or (given < 0).any() or not np.allclose(given.sum(axis=1), 1.0, atol=1e-4):
        raise Violation("predict_proba() gives numbers that are no shares: they are not finite, or add up to no 1")


@RULES.rule(gate=True)
def kept_without_pickle(bench: EstimatorBench) -> str:
    """What is fitted can be kept as a file of skops, and predicts the same when it is read."""
    try:
        content = to_bytes(bench.fitted, bench.spec.trusted)
        restored = from_bytes(content, bench.build(), bench.spec.trusted)
    except (UserError, Damaged) as error:
        raise Violation(str(error)) from error
    if not np.allclose(bench.probabilities(bench.fitted), bench.probabilities(restored), atol=_ROUNDING):
        raise Violation("read again, it predicts something else")
    return f"{len(content):,} bytes for {_EACH * bench.classes} images"


@RULES.rule()
def inputs_unchanged(bench: EstimatorBench) -> None:
    """Images and labels that it is given stay as they are."""
    images, labels = bench.samples(0, _EACH * bench.classes)
    before = images.copy(), labels.copy()
    estimator = bench.build()
    estimator.fit(images, labels)
    estimator.predict_proba(images)
    if not (np.array_equal(images, before[0]) and np.array_equal(labels, before[1])):
        raise Violation("it writes into what it is given: work with a copy")


@RULES.rule()
def same_seed(bench: EstimatorBench) -> None:
    """Built with one seed and fitted twice, it gives the same, whatever numpy has drawn before."""
    first = bench.probabilities(bench.fitted)
    np.random.random(7)
    if not np.array_equal(first, bench.probabilities(bench.fit(bench.build()))):
        raise Violation("fitted again it predicts something else: draw from the seed that build() is given")


@RULES.rule()
def batch_of_one(bench: EstimatorBench) -> None:
    """What an image gets depends on no other image that is given with it."""
    images, _ = bench.samples(1, 10)
    together = bench.fitted.predict_proba(images.copy())
    alone = np.concatenate([bench.fitted.predict_proba(image[None]) for image in images])
    if not np.allclose(together, alone, atol=_ROUNDING):
        raise Violation("an image alone gets other probabilities than among others: statistics belong into fit()")


@RULES.rule()
def learns(bench: EstimatorBench) -> str:
    """It tells apart classes that differ in where an image is bright."""
    images, labels = bench.samples(1, 10 * bench.classes)
    right = float((bench.fitted.predict_proba(images).argmax(axis=1) == labels).mean())
    if right < 2 / bench.classes:
        raise Violation(f"of images as it was fitted on, it recognises {right:.0%}")
    return f"recognises {right:.0%}"


@RULES.rule()
def weights(bench: EstimatorBench) -> None:
    """Samples of weight 0 count as little as those that are not there."""
    from inspect import signature

    if "sample_weight" not in signature(bench.build().fit).parameters:
        raise NotApplicable("its fit() takes no sample_weight")
    half = np.ones(_EACH * bench.classes)
    half[np.arange(len(half)) % bench.classes == 0] = 1e-6
    weighted = bench.fit(bench.build(), sample_weight=half)
    before, after = (bench.probabilities(one, 70)[:, 0].mean() for one in (bench.fitted, weighted))
    if not after < before:
        raise Violation("a class whose samples have next to no weight is predicted as often as before")


@RULES.rule()
def fewer_classes(bench: EstimatorBench) -> None:
    """Fitted where a class has no sample, it says so in classes_, and the others' shares add up to 1."""
    images, labels = bench.samples(0, _EACH * bench.classes)
    there = labels != bench.classes - 1
    estimator = bench.build()
    estimator.fit(images[there], labels[there])
    given = np.asarray(estimator.predict_proba(images[:5]))
    if list(estimator.classes_) != list(range(bench.classes - 1)) or given.shape != (5, bench.classes - 1):
        raise Violation("it has columns for a class that it was not fitted on: let classes_ say which there are")
