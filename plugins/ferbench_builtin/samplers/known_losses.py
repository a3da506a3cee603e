"""The latest known loss of each training sample: what samplers by loss remember."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ferbench import Scores


class KnownLosses:
    """Of a training split.

    Args:
        n: its samples.

    Attributes:
        values: float32[n], NaN for a sample that was never drawn.
        epoch: that was heard of last; 0: none.
    """

    def __init__(self, n: int) -> None:
        self.values = np.full(n, np.nan, dtype=np.float32)
        self.epoch = 0

    def hear(self, scores: Scores) -> None:
        """Take in the losses of an epoch; a sample that it did not draw keeps its own."""
        assert scores.losses is not None, "the spec asks for them"
        self.values = np.where(np.isnan(scores.losses), self.values, scores.losses)
        self.epoch = scores.epoch

    @property
    def none(self) -> bool:
        """Whether no loss is known."""
        return bool(np.isnan(self.values).all())

    def state_dict(self) -> dict[str, Any]:
        """The losses, and the epoch that was heard of last."""
        return {"losses": self.values.copy(), "epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        losses = np.asarray(state["losses"])
        if losses.shape != self.values.shape or state["epoch"] < 0:
            raise ValueError("losses of other samples")
        self.values, self.epoch = losses.astype(np.float32), int(state["epoch"])
