"""What is asked of samplers."""

from __future__ import annotations

import functools
import json
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.experiment.sampling import gives_batches, tells_lengths
from ferbench.experiment.sampling import told_lengths as lengths_told
from ferbench.plugin.specs import SamplerSpec
from ferbench.task import Task
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation, stored
from ferbench.training.asking import described
from ferbench.training.runtime import seed_everything
from ferbench.training.scores import Scores
from ferbench.training.undeclared import none_of_samples, reads_samples
from ferbench.wording import one_line

#: What a builder that asks for the batch size is given.
BATCH_SIZE = 32

_EPOCHS = 30
_MILLION = 1_000_000
_LIMIT = 20.0  # seconds; an epoch of a million images takes many times as long on any machine
_METHODS = ("update", "state_dict", "load_state_dict")


class SamplerBench:
    """A sampler and labels for it: the first class is the largest, the last has a fortieth of it.

    Attributes:
        labels: int64[n], class ids in no order.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._names = subject.class_names
        shares = np.linspace(1, 1 / 40, len(self._names))
        self._counts = np.maximum((200 * shares).astype(int), 1)
        self.labels = self._spread(self._counts)

    @property
    def classes(self) -> int:
        return len(self._names)

    def _spread(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int64)

    def build(self, seed: int = 5, labels: NDArray[np.int64] | None = None) -> Any:
        """The sampler; global generators stand elsewhere each time, since none may matter."""
        labels = self.labels.copy() if labels is None else labels
        counts = np.bincount(labels, minlength=self.classes)
        task = Task(self._names, 1, 8, 8, tuple(counts.tolist()))
        more = self._subject.component.asked({"batch_size": BATCH_SIZE, "epochs": _EPOCHS})
        sampler = self._subject.build(labels, task, seed=seed, **more)
        methods = _METHODS if gives_batches(sampler) else ("indices", *_METHODS)
        missing = [name for name in methods if not callable(getattr(sampler, name, None))]
        if missing:
            raise Violation(f"the builder returns {type(sampler).__name__} without {', '.join(missing)}")
        return sampler

    def drawn(self, sampler: Any, epoch: int) -> NDArray[np.int64]:
        """The positions of an epoch, those of whole batches one after the other, copied."""
        if gives_batches(sampler):
            return np.concatenate([np.asarray(batch) for batch in sampler.batches(epoch)])
        return np.array(sampler.indices(epoch))

    def million(self, n: int) -> NDArray[np.int64]:
        """``n`` labels in the same proportions."""
        return self._spread(np.maximum(self._counts * n // self._counts.sum(), 1))

    @property
    def hears_samples(self) -> bool:
        spec = self._subject.component.spec
        assert isinstance(spec, SamplerSpec)
        return spec.per_sample

    def scores(self, epoch: int, n: int | None = None, drawn: float = 1.0, hears: bool | None = None) -> Scores:
        """What an epoch might have given, other classes being the worst each time.

        Args:
            epoch: that ended.
            n: training samples; None: the bench's.
            drawn: share of them that the epoch had.
            hears: whether they are among the scores; None: as the spec asks.
        """
        f1 = {name: ((3 * k + 2 * epoch) % self.classes + 0.5) / self.classes for k, name in enumerate(self._names)}
        values = dict(sorted(f1.items()))
        support = dict.fromkeys(self._names, 10)
        metrics = {"loss": 1.0 / epoch, "macro_f1": 0.5, "accuracy": 0.5}
        if not (self.hears_samples if hears is None else hears):
            return Scores(epoch, metrics, f1, values, f1, support)
        generator = np.random.default_rng((epoch, 1))
        losses = generator.exponential(size=len(self.labels) if n is None else n).astype(np.float32)
        losses[generator.random(len(losses)) >= drawn] = np.nan
        correct = np.where(np.isnan(losses), losses, losses < 1).astype(np.float32)
        return Scores(epoch, metrics, f1, values, f1, support, losses, correct)

    @functools.cached_property
    def repeats(self) -> bool:
        """Whether two samplers with one seed draw the same, whatever was asked before."""
        sampler, other = self.build(), self.build()
        seed_everything(1)
        first = [self.drawn(sampler, epoch) for epoch in (1, 2, 3)]
        seed_everything(2)
        again = [self.drawn(other, epoch) for epoch in (3, 1, 2)]
        return all(np.array_equal(a, b) for a, b in zip(first, [*again[1:], again[0]], strict=True))


RULES = RuleSet(SamplerBench)


@RULES.rule(gate=True)
def builds(bench: SamplerBench) -> None:
    """The builder returns an object with indices (or batches), update, state_dict and load_state_dict."""
    bench.build()


@RULES.rule(gate=True)
def single_samples(bench: SamplerBench) -> str:
    """It hears of single samples where its spec asks for them, and does without them elsewhere."""
    if bench.hears_samples:
        return "its spec asks for them"

    def fault(hears: bool) -> Exception | None:
        try:
            sampler = bench.build()
            for epoch in (1, 2):
                before = bench.drawn(sampler, epoch)
                described(sampler)
                sampler.update(bench.scores(epoch, hears=hears))
            if len(bench.drawn(sampler, 3)) == 1 < len(before):  # as np.argsort(None) is
                raise ValueError("an epoch of a single sample")
        except Exception as error:  # other rules will say what it is, where it fails with them too
            return error
        return None

    if (without := fault(hears=False)) is not None and fault(hears=True) is None:
        name = none_of_samples(without) or reads_samples(bench.build()) or "losses"
        raise Violation(f"scores.{name} is None: set per_sample=True in its ferbench.SamplerSpec")
    return "it hears of none"


@RULES.rule(gate=True)
def length_and_range(bench: SamplerBench) -> str:
    """An epoch is int64[m] of positions in the training split, m alike in all epochs unless it tells the lengths."""
    sampler, n, lengths = bench.build(), len(bench.labels), []
    for epoch in (1, 2, 3):
        batches = sampler.batches(epoch) if gives_batches(sampler) else [sampler.indices(epoch)]
        for drawn in batches:
            if not isinstance(drawn, np.ndarray) or drawn.dtype != np.int64 or drawn.ndim != 1:
                got = f"{drawn.dtype}{list(drawn.shape)}" if isinstance(drawn, np.ndarray) else type(drawn).__name__
                raise Violation(f"epoch {epoch} is {got}, no int64[m] array of numpy")
            if not len(drawn) or drawn.min() < 0 or drawn.max() >= n:
                got = f"{drawn.min()} to {drawn.max()}" if len(drawn) else "nothing"
                raise Violation(f"epoch {epoch} draws {got} of {n} samples, which are 0 to {n - 1}")
        lengths.append(sum(map(len, batches)))
        sampler.update(bench.scores(epoch))
    if len(set(lengths)) > 1 and not gives_batches(sampler) and not tells_lengths(sampler):
        raise Violation(f"epochs have {', '.join(map(str, lengths))} draws; schedules count on equal ones")
    return f"{', '.join(map(str, dict.fromkeys(lengths)))} draws of {n} samples"


@RULES.rule()
def whole_batches(bench: SamplerBench) -> str:
    """Where it gives whole batches, they have at most training.batch_size samples, and epochs have equally many."""
    sampler, counts, sizes = bench.build(), [], set()
    if not gives_batches(sampler):
        raise NotApplicable("it gives indices")
    for epoch in (1, 2, 3):
        each = [len(batch) for batch in sampler.batches(epoch)]
        if max(each) > BATCH_SIZE:
            raise Violation(
                f"a batch of epoch {epoch} has {max(each)} samples where training.batch_size is {BATCH_SIZE}: let the "
                "builder ask for batch_size, and keep to it"
            )
        counts.append(len(each))
        sizes |= set(each)
        sampler.update(bench.scores(epoch))
    if len(set(counts)) > 1 and not tells_lengths(sampler):
        raise Violation(f"epochs have {', '.join(map(str, counts))} batches; schedules count on equally many")
    return f"batches of {', '.join(map(str, sorted(sizes)))}"


@RULES.rule()
def told_lengths(bench: SamplerBench) -> str:
    """Where it tells the lengths of its epochs, they are as long, whatever it hears on the way."""
    sampler = bench.build()
    try:
        told = lengths_told(sampler, _EPOCHS)
    except UserError as error:
        raise Violation(error.message.removeprefix("the sampler ")) from error
    if told is None:
        raise NotApplicable("all epochs are of one length")
    for epoch in range(1, _EPOCHS + 1):
        drawn = sampler.batches(epoch) if gives_batches(sampler) else sampler.indices(epoch)
        if len(drawn) != told[epoch - 1]:
            raise Violation(f"epoch {epoch} has {len(drawn)} of what it told to be {told[epoch - 1]}")
        sampler.update(bench.scores(epoch, drawn=0.5))
    return f"{min(told)} to {max(told)} in {_EPOCHS} epochs"


@RULES.rule()
def plain_description(bench: SamplerBench) -> str:
    """What describe() says of an epoch, where it has that method, is a dictionary of plain values."""
    sampler = bench.build()
    for epoch in (1, 2):
        try:
            description = described(sampler)
        except UserError as error:
            raise Violation(error.message.removeprefix("the sampler ")) from error
        bench.drawn(sampler, epoch)
        sampler.update(bench.scores(epoch))
    return "it describes nothing" if description is None else ", ".join(description)


@RULES.rule()
def inputs_unchanged(bench: SamplerBench) -> None:
    """The labels and scores that it is given stay as they are."""
    labels, scores = bench.labels.copy(), bench.scores(1)
    sampler = bench.build(labels=labels)
    for action in (
        lambda: None,
        lambda: bench.drawn(sampler, 1),
        lambda: sampler.update(scores),
        lambda: bench.drawn(sampler, 2),
    ):
        action()
        if not np.array_equal(labels, bench.labels):
            raise Violation("it changes the labels in place: work with a copy, such as np.sort(labels)")
    same = [np.array_equal(*pair, equal_nan=True) for pair in _each_pair(scores, bench.scores(1))]
    if scores != bench.scores(1) or not all(same):
        raise Violation("it changes the scores that update() is given: work with a copy, such as dict(scores.f1)")


def _each_pair(scores: Scores, others: Scores) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    pairs = ((scores.losses, others.losses), (scores.correct, others.correct))
    return [(one, other) for one, other in pairs if one is not None and other is not None]


@RULES.rule()
def undrawn_samples(bench: SamplerBench) -> str:
    """Where it hears of single samples, those that an epoch did not draw, which are NaN, do no harm."""
    if not bench.hears_samples:
        raise NotApplicable("its spec does not ask for single samples")
    n = len(bench.labels)
    for share in (0.9, 0.01, 0.0):
        sampler = bench.build()
        sampler.update(bench.scores(1, drawn=share))
        try:
            drawn = bench.drawn(sampler, 2)
            json.dumps(described(sampler), allow_nan=False)
        except Exception as error:
            cause = one_line(str(error)) or type(error).__name__
            raise Violation(f"with {share:.0%} of the samples drawn it fails: {cause}; look for NaN") from error
        if not len(drawn) or drawn.min() < 0 or drawn.max() >= n:
            raise Violation(f"with {share:.0%} of the samples drawn, its positions are none: look for NaN")
    return "90 %, 1 % and none of them drawn"


@RULES.rule()
def heeds_the_seed(bench: SamplerBench) -> None:
    """Another seed draws otherwise."""
    first, *others = (bench.drawn(bench.build(seed=seed), 1) for seed in (5, 6, 7))
    if all(np.array_equal(first, other) for other in others):
        raise Violation("every seed gives the same draws: make a generator of (seed, epoch)")


@RULES.rule()
def new_draws_every_epoch(bench: SamplerBench) -> None:
    """Another epoch draws otherwise."""
    sampler = bench.build()
    first, *others = (bench.drawn(sampler, epoch) for epoch in (1, 2, 3))
    if all(np.array_equal(first, other) for other in others):
        raise Violation("every epoch is the same: make a generator of (seed, epoch)")


@RULES.rule()
def determinism(bench: SamplerBench) -> None:
    """Draws depend on the seed, the epoch and the state alone."""
    if not bench.repeats:
        raise Violation("the same seed and epoch give other draws: make a generator of (seed, epoch) for each epoch")


@RULES.rule()
def state_round_trip(bench: SamplerBench) -> None:
    """A sampler that is restored goes on as the one that went on."""
    first = bench.build()
    for epoch in (1, 2):
        bench.drawn(first, epoch)
        first.update(bench.scores(epoch))
    state = stored(first.state_dict())
    if not bench.repeats:
        raise NotApplicable("its draws are not repeatable")
    restored = bench.build()
    restored.load_state_dict(state)
    for epoch in (3, 4):
        if not np.array_equal(bench.drawn(first, epoch), bench.drawn(restored, epoch)):
            raise Violation(f"epoch {epoch} differs after two epochs were restored: state_dict() lacks something")
        first.update(bench.scores(epoch))
        restored.update(bench.scores(epoch))


@RULES.rule()
def every_class(bench: SamplerBench) -> None:
    """Every class with samples is drawn within thirty epochs."""
    sampler = bench.build()
    seen = np.zeros(bench.classes, dtype=np.int64)
    for epoch in range(1, _EPOCHS + 1):
        seen += np.bincount(bench.labels[bench.drawn(sampler, epoch)], minlength=bench.classes)
    never = np.flatnonzero(seen == 0)
    if len(never):
        k = int(never[0])
        size = int((bench.labels == k).sum())
        raise Violation(f"class {k}, with {size} of {len(bench.labels)} samples, is never drawn in {_EPOCHS} epochs")


@RULES.rule()
def cost_at_a_million(bench: SamplerBench) -> str:
    """An epoch of 1,000,000 samples is drawn in reasonable time."""
    spent: list[float] = []
    for n in (1_000, 10_000, 100_000, _MILLION):
        if len(spent) > 1 and spent[-1] > 0.005:
            growth = max(spent[-1] / max(spent[-2], 1e-4), 1.0)
            expected = spent[-1] * growth ** math.log10(_MILLION / (n / 10))
            if expected > 5 * _LIMIT:
                raise Violation(f"{n // 10:,} samples take {spent[-1]:.2g} s; 1,000,000 would take {expected:,.0f} s")
        labels = bench.million(n)
        start = time.process_time()  # what others do on the machine is no fault of the sampler
        sampler = bench.build(labels=labels)
        sampler.update(bench.scores(1, len(labels)))
        bench.drawn(sampler, 2)
        spent.append(time.process_time() - start)
    if spent[-1] > _LIMIT:
        raise Violation(f"1,000,000 samples take {spent[-1]:.1f} s; draw with numpy, not sample by sample")
    return f"{spent[-1]:.2f} s"
