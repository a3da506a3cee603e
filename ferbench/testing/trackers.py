"""What is asked of trackers."""

from __future__ import annotations

import copy
import inspect
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ferbench.plugin.specs import TrackerSpec
from ferbench.testing.rules import RuleSet, Subject, Violation
from ferbench.wording import did_you_mean

EVENTS = TrackerSpec.EVENTS

#: A record as trackers get it.
Plain = dict[str, Any]

#: What `ferbench.training.record.first_record` gives, in short.
_RECORD: Plain = {
    "name": "a-run",
    "status": "running",
    "started": "2026-01-01T00:00:00+00:00",
    "finished": None,
    "identity": {"training_id": "v1:" + "0" * 64, "config_id": "v1:" + "1" * 64},
    "recipe": {"training": {"epochs": 2, "seed": 0, "select": "macro_f1"}, "data": {"protocol": None}},
    "components": {
        "dataset": {"name": "synthetic-faces", "distribution": "ferbench", "version": "0.1.0", "options": {}},
        "model": {"name": "linear", "distribution": "ferbench", "version": "0.1.0", "options": {"dropout": 0.0}},
        "optimizer": {"name": "adam", "distribution": "ferbench", "version": "0.1.0", "options": {"lr": 0.001}},
    },
    "data": {
        "dataset": "synthetic-faces",
        "class_names": ["happy", "sad"],
        "counts": {"train": {"happy": 5, "sad": 5}},
    },
    "environment": {"python": "3.12.0", "device": "cpu"},
    "evaluations": {},
}
_EPOCH: Plain = {
    "epoch": 1,
    "train": {"loss": 1.9, "accuracy": 0.2, "macro_f1": 0.1, "f1": {"happy": 0.2, "sad": 0.0}},
    "validation": {"loss": 1.8, "accuracy": 0.3, "macro_f1": 0.2, "f1": {"happy": 0.4, "sad": 0.0}},
    "learning_rates": [0.001],
    "best": True,
    "seconds": 0.5,
    "images_per_second": 20.0,
    "micro_batch": None,
}
_CHECKPOINT: Plain = {
    "path": "results/runs/000000000000/checkpoints/step-00000010-end.safetensors",
    "kind": "snapshot",
    "epoch": 1,
    "batches": 0,
    "step": 10,
}
_RESULTS: Plain = {
    "training": {"epochs": 2, "best_epoch": 1, "best_value": 0.2, "seconds": 1.0},
    "evaluations": {
        "111111111111": {"split": "test", "n": 10, "metrics": {"loss": 1.7, "accuracy": 0.4, "macro_f1": 0.3}}
    },
}


class TrackerBench:
    """A tracker, in a folder of its own."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    @contextmanager
    def tracker(self) -> Iterator[Any]:
        """One that is built and told in an empty working directory."""
        before = Path.cwd()
        with tempfile.TemporaryDirectory(prefix="ferbench-check-", ignore_cleanup_errors=True) as folder:
            os.chdir(folder)
            try:
                yield self._subject.build()
            finally:
                os.chdir(before)


RULES = RuleSet(TrackerBench)


@RULES.rule(gate=True)
def builds(bench: TrackerBench) -> None:
    """The builder returns an object."""
    with bench.tracker() as tracker:
        if tracker is None:
            raise Violation("the builder returns None")


@RULES.rule(gate=True)
def hears_something(bench: TrackerBench) -> str:
    """It has a method for one event at least, each taking what is told."""
    with bench.tracker() as tracker:
        heard = [event for event in EVENTS if callable(getattr(tracker, event, None))]
        if not heard:
            public = [name for name in dir(tracker) if not name.startswith("_") and callable(getattr(tracker, name))]
            hint = next(filter(None, (did_you_mean(name, EVENTS) for name in public)), "")
            raise Violation(f"it hears none of {', '.join(EVENTS)}; {hint}it has {', '.join(public) or 'no method'}")
        for event in heard:
            try:
                inspect.signature(getattr(tracker, event)).bind({})
            except TypeError as error:
                raise Violation(f"{event} must take one argument: {error}") from error
    return ", ".join(heard)


@RULES.rule()
def whole_life(bench: TrackerBench) -> None:
    """It hears a run from start to end without raising."""
    with bench.tracker() as tracker:
        _live(tracker, "run_finished", {**_RECORD, **_RESULTS, "status": "done"})


@RULES.rule()
def failed_run(bench: TrackerBench) -> None:
    """It hears of a run that fails, or is interrupted, without raising."""
    for status in ("failed", "interrupted", "diverged"):
        record = {**_RECORD, "status": status, "error": {"type": "RuntimeError", "message": "?"}}
        with bench.tracker() as tracker:
            _live(tracker, "run_failed", record)


def _live(tracker: Any, end: str, record: Plain) -> None:
    events = [("run_started", _RECORD)]
    for epoch in (1, 2):
        events += [("checkpoint_written", {**_CHECKPOINT, "epoch": epoch}), ("epoch_ended", {**_EPOCH, "epoch": epoch})]
    for event, content in [*events, (end, record)]:
        method = getattr(tracker, event, None)
        if callable(method):
            method(copy.deepcopy(content))
