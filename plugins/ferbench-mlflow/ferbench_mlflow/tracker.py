"""A run of ferbench as a run of MLflow."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

# What a benchmark does is nobody else's business; MLflow reports its use unless this is set before it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# That a server is away is soon known; ferbench waits for no tracker for long.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

import ferbench

_LONGEST_VALUE = 5000
_PARAMS_AT_ONCE = 100  # what MLflow takes in one call
_STATUS = {"interrupted": "KILLED"}
_TAG, _STARTED = "ferbench.training_id", "ferbench.started"


class MlflowTracker:
    """Tells an MLflow tracking server, or a local database, how runs go.

    A run that goes on after it was stopped goes on in the same MLflow run.

    Args:
        uri: the tracking server or database, such as ``sqlite:///mlflow.db``; empty: what MLflow takes by itself
            (``MLFLOW_TRACKING_URI``, or ``mlflow.db`` in the working directory).
        experiment: name of the experiment; made if need be.
    """

    def __init__(self, *, uri: str = "", experiment: str = "ferbench") -> None:
        try:
            self._client = MlflowClient(tracking_uri=uri or None)
        except MlflowException as error:
            raise ferbench.UserError(
                f"MLflow refuses tracking.uri '{uri}': {str(error).splitlines()[0]}",
                "name a server or a database, such as sqlite:///mlflow.db",
            ) from error
        self._experiment_name = experiment
        self._run = ""
        self._logged: set[int] = set()

    def run_started(self, record: dict[str, Any]) -> None:
        """Open the MLflow run and store what is known of the settings."""
        training_id = record["identity"]["training_id"]
        earlier = self._earlier(training_id, record)
        if earlier is not None:
            self._run = earlier
            self._client.update_run(self._run, status="RUNNING")
            losses = self._client.get_metric_history(self._run, "train.loss")
            self._logged = {metric.step for metric in losses}
            return
        name = record.get("name") or training_id.removeprefix("v1:")[:12]
        made = self._client.create_run(self._experiment(), _milliseconds(record.get("started")), run_name=name)
        self._run = made.info.run_id
        params = [Param(key, value[:_LONGEST_VALUE]) for key, value in _settings(record)]
        for start in range(0, len(params), _PARAMS_AT_ONCE):
            self._client.log_batch(self._run, params=params[start : start + _PARAMS_AT_ONCE])
        tags = {_TAG: training_id, "ferbench.config_id": record["identity"]["config_id"]}
        tags |= {"ferbench.status": record["status"], _STARTED: str(record.get("started"))}
        self._client.log_batch(self._run, tags=[RunTag(key, value) for key, value in tags.items()])

    def checkpoint_written(self, checkpoint: dict[str, Any]) -> None:
        """Say where the newest snapshot, or the best weights, are."""
        self._client.set_tag(self._run, f"ferbench.{checkpoint['kind']}", checkpoint["path"])

    def epoch_ended(self, epoch: dict[str, Any]) -> None:
        """Metrics of train and validation, learning rates and times, with the epoch as their step."""
        if epoch["epoch"] in self._logged:
            return
        told = {key: value for key, value in epoch.items() if key not in ("epoch", "sampler", "best")}
        self._log(told, step=epoch["epoch"])

    def run_finished(self, record: dict[str, Any]) -> None:
        """Scores of every evaluation; MLflow's status is FINISHED."""
        best = record.get("training", {}).get("best_epoch") or 0
        for evaluation in record["evaluations"].values():
            # With the run's own time, so that MLflow takes what it hears again for the same.
            scores = {f"final_{evaluation['split']}": evaluation["metrics"]}
            self._log(scores, step=best, at=_milliseconds(record.get("finished")))
        self._end(record, "FINISHED")

    def run_failed(self, record: dict[str, Any]) -> None:
        """MLflow's status is KILLED for an interrupted run, FAILED for others."""
        error = record["error"]
        self._client.set_tag(self._run, "ferbench.error", f"{error['type']}: {error['message']}"[:_LONGEST_VALUE])
        self._end(record, _STATUS.get(record["status"], "FAILED"))

    def _end(self, record: Mapping[str, Any], status: str) -> None:
        self._client.set_tag(self._run, "ferbench.status", record["status"])
        self._client.set_terminated(self._run, status, _milliseconds(record.get("finished")))

    def _log(self, values: Mapping[str, Any], step: int, at: int | None = None) -> None:
        time_of = int(time.time() * 1000) if at is None else at
        metrics = [Metric(name, value, time_of, step) for name, value in numbers(values)]
        self._client.log_batch(self._run, metrics=metrics)

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment_name)
        return found.experiment_id if found else self._client.create_experiment(self._experiment_name)

    def _earlier(self, training_id: str, record: Mapping[str, Any]) -> str | None:
        """What there is of this run already: it goes on, or is sent when it has ended."""
        wanted = f"tags.`{_TAG}` = '{training_id}'"
        for run in self._client.search_runs([self._experiment()], wanted):
            started = run.data.tags.get(_STARTED)
            if record.get("resumed") if started is None else started == str(record.get("started")):
                return str(run.info.run_id)
        return None


def _milliseconds(time_of: str | None) -> int | None:
    return None if time_of is None else int(datetime.fromisoformat(time_of).timestamp() * 1000)


def numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every finite number in nested tables and lists, by dotted name in the characters that MLflow takes."""
    names: set[str] = set()
    for key, value in values.items():
        name = prefix + re.sub(r"[^\w\-. /]", "_", str(key))
        while name in names:  # of two classes whose names differ in other characters
            name += "_"
        names.add(name)
        if isinstance(value, Mapping):
            yield from numbers(value, f"{name}.")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield from numbers({str(place): one for place, one in enumerate(value)}, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield name, float(value)


def _settings(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The components with their options, and the sections of the recipe that are no components."""
    components = record["components"]
    for section, component in components.items():
        yield section, component["name"]
        for option, value in component["options"].items():
            yield re.sub(r"[^\w\-. /]", "_", f"{section}.{option}"), str(value)
    for section, values in record["recipe"].items():
        if section in components or not isinstance(values, Mapping):
            continue
        for field, value in values.items():
            yield f"{section}.{field}", str(value)
