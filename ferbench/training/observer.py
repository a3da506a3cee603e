"""Who follows a training; imports no torch, so that what shows progress can be there before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferbench.records.epoch import Epoch
    from ferbench.training.position import Position


class Observer:
    """Follows how training goes; progress displays and trackers override what they care for."""

    def planned(self, images: Sequence[int]) -> None:
        """Called first where epochs are of several lengths: about how many images each will have."""

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        """``images`` of ``total`` have gone by in this epoch; ``loss`` when it is known without waiting."""

    def epoch_ended(self, epoch: Epoch) -> None:
        """An epoch is validated."""

    def resumed(self, at: Position) -> None:
        """Training goes on from a snapshot."""

    def stopped(self, epoch: int, reason: str) -> None:
        """Training ends with this epoch, before the last that was asked for."""
