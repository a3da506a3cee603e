"""How far a training is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.records.epoch import Epoch
from ferbench.training.epoch import EpochSums
from ferbench.training.scores import Scores


@dataclass
class TrainingOutcome:
    """What a finished training reports.

    Attributes:
        seconds: of training and validation together.
        images: training images that went through the model.
        train_seconds: of training alone.
        micro_batch: samples at once after memory ran out; None when whole batches fitted.
        epochs: that were trained.
        stopped: why it ended: ``epochs`` (all done), ``patience``, or ``fit`` of an estimator, which has none.
    """

    seconds: float = 0.0
    images: int = 0
    train_seconds: float = 0.0
    micro_batch: int | None = None
    epochs: int = 0
    stopped: str = "epochs"


@dataclass
class Position:
    """How far a training is: what the loop itself must know to go on from here.

    Attributes:
        epoch: the one that is being trained, from 1.
        batches: of it that are done.
        step: updates so far, over all epochs.
        seconds: spent on the epoch so far.
        scores: of the epoch before.
        sums: of the epoch so far; None at its beginning.
        outcome: of the epochs that are done.
        record: of the epoch that ended last.
        predicted: class ids of the validation samples after each epoch, a byte a sample; lacks epochs before those that
            an older release trained, and all of them where a byte cannot tell the classes apart.
    """

    epoch: int = 1
    batches: int = 0
    step: int = 0
    seconds: float = 0.0
    scores: Scores | None = None
    sums: EpochSums | None = None
    outcome: TrainingOutcome = field(default_factory=TrainingOutcome)
    record: Epoch | None = None
    predicted: list[bytes] = field(default_factory=list)

    def to_state(self) -> dict[str, Any]:
        """Plain values and tensors."""
        own = {name: getattr(self, name) for name in ("epoch", "batches", "step", "seconds")}
        return {
            **own,
            "record": None if self.record is None else self.record.plain(),
            "scores": None if self.scores is None else asdict(self.scores),
            "sums": None if self.sums is None else self.sums.to_state(),
            "outcome": asdict(self.outcome),
            "predicted": self.predictions,
        }

    @property
    def predictions(self) -> NDArray[np.uint8] | None:
        """``predicted`` as class ids uint8[epochs, n]; None for no epoch."""
        return np.stack([np.frombuffer(row, np.uint8) for row in self.predicted]) if self.predicted else None

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Position:
        """What `to_state` was called on, with its tensors where they are in the state."""
        return cls(
            **{
                **state,
                "record": None if state["record"] is None else Epoch.model_validate(state["record"]),
                "scores": None if state["scores"] is None else Scores(**state["scores"]),
                "sums": None if state["sums"] is None else EpochSums.from_state(state["sums"]),
                "outcome": TrainingOutcome(**state["outcome"]),
                "predicted": _rows(state.get("predicted")),
            }
        )


def _rows(predicted: Any) -> list[bytes]:
    """What `Position.predictions` gave, row by row.

    Raises:
        ValueError: it is something else.
    """
    if predicted is None:
        return []
    if not isinstance(predicted, np.ndarray) or predicted.dtype != np.uint8 or predicted.ndim != 2:
        raise ValueError("its predictions of validation are none")
    return [row.tobytes() for row in predicted]
