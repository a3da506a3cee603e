"""Weights of classes, from how often they occur or by their names; losses and samplers share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from ferbench import Task, UserError, did_you_mean

Scheme = Literal["inverse", "inverse-sqrt", "effective-number"]

#: Of a class that a user names, in units of the others'.
ClassWeight = Annotated[float, Interval(gt=0, le=1e6)]


def by_frequency(task: Task, scheme: Scheme, beta: float) -> NDArray[np.float64]:
    """Weights of the K classes from their training counts n: ``inverse`` 1/n, ``inverse-sqrt`` 1/√n, or
    ``effective-number`` (1 − β) / (1 − βⁿ), Cui et al. (CVPR 2019).

    A class without training samples counts as if it had one.

    Returns:
        float64[K], up to a factor.
    """
    counts = np.maximum(np.array(task.train_counts, dtype=np.float64), 1)
    if scheme == "inverse":
        return 1 / counts
    if scheme == "inverse-sqrt":
        return 1 / np.sqrt(counts)
    return (1 - beta) / -np.expm1(counts * np.log(beta))


def by_name(task: Task, given: Mapping[str, float], option: str) -> NDArray[np.float64]:
    """Weights by class name, 1 for the classes that are not named: float64[K].

    Args:
        task: names the classes.
        given: weights by class name.
        option: what to call them in an error, such as ``sampler.emphasis``.

    Raises:
        UserError: there is no such class.
    """
    for name in given:
        if name not in task.class_names:
            raise UserError(
                f"{option}: there is no class '{name}'",
                f"{did_you_mean(name, task.class_names)}classes: {', '.join(task.class_names)}",
            )
    return np.array([given.get(name, 1.0) for name in task.class_names], dtype=np.float64)


def loss_weights(
    task: Task, scheme: Scheme | None, beta: float, given: Mapping[str, float], option: str
) -> NDArray[np.float64]:
    """Class weights for a loss: by frequency (``scheme``), times those given by name.

    They are scaled so that their mean over the training samples is 1: the loss keeps its scale, and with it the
    learning rate its meaning. ``inverse`` alone then is what scikit-learn calls "balanced", n / (K n_k).

    Returns:
        float64[K].
    """
    weights = by_name(task, given, option)
    if scheme is not None:
        weights = weights * by_frequency(task, scheme, beta)
    counts = np.array(task.train_counts, dtype=np.float64)
    mean = float(weights @ counts / counts.sum()) if counts.any() else float(weights.mean())
    return weights / mean
