"""What this distribution offers; light, because discovery imports it for every command that names a component."""

from __future__ import annotations

from collections.abc import Iterable

import ferbench

FERBENCH_API = 1


@ferbench.hookimpl
def ferbench_commands() -> Iterable[ferbench.CommandSpec]:
    yield ferbench.CommandSpec(
        "submit",
        build="ferbench_submitit.command:submit",
        summary="Hand runs and searches to a Slurm cluster, or to this machine, as jobs that go on when stopped.",
    )
