"""Temperature scaling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench import Task

#: Temperatures beyond these are not looked for: where all of validation is right, ever lower ones would be better, and
#: where the model is worse than chance, ever higher ones.
LOWEST, HIGHEST = 0.01, 100.0

# Halvings of an interval of logarithms, until nothing is left between its ends.
_HALVINGS = 80


class Temperature:
    """Logits divided by one number, the temperature, which makes validation's negative log-likelihood smallest: Guo,
    Pleiss, Sun and Weinberger 2017 (https://arxiv.org/abs/1706.04599). No prediction changes its class, only how sure
    it is. The temperature is sought between 0.01 and 100.

    Args:
        task: what is predicted.
    """

    def __init__(self, task: Task) -> None:
        self.temperature = 1.0

    def __call__(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return logits / self.temperature

    def fit(self, logits: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
        """Find the temperature: the likelihood is convex in its reciprocal, so that its slope has one zero at most."""
        low, high = math.log(1 / HIGHEST), math.log(1 / LOWEST)
        slope = _slope(logits, labels, 1.0)
        if slope == 0:
            self.temperature = 1.0
            return
        low, high = (low, 0.0) if slope > 0 else (0.0, high)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if _slope(logits, labels, math.exp(middle)) > 0:
                high = middle
            else:
                low = middle
        self.temperature = math.exp(-(low + high) / 2)

    def state_dict(self) -> dict[str, Any]:
        return {"temperature": self.temperature}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.temperature = float(state["temperature"])


def _slope(logits: NDArray[np.float64], labels: NDArray[np.int64], factor: float) -> float:
    """How the mean negative log-likelihood rises with a factor that logits are multiplied by: the mean of the expected
    logit less that of the true class."""
    scaled = factor * logits
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    expected = (weights * logits).sum(axis=1) / weights.sum(axis=1)
    return float(np.mean(expected - logits[np.arange(len(labels)), labels]))
