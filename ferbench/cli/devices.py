"""``--devices``: how many devices share each run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan

devices_option: Any = click.option(
    "--devices",
    type=click.IntRange(min=1),
    metavar="N",
    help="Share each run among N GPUs, or N processes on the CPU; the batch size stays that of all of them. Under "
    "torchrun it is the number of its processes, on all hosts.",
)


def shared_batch(plan: Plan) -> str:
    """How the devices share a batch, and what an update is made of: "batch of 64 on 2 devices: 32 each"."""
    from ferbench.data.shards import describe

    recipe = plan.resolved.recipe
    size, accumulate = recipe.training.batch_size, recipe.training.accumulate
    several = f"; {accumulate} batches an update: effective batch {size * accumulate}" if accumulate > 1 else ""
    return describe(size, recipe.runtime.devices) + several
