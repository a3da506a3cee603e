"""What is asked of post-processing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.task import Task
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation, stored

_N = 60

#: The logarithm of the smallest probability that an evaluation can hold.
_LEAST = float(np.log(np.finfo(np.float32).tiny))


class PostprocessingBench:
    """Validation and test predictions of a model that is right more often than not, and too sure."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.classes = len(subject.class_names)
        counts = tuple(10 * (k + 1) for k in range(self.classes))
        self.task = Task(subject.class_names, channels=1, height=48, width=48, train_counts=counts)

    def build(self) -> Any:
        return self._subject.build_callable(self.task)

    def logits(self, seed: int, n: int = _N) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Log-probabilities float64[n, K] and true class ids int64[n]."""
        generator = np.random.default_rng(seed)
        labels = generator.integers(self.classes, size=n)
        raw = generator.normal(0.0, 3.0, (n, self.classes))
        raw[np.arange(n), labels] += 3.0
        return _normalised(raw), labels

    def ready(self) -> Any:
        """Built, and fitted where it wants that."""
        built = self.build()
        if fits(built):
            built.fit(*self.logits(0))
        return built


def fits(built: Any) -> bool:
    """Whether it is fitted."""
    return callable(getattr(built, "fit", None))


def _normalised(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.log(np.maximum(raised / raised.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny))


def _softmax(given: Any) -> NDArray[np.float64]:
    logits = np.asarray(given, dtype=np.float64)
    with np.errstate(all="ignore"):
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        made: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return made


def _alike(one: Any, other: Any) -> bool:
    return bool(np.allclose(_softmax(one), _softmax(other), rtol=1e-6, atol=1e-9))


RULES = RuleSet(PostprocessingBench)


@RULES.rule(gate=True)
def builds(bench: PostprocessingBench) -> None:
    """The builder returns something that can be called; where it is fitted, its state can be kept."""
    built = bench.build()
    lacking = [name for name in ("state_dict", "load_state_dict") if fits(built) and not hasattr(built, name)]
    if lacking:
        raise Violation(f"it has fit(), but no {lacking[0]}(): what it fits is kept with the evaluation")


@RULES.rule(gate=True)
def shape(bench: PostprocessingBench) -> None:
    """Logits float[N, K] give logits float[N, K], whose softmax is finite."""
    built = bench.ready()
    for n in (_N, 1):
        logits, _ = bench.logits(1, n)
        given = np.asarray(built(logits.copy()))
        if given.shape != logits.shape or given.dtype.kind != "f":
            raise Violation(f"logits float64[{n}, {bench.classes}] give {given.dtype}{list(given.shape)}")
        if not np.isfinite(_softmax(given)).all():
            raise Violation("its logits have no softmax: they are not finite")


@RULES.rule()
def inputs_unchanged(bench: PostprocessingBench) -> None:
    """The logits and labels that it is given stay as they are."""
    built = bench.build()
    for what in ("fit", "__call__"):
        logits, labels = bench.logits(2)
        given = logits.copy(), labels.copy()
        if what == "fit" and fits(built):
            built.fit(*given)
        elif what == "__call__":
            built(given[0])
        if not (np.array_equal(given[0], logits) and np.array_equal(given[1], labels)):
            raise Violation(f"{what}() writes into what it is given: work with a copy")


@RULES.rule()
def determinism(bench: PostprocessingBench) -> None:
    """Built and fitted twice on the same predictions, it gives the same."""
    logits, _ = bench.logits(1)
    if not _alike(bench.ready()(logits.copy()), bench.ready()(logits.copy())):
        raise Violation("the same predictions give something else the second time: draw nothing, or from a fixed seed")


@RULES.rule()
def batch_of_one(bench: PostprocessingBench) -> None:
    """What an image gets depends on no other image that is given with it."""
    built = bench.ready()
    logits, _ = bench.logits(1)
    together = np.asarray(built(logits.copy()))
    alone = np.concatenate([np.asarray(built(row[None].copy())) for row in logits])
    if not _alike(together, alone):
        raise Violation("an image alone gets something else than among others: statistics belong into fit()")


@RULES.rule()
def learns_in_fit_alone(bench: PostprocessingBench) -> None:
    """Calls leave it as it is: nothing is learnt from what is tested."""
    built = bench.ready()
    logits, _ = bench.logits(1)
    before = np.array(built(logits.copy()))
    for _ in range(3):  # in which some average of a few calls would move
        built(3.0 * bench.logits(3)[0])
    if not _alike(before, built(logits.copy())):
        raise Violation("after other predictions it gives something else for the same ones: learn in fit() alone")


@RULES.rule()
def state_round_trip(bench: PostprocessingBench) -> None:
    """One that is restored from its state gives the same."""
    first = bench.ready()
    if not fits(first):
        raise NotApplicable("it is not fitted")
    restored = bench.build()
    restored.load_state_dict(stored(first.state_dict(), "plain values"))
    logits, _ = bench.logits(1)
    if not _alike(first(logits.copy()), restored(logits.copy())):
        raise Violation("it remembers what its state_dict() and load_state_dict() do not carry")


@RULES.rule()
def extremes(bench: PostprocessingBench) -> None:
    """Validation that is all right, all wrong or all alike, and predictions without a doubt, leave it finite."""
    labels = np.arange(_N, dtype=np.int64) % bench.classes
    right = np.full((_N, bench.classes), _LEAST)
    right[np.arange(_N), labels] = 0.0
    alike = np.full((_N, bench.classes), -np.log(bench.classes))
    for name, logits in (("right", right), ("wrong", np.roll(right, 1, axis=1)), ("alike", alike)):
        built = bench.build()
        if fits(built):
            with np.errstate(all="ignore"):
                built.fit(logits.copy(), labels.copy())
        for tested in (right, alike):
            with np.errstate(all="ignore"):
                given = built(tested.copy())
            if not np.isfinite(_softmax(given)).all():
                raise Violation(f"where validation is all {name}, its logits are not finite")
