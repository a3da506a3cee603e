"""A fitted estimator as a model: images in, logits out, and a state that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.bounded import Damaged
from ferbench.data.targets import Outputs
from ferbench.errors import UserError
from ferbench.estimators.stored import from_bytes

_LEAST = np.finfo(np.float32).tiny


class EstimatorModule(nn.Module):
    """Predicts with an estimator, on the CPU. It has no parameters.

    Args:
        built: the estimator as its builder gives it.
        classes: K.
        trusted: full names of classes beside scikit-learn's that it may hold objects of.
        name: what messages call it.

    Attributes:
        skops: uint8[n], the bytes of the file of ``skops.io`` that holds what is fitted; empty before.
        estimator: what is fitted; as it was built before.
    """

    skops: Tensor

    def __init__(self, built: Any, classes: int, trusted: tuple[str, ...], name: str) -> None:
        super().__init__()
        self.register_buffer("skops", torch.empty(0, dtype=torch.uint8))
        self.estimator = self.built = built
        self.trusted = trusted
        self._classes = classes
        self._name = name

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As any module; what the state holds is read.

        Raises:
            RuntimeError: it is none of an estimator.
        """
        held = state_dict.get("skops")
        if isinstance(held, Tensor) and held.dtype == torch.uint8 and held.ndim == 1:
            self.skops = torch.empty_like(held, device="cpu")
        loaded = super().load_state_dict(state_dict, strict, assign)
        try:
            self.estimator = from_bytes(self.skops.cpu().numpy().tobytes(), self.built, self.trusted)
        except Damaged as error:
            raise RuntimeError(str(error)) from error
        return loaded

    def forward(self, images: Tensor) -> Outputs:
        """Logarithms of the probabilities, float32[N, K], of images float[N, C, H, W]; a class that nothing was fitted
        of has the least there is."""
        given = np.asarray(self.estimator.predict_proba(as_rows(images)), dtype=np.float64)
        fitted = np.asarray(self.estimator.classes_, dtype=np.int64)
        wanted = (len(images), len(fitted))
        if given.shape != wanted or not np.isfinite(given).all() or (given < 0).any():
            raise UserError(
                f"model '{self._name}' gives no probabilities: {given.dtype}{list(given.shape)} for {wanted[0]} images "
                f"and {wanted[1]} classes",
                "let predict_proba() return float[n, k] of shares that add up to 1",
            )
        probabilities = np.zeros((len(images), self._classes))
        probabilities[:, fitted] = given
        logits = torch.from_numpy(np.log(np.maximum(probabilities, _LEAST)).astype(np.float32))
        return Outputs(logits.to(images.device))


def as_rows(images: Tensor) -> NDArray[np.float32]:
    """Images float[N, C, H, W] as estimators are given them: float32[N, C·H·W]."""
    rows: NDArray[np.float32] = images.detach().float().cpu().numpy().reshape(len(images), -1)
    return rows
