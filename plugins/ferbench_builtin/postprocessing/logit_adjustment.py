"""Logit adjustment after training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from ferbench import Task, UserError


def logit_adjustment(
    task: Task, *, tau: Annotated[float, Interval(ge=0, le=100)] = 1.0
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Logits less tau times the logarithm of the share that a class has of the training samples: Menon, Jayasumana,
    Rawat, Jain, Veit and Kumar 2021 (https://arxiv.org/abs/2007.07314), section 4.1. It makes the balanced error small
    where a model was trained with cross-entropy on samples as they are; after a sampler or a loss that balances classes
    it balances twice.

    Args:
        task: what is predicted; its class counts are those of the training split, with the labels that were learnt.
        tau: how much; 0: nothing changes.
    """
    for name, count in zip(task.class_names, task.train_counts, strict=True):
        if not count and tau:
            raise UserError(
                f"logit-adjustment needs training samples of every class, and there is none of '{name}'",
                "choose other data.classes, or leave the post-processing out",
            )
    counts = np.array(task.train_counts, dtype=np.float64)
    shift = tau * np.log(counts / counts.sum()) if tau else np.zeros(len(counts))

    def adjust(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return logits - shift

    return adjust
