"""The schedule that changes nothing."""

from __future__ import annotations

from ferbench_builtin.schedules.warmup import Rates, Scheduled, Span, Warmup, WarmupUnit


def constant(
    base_rates: Rates,
    epochs: int,
    steps_per_epoch: int,
    *,
    warmup: Warmup = 0.0,
    warmup_unit: WarmupUnit = "epochs",
) -> Scheduled:
    """The optimiser's learning rates throughout, after a warm-up if there is one.

    Args:
        base_rates: the learning rate of each parameter group, as the optimiser was built.
        epochs: epochs of the run.
        steps_per_epoch: optimiser steps in an epoch.
        warmup: length of a linear warm-up from almost zero; 0: none.
        warmup_unit: ``epochs`` or ``steps``.
    """
    return Scheduled(base_rates, Span.of(epochs, steps_per_epoch, warmup, warmup_unit), lambda step: 1.0)
