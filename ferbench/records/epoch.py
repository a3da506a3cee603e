"""One line of ``history.jsonl``."""

from __future__ import annotations

from ferbench.records.base import Count, Record, Score, Values


class EpochScores(Record):
    """Scores of one split in one epoch; every metric of the epoch is a number beside ``f1``."""

    __pydantic_extra__: dict[str, Score]

    f1: dict[str, Score] = {}
    """F1 by class."""

    @property
    def metrics(self) -> dict[str, float | None]:
        """Metrics by name, the loss and its components among them."""
        return dict(self.__pydantic_extra__)


class Corrected(Record):
    """Labels that the loss put in the place of given ones."""

    samples: Count
    """Training samples that have another label than the given one, when the epoch ended."""
    changes: Count
    """Labels that it changed in the epoch, those that it gave back included."""


class Epoch(Record):
    """One epoch of a training."""

    epoch: Count
    """Its number, from 1."""
    train: EpochScores
    """Loss, accuracy and F1 over the augmented batches as they went by."""
    validation: EpochScores
    """Every metric of validation at the end of the epoch."""
    learning_rates: list[float] = []
    """Of each group of parameters, at the end of the epoch."""
    best: bool = False
    """Its weights were the best so far, by ``training.select``."""
    seconds: float | None = None
    """Of training and validation."""
    images_per_second: float | None = None
    """In training."""
    micro_batch: Count | None = None
    """Samples at once after memory ran out; null while whole batches fit."""
    sampler: Values | None = None
    """How the sampler drew this epoch, as it describes itself; not there for one that does not."""
    image_size: Count | list[Count] | None = None
    """Side of the training images in pixels, where they grow."""
    corrected: Corrected | None = None
    """What the loss has corrected; not there until it has corrected something."""


def selecting(epoch: Epoch, select: str) -> str:
    """What ``training.select`` names, with its value on validation; of ``recall:CLASS`` epochs keep none."""
    name, _, class_name = select.partition(":")
    scores = epoch.validation.f1 if name == "f1" and class_name else epoch.validation.metrics
    value = scores.get(class_name or name)
    called = "macro-F1" if select == "macro_f1" else select
    return called if value is None else f"{called} {value:.4f}"
