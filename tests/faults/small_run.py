"""A small run of three epochs in a forked process, and what it left."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: Batches between two checkpoints within an epoch.
INTERVAL = 2
EPOCHS = 3
#: Batches of the whole run: five an epoch, since validation leaves 33 to 40 of 48 samples.
BATCHES = 5 * EPOCHS

RUN = ("run", "--model", "linear", "--loss", "focal", "--sampler", "adaptive", "--no-report", "--name", "faulty")
SETTINGS = {
    "dataset.train": "48",
    "dataset.test": "20",
    "dataset.size": "16",
    "data.image_size": "16",
    "training.epochs": str(EPOCHS),
    "training.batch_size": "8",
    "training.ema": "0.9",
    "training.select": "loss",
    "runtime.checkpoint_every": str(INTERVAL),
    "runtime.threads": "1",
}


def nothing() -> None:
    """What a run does before it starts, unless something else is asked for."""


@dataclass(frozen=True)
class Ended:
    """A run that ended, however.

    Attributes:
        code: its exit code, minus the signal's number for a process that a signal ended.
        said: stdout and stderr.
        batches: that it began to train.
    """

    code: int
    said: str
    batches: int


@dataclass(frozen=True)
class Whole:
    """A run without faults.

    Attributes:
        directory: of its results, and of the cache that serves the others.
        left: its `outcome`.
        seconds: that it takes in a forked process, the median of five.
    """

    directory: Path
    left: dict[str, Any]
    seconds: float


def start(directory: Path, before: Callable[[], None] = nothing, *more: str) -> int:
    """Fork a process that does ``before`` and then the run in ``directory``, ``more`` arguments with it."""
    said, batches = directory / "said.txt", directory / "batches"
    batches.unlink(missing_ok=True)
    said.write_bytes(b"")
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        remember_plugins()
        sys.stdout = sys.stderr = said.open("w", buffering=1)
        _count_batches(batches)
        before()
        code = _main(directory, more)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def finish(child: int, directory: Path) -> Ended:
    """Wait for a process that `start` gave."""
    _, status = os.waitpid(child, 0)
    counted = directory / "batches"
    batches = counted.stat().st_size if counted.exists() else 0
    return Ended(os.waitstatus_to_exitcode(status), (directory / "said.txt").read_text(), batches)


def run(directory: Path, before: Callable[[], None] = nothing, *more: str) -> Ended:
    """The run in a forked process, from start to end."""
    return finish(start(directory, before, *more), directory)


def prepare(directory: Path) -> Whole:
    """A run without faults. What it imports is imported once here, before the forks."""
    directory.mkdir(parents=True, exist_ok=True)
    forget = remember_plugins()
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(said):
        code = _main(directory, ("--quiet",))
    forget()
    assert code == 0, said.getvalue()
    seconds = []
    for number in range(5):
        again = fresh(directory / f"again-{number}", directory)
        started = time.perf_counter()
        ended = run(again)
        seconds.append(time.perf_counter() - started)
        assert ended.code == 0, ended.said
        assert ended.batches == BATCHES, ended.batches
        assert outcome(again) == outcome(directory)
    return Whole(directory, outcome(directory), statistics.median(seconds))


def fresh(directory: Path, whole: Path) -> Path:
    """An empty ``directory`` whose cache is that of the run in ``whole``."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / "cache").symlink_to(whole / "cache")
    return directory


def run_directory(directory: Path) -> Path:
    """Of the only run below ``directory``."""
    (path,) = directory.glob("results/runs/*/run.json")
    return path.parent


def epochs_done(directory: Path) -> int:
    """Epochs that the history of the run has, if there is one yet."""
    for path in directory.glob("results/runs/*/history.jsonl"):
        return path.read_bytes().count(b"\n")
    return 0


def outcome(directory: Path) -> dict[str, Any]:
    """What a finished run left that must not depend on faults."""
    path = run_directory(directory)
    history = [json.loads(line) for line in (path / "history.jsonl").read_text().splitlines()]
    for epoch in history:
        del epoch["seconds"], epoch["images_per_second"]
    predictions = {}
    for file in sorted(path.glob("evaluations/*/predictions.npz")):
        with np.load(file, allow_pickle=False) as arrays:
            predictions[file.parent.name] = {name: arrays[name].tobytes() for name in sorted(arrays)}
    record = json.loads((path / "run.json").read_text())
    return {
        "status": record["status"],
        "epochs": [epoch["epoch"] for epoch in history],
        "weights": (path / "checkpoints" / "best.safetensors").read_bytes(),
        "best epoch": {key: record["training"][key] for key in ("best_epoch", "best_value", "weights_sha256")},
        "history": history,
        "predictions": predictions,
        "scores": {name: entry["metrics"] for name, entry in record["evaluations"].items()},
    }


def unlike(directory: Path, whole: Whole) -> list[str]:
    """In what a finished run differs from the one without faults."""
    got = outcome(directory)
    return [key for key in whole.left if got[key] != whole.left[key]]


def goes_on(directory: Path, whole: Whole, before: Ended, interval: int = INTERVAL) -> str | None:
    """Give the command of an interrupted run again; None when all is as it should be, else what is not."""
    done = epochs_done(directory)
    ended = run(directory)
    if ended.code != 0 or "Traceback" in ended.said:
        return f"it does not go on: exit code {ended.code}: {ended.said.strip().splitlines()[-1:]}"
    if ended.batches > BATCHES - done * (BATCHES // EPOCHS):
        return f"of {done} finished epochs some were trained again: {ended.batches} batches"
    again = before.batches + ended.batches - BATCHES
    if not 0 <= again <= interval:
        return f"{again} batches were trained again"
    wrong = unlike(directory, whole)
    return f"not the same after going on: {', '.join(wrong)}" if wrong else None


def no_process_left(group: int) -> bool:
    """Whether every process of a run that `start` gave has ended."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    return False


def _main(directory: Path, more: tuple[str, ...]) -> int:
    from ferbench.cli import main

    arguments = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    places = ("--results", str(directory / "results"), "--cache", str(directory / "cache"))
    try:
        main([*RUN, *arguments, *places, *more])
    except SystemExit as end:
        return int(end.code or 0)


@functools.cache
def _schema(builder: Any, given: int, owner: str) -> Any:
    from ferbench.plugin.options import OptionSchema

    return OptionSchema.of(builder, given=given, owner=owner)


@functools.cache
def _digest(roots: tuple[Path, ...]) -> str | None:
    from ferbench.plugin.source import digest_sources

    return digest_sources(roots)


def remember_plugins() -> Callable[[], None]:
    """Read the plugins' signatures and sources once for all runs, which takes half the time of one.

    Returns:
        What undoes it.
    """
    from ferbench.kinds import BY_NAME
    from ferbench.plugin import component

    def schema(self: component.Component) -> Any:
        return _schema(self.builder(), BY_NAME[self.kind].given, self.where)

    before = component.Component.options, component.digest_sources
    component.Component.options = schema  # type: ignore[method-assign]
    component.digest_sources = lambda roots: _digest(tuple(roots))  # type: ignore[assignment]

    def undo() -> None:
        component.Component.options, component.digest_sources = before  # type: ignore[method-assign]

    return undo


def _count_batches(path: Path) -> None:
    """Add a byte to a file whenever a batch begins to be trained."""
    from ferbench.training.step import Stepper

    real, handle = Stepper.step, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def step(self: Any, group: Any) -> Any:
        os.write(handle, b"." * len(group))
        return real(self, group)

    Stepper.step = step  # type: ignore[method-assign]
