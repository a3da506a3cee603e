"""What a model, loss, sampler or augmentation must know about the data it is built for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """The learning problem of one run, known once the split is cut.

    Attributes:
        class_names: expression classes in the order of the class ids, K of them; ``num_classes`` is K.
        channels: channels of the model's input (1 gray, 3 RGB).
        height: height of the model's input in pixels.
        width: width of the model's input in pixels.
        train_counts: training samples per class, after limits and folds, in the order of ``class_names``.
        has_affect: whether samples carry valence and arousal, both in [-1, 1].
        features: width D of the features that the run's model gives, for a loss that needs them; None for everything
            else.
    """

    class_names: tuple[str, ...]
    channels: int
    height: int
    width: int
    train_counts: tuple[int, ...]
    has_affect: bool = False
    features: int | None = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)
