"""Batches of so many classes with so many samples each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from ferbench import Scores, Task, UserError
from ferbench_builtin.samplers.drawing import Classes, words


class ClassBatches:
    """Every batch has k classes with m samples each, as losses over pairs and triplets want them (the P × K batches of
    Hermans, Beyer and Leibe 2017, https://arxiv.org/abs/1703.07737).

    Every class is in equally many batches of an epoch. Within a class, samples are dealt from a shuffled pile; the next
    epoch goes on where this one stopped, and a new pile comes when the old one is through. So over a training no sample
    of a class is drawn twice more than another. A class with fewer than m samples has some of them twice in a batch.

    With fewer classes than there are, those of a batch are dealt from a shuffled pile too, which comes anew every
    K / gcd(K, k) batches for K classes; the epoch has whole piles. It has about as many samples as there are.

    Args:
        labels: int64[n], class ids of the training samples.
        task: the learning problem.
        seed: the run's seed, zero or above; given by the harness.
        batch_size: the most samples of a batch; given by the harness.
        classes: k, classes in a batch; default: all that have samples.
        samples: m, samples of each of them; default: as many as ``training.batch_size`` has room for.

    Raises:
        UserError: there are fewer classes than ``classes``, or a batch would be larger than ``training.batch_size``.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        task: Task,
        *,
        seed: int,
        batch_size: int,
        classes: Annotated[int, Interval(ge=1, le=1000)] | None = None,
        samples: Annotated[int, Interval(ge=1, le=100_000)] | None = None,
    ) -> None:
        self._classes = Classes(labels, task.num_classes)
        self._present = np.flatnonzero(self._classes.counts)
        self._seed = seed
        present, k = len(self._present), classes or len(self._present)
        if k > present:
            raise UserError(
                f"sampler.classes = {k}, but {present} classes have samples", f"set it to {present} or less"
            )
        m = samples or batch_size // k
        if not m or k * m > batch_size:
            raise UserError(
                f"a batch of {k} classes of {m or 1} each is larger than training.batch_size = {batch_size}",
                f"set training.batch_size to {k * (m or 1)} or more, or sampler.classes or sampler.samples to less",
            )
        self._k, self._m = k, m
        pile = present // math.gcd(present, k)
        self._count = max(1, round(len(labels) / (k * m * pile))) * pile

    def batches(self, epoch: int) -> NDArray[np.int64]:
        """The batches of an epoch: int64[b, k · m]."""
        chosen = self._chosen(epoch)
        drawn = np.empty((*chosen.shape, self._m), dtype=np.int64)
        of_each = self._count * self._k // len(self._present) * self._m
        for place, k in enumerate(self._present.tolist()):
            dealt = self._dealt(k, (epoch - 1) * of_each, of_each)
            drawn[chosen == place] = dealt.reshape(-1, self._m)
        together = drawn.reshape(self._count, -1)
        keys = words(self._seed, epoch, together.size, stream=1).reshape(together.shape)
        return np.take_along_axis(together, np.argsort(keys, axis=1, kind="stable"), axis=1)

    def _chosen(self, epoch: int) -> NDArray[np.int64]:
        """Which of the classes with samples each batch has: int64[b, k], none of them twice in a row."""
        present = len(self._present)
        rows = math.gcd(present, self._k) * self._count // present
        order = np.argsort(words(self._seed, epoch, rows * present).reshape(rows, present), axis=1, kind="stable")
        return np.tile(order, self._k // math.gcd(present, self._k)).reshape(self._count, self._k)

    def _dealt(self, k: int, first: int, count: int) -> NDArray[np.int64]:
        """So many samples of a class, when ``first`` have been dealt before: int64[count]."""
        members = self._classes.members(k)
        n = len(members)
        piles = range(first // n, -(-(first + count) // n))
        shuffled = [members[np.argsort(words(self._seed, pile, n, stream=2 + k), kind="stable")] for pile in piles]
        return np.concatenate(shuffled)[first % n :][:count]

    def update(self, scores: Scores) -> None:
        """Scores change nothing here."""

    def describe(self) -> dict[str, Any]:
        """How many batches an epoch has, of what."""
        return {"batches": self._count, "classes": self._k, "samples": self._m}

    def state_dict(self) -> dict[str, Any]:
        """Empty: the batches need nothing but the seed and the epoch."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes the empty state that :meth:`state_dict` gives."""
