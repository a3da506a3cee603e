"""The schedule that changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from ferbench.training.scores import Scores


def constant(
    base_rates: tuple[float, ...], epochs: int, steps_per_epoch: int
) -> Callable[[int, Scores | None], tuple[float, ...]]:
    """The optimiser's learning rates throughout.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built.
        epochs: epochs of the run (unused).
        steps_per_epoch: optimiser steps in an epoch (unused).

    Returns:
        A callable from (global step, scores of the epoch before) to the learning rate of each group.
    """

    def rates(step: int, scores: Scores | None) -> tuple[float, ...]:
        return base_rates

    return rates
