"""``--devices``: how many devices share each run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan

devices_option: Any = click.option(
    "--devices",
    type=click.IntRange(min=1),
    metavar="N",
    help="Share each run among N GPUs, or N processes on the CPU; the batch size stays that of all of them.",
)


def asked_devices(given: int | None) -> int | None:
    """``--devices``, or as many as ``torchrun`` has started processes.

    Ranks are started by ferbench itself; of the processes of ``torchrun`` the first does so, and the others end here.

    Raises:
        UserError: ``torchrun`` was given several hosts, or another number than ``--devices``.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return given
    rank, count, here = (int(os.environ.get(name, 1)) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if rank:
        sys.exit(0)
    if here != count:
        raise UserError("torchrun was given several hosts, but a run is on one", "use --nnodes 1")
    if given not in (None, count):
        raise UserError(f"torchrun has started {count} processes, but --devices is {given}", "leave --devices out")
    return count


def shared_batch(plan: Plan) -> str:
    """How the devices share a batch, and what an update is made of: "batch of 64 on 2 devices: 32 each"."""
    from ferbench.data.shards import describe

    recipe = plan.resolved.recipe
    size, accumulate = recipe.training.batch_size, recipe.training.accumulate
    several = f"; {accumulate} batches an update: effective batch {size * accumulate}" if accumulate > 1 else ""
    return describe(size, recipe.runtime.devices) + several
