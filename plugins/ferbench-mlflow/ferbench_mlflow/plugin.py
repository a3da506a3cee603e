"""What this distribution offers; light, because discovery imports it for every command that names a component."""

from __future__ import annotations

from collections.abc import Iterable

import ferbench

FERBENCH_API = 1


@ferbench.hookimpl
def ferbench_trackers() -> Iterable[ferbench.TrackerSpec]:
    yield ferbench.TrackerSpec(
        "mlflow",
        build="ferbench_mlflow.tracker:MlflowTracker",
        summary="Runs in MLflow: settings, metrics by epoch, the test's scores, where the checkpoints are",
    )
