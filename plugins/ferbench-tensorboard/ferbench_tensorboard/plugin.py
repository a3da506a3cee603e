"""What this distribution offers; light, because discovery imports it for every command that names a component."""

from __future__ import annotations

from collections.abc import Iterable

import ferbench

FERBENCH_API = 1


@ferbench.hookimpl
def ferbench_trackers() -> Iterable[ferbench.TrackerSpec]:
    yield ferbench.TrackerSpec(
        "tensorboard",
        build="ferbench_tensorboard.tracker:TensorBoardTracker",
        summary="Event files for TensorBoard: metrics by epoch, the settings and the test's scores",
    )
