"""Labels of training samples that a loss has put in the place of the given ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ferbench.data.targets import Targets


class Corrections:
    """What a loss has corrected so far.

    Args:
        given: int64[n], labels of the training split as the dataset has them; they stay as they are.

    Attributes:
        changes: labels that it has changed since the epoch began, those that it gave back included.
    """

    def __init__(self, given: NDArray[np.int64]) -> None:
        self._given = given
        self._labels = given.copy()
        self._since = np.zeros(len(given), dtype=np.int64)
        self.changes = 0

    def __len__(self) -> int:
        """Samples that have another label than the given one."""
        return int((self._labels != self._given).sum())

    def take(self, positions: NDArray[np.int64], labels: NDArray[np.int64], epoch: int) -> None:
        """Let samples have labels from now on.

        Args:
            positions: int64[m] of the training split; of a sample that is there twice the last label counts.
            labels: int64[m], class ids.
            epoch: in which they were corrected.
        """
        places, last = np.unique(positions[::-1], return_index=True)
        new = labels[::-1][last]
        self.changes += int((self._labels[places] != new).sum())
        self._labels[places] = new
        was, differs = self._since[places], new != self._given[places]
        self._since[places] = np.where(differs, np.where(was > 0, was, epoch), 0)

    def correct(self, targets: Targets, positions: NDArray[np.int64]) -> None:
        """Give targets on the CPU the labels of now; the distribution of a corrected sample is all on its class."""
        targets.labels = torch.from_numpy(self._labels[positions])
        wrong = self._labels[positions] != self._given[positions]
        if targets.soft is not None and wrong.any():
            places = np.flatnonzero(wrong)
            targets.soft[places] = 0.0
            targets.soft[places, targets.labels[places]] = 1.0

    def table(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of the corrected samples, by position: int64[m] positions, labels, and the epochs since which they are so."""
        places = np.flatnonzero(self._labels != self._given)
        return places, self._labels[places], self._since[places]

    def state_dict(self) -> dict[str, Any]:
        """Plain values and arrays."""
        positions, labels, epochs = self.table()
        return {"positions": positions, "labels": labels, "epochs": epochs, "changes": self.changes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave for the same samples."""
        self._labels[:], self._since[:] = self._given, 0
        self._labels[state["positions"]], self._since[state["positions"]] = state["labels"], state["epochs"]
        self.changes = state["changes"]

    def misfit(self, state: Any, classes: int, epoch: int) -> str:
        """Why a state cannot be one of these samples in an epoch; empty where it can."""
        match state:
            case {"positions": np.ndarray() as p, "labels": np.ndarray() as y, "epochs": np.ndarray() as e, **rest}:
                changes = rest.get("changes")
            case _:
                return "its corrections are none"
        whole = all(part.dtype == np.int64 and part.shape == (len(p),) for part in (p, y, e))
        if not whole or type(changes) is not int or changes < 0:
            return "its corrections are none"
        if len(p) and not (p[0] >= 0 and p[-1] < len(self._given) and (np.diff(p) > 0).all()):
            return "its corrections are of other samples"
        if not (((y >= 0) & (y < classes)).all() and (y != self._given[p]).all()):
            return "its corrections are to other classes"
        return "" if ((e >= 1) & (e <= epoch)).all() else "its corrections are of other epochs"
