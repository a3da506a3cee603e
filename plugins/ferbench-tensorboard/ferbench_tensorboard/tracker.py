"""A run of ferbench as an event file of TensorBoard."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util


class TensorBoardTracker:
    """Writes a folder of events for each run; ``tensorboard --logdir tensorboard`` shows them side by side.

    Args:
        logdir: where the runs' folders are put.
    """

    def __init__(self, *, logdir: str = "tensorboard") -> None:
        self._logdir = Path(logdir)
        self._writer: EventFileWriter | None = None
        self._epoch = 0
        self._counts_from: int | None = None  # the first epoch that the file has

    def run_started(self, record: dict[str, Any]) -> None:
        """Open the run's folder and store its settings as text. A run that goes on, or is sent again, writes a further
        file there, and what earlier files have of the same epochs no longer counts."""
        self._counts_from = None
        short = record["identity"]["training_id"].removeprefix("v1:")[:12]
        name = re.sub(r"[^\w\-.]", "_", record.get("name") or "").strip(".")
        self._writer = EventFileWriter(str(self._logdir / (f"{name}-{short}" if name else short)))
        told = {"components": record["components"], "recipe": record["recipe"], "identity": record["identity"]}
        text = json.dumps(told, indent=2, ensure_ascii=False, default=str)
        self._text("settings", "\n".join(f"    {line}" for line in text.splitlines()))  # Markdown takes it for code

    def epoch_ended(self, epoch: dict[str, Any]) -> None:
        """Metrics of train and validation, learning rates and times."""
        self._begin(epoch["epoch"])
        self._scalars({key: value for key, value in epoch.items() if key not in ("epoch", "sampler", "best")})
        if self._writer is not None:
            self._writer.flush()

    def checkpoint_written(self, checkpoint: dict[str, Any]) -> None:
        """Say which epoch's weights are kept."""
        if checkpoint["kind"] == "best":
            self._begin(checkpoint["epoch"])
            self._scalars({"best_epoch": checkpoint["epoch"]})

    def run_finished(self, record: dict[str, Any]) -> None:
        """Scores of every evaluation, at the epoch whose weights were tested."""
        self._epoch = record.get("training", {}).get("best_epoch") or 0
        for evaluation in record["evaluations"].values():
            self._scalars({f"final_{evaluation['split']}": evaluation["metrics"]})
        self._close()

    def run_failed(self, record: dict[str, Any]) -> None:
        """How it ended, as text."""
        self._text("error", f"{record['status']}: {record['error']['type']}: {record['error']['message']}")
        self._close()

    def _begin(self, epoch: int) -> None:
        self._epoch = epoch
        if self._counts_from is None and self._writer is not None:
            self._counts_from = epoch
            self._writer.add_event(Event(step=epoch, session_log=SessionLog(status=SessionLog.START)))

    def _scalars(self, values: Mapping[str, Any]) -> None:
        found = [Summary.Value(tag=tag, simple_value=value) for tag, value in numbers(values)]
        self._add(Summary(value=found))

    def _text(self, tag: str, text: str) -> None:
        about = text_metadata.create_summary_metadata(display_name=None, description=None)
        tensor = tensor_util.make_tensor_proto([text.encode("utf-8")])
        self._add(Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=tensor)]))

    def _add(self, summary: Any) -> None:
        if self._writer is not None:
            self._writer.add_event(Event(wall_time=time.time(), step=self._epoch, summary=summary))

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every finite number in nested tables and lists, by name; TensorBoard groups by what is before the slash."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from numbers(value, f"{name}/")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield from numbers({str(place): one for place, one in enumerate(value)}, f"{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield name, float(value)
