"""Faults at chosen places of a small run, each run in a forked process.

    python tests/faults/injection.py            every place: counts how many faults there were, and what came of them
    python tests/faults/injection.py --every 9  every ninth

A place is one call that changes the disk: a write, a sync, a rename or a removal. A fault is the end of the process at
that call (half of what a write was to write is then on disk), or an error that the call reports: no room, no
permission. After each, the same command goes on without faults; the weights, history (times apart) and predictions
must be, to the bit, those of a run without faults.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RUN = ("run", "--model", "linear", "--loss", "focal", "--sampler", "adaptive", "--no-report", "--name", "faulty")
SETTINGS = {
    "dataset.train": "60",
    "dataset.test": "20",
    "dataset.size": "16",
    "data.image_size": "16",
    "training.epochs": "3",
    "training.batch_size": "8",
    "training.ema": "0.9",
    "runtime.checkpoint_every": "2",
    "runtime.threads": "1",
}
FAULTS = ("exit", "ENOSPC", "EACCES")
_KILLED = 77


class _Places:
    """Counts the calls that change the disk, and has a fault at one of them."""

    def __init__(self, at: int, fault: str) -> None:
        self.count = 0
        self._at = at
        self._fault = fault

    def reached(self, before_the_end: Callable[[], None] = lambda: None) -> None:
        self.count += 1
        if self.count != self._at:
            return
        if self._fault == "exit":
            before_the_end()
            os._exit(_KILLED)
        number = getattr(errno, self._fault)
        raise OSError(number, os.strerror(number))


class _Watched:
    """A file whose writes are places."""

    def __init__(self, file: Any, places: _Places) -> None:
        self._file = file
        self._places = places

    def write(self, content: Any) -> int:
        def half() -> None:
            self._file.write(content[: len(content) // 2])
            self._file.flush()

        self._places.reached(half)
        return self._file.write(content)

    def __enter__(self) -> _Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _install(places: _Places, results: Path) -> None:
    """Watch what happens below the results directory, and nowhere else."""
    real = {name: getattr(os, name) for name in ("replace", "unlink")}
    real_open, real_fsync = pathlib.Path.open, os.fsync

    def below(path: Any) -> bool:
        return str(path).startswith(str(results))

    def watch(name: str) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **named: Any) -> Any:
            if below(path):
                places.reached()
            return real[name](path, *rest, **named)

        return call

    def fsync(handle: int) -> None:
        if below(Path(f"/proc/self/fd/{handle}").readlink()):
            places.reached()
        real_fsync(handle)

    def opened(self: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        file = real_open(self, mode, *rest, **named)
        return _Watched(file, places) if below(self) and set(mode) & set("wax") else file

    for name in real:
        setattr(os, name, watch(name))
    os.fsync, pathlib.Path.open = fsync, opened  # type: ignore[assignment]


def run(directory: Path, at: int = 0, fault: str = "exit") -> tuple[int, str, int]:
    """The run in a forked process, with a fault at place ``at``: exit code, what it said, places that it passed."""
    said, counted = directory / "said.txt", directory / "places.txt"
    child = os.fork()
    if child == 0:
        code = 70
        try:
            sys.stdout = sys.stderr = said.open("w", buffering=1)
            places = _Places(at, fault)
            _install(places, directory / "results")
            from ferbench.cli import main

            arguments = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
            try:
                main([*RUN, *arguments, "--results", str(directory / "results"), "--cache", str(directory / "cache")])
            except SystemExit as end:
                code = int(end.code or 0)
            counted.write_text(str(places.count))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text(), int(counted.read_text()) if counted.exists() else 0


def outcome(directory: Path) -> dict[str, Any]:
    """What a finished run left that must not depend on faults."""
    (path,) = directory.glob("results/runs/*/run.json")
    history = [json.loads(line) for line in (path.parent / "history.jsonl").read_text().splitlines()]
    for epoch in history:
        del epoch["seconds"], epoch["images_per_second"]
    predictions = []
    for file in sorted(path.parent.glob("evaluations/*/predictions.npz")):
        with np.load(file, allow_pickle=False) as arrays:
            predictions.append({name: arrays[name].tobytes() for name in sorted(arrays)})
    return {
        "status": json.loads(path.read_text())["status"],
        "weights": (path.parent / "checkpoints" / "best.safetensors").read_bytes(),
        "history": history,
        "predictions": predictions,
    }


def prepare(directory: Path) -> tuple[dict[str, Any], int]:
    """A run without faults: what it left, and how many places it passed. Its cache serves the others."""
    import ferbench.training.run  # noqa: F401 - imported once, before the forks

    code, said, places = run(directory)
    assert code == 0, said
    return outcome(directory), places


def trial(directory: Path, cache: Path, at: int, fault: str, expected: dict[str, Any]) -> str | None:
    """One fault and what came of it; None when all is as it should be, else what is not."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / "cache").symlink_to(cache)
    code, said, _ = run(directory, at, fault)
    if fault == "exit" and code != _KILLED:
        return f"the process went on to exit code {code}"
    if fault != "exit" and code == 0:
        return None if outcome(directory) == expected else "it said that all is well, and it is not"
    if "Traceback" in said:
        return f"a traceback: {said.splitlines()[-1]}"
    if fault != "exit" and (code != 2 or "error: " not in said):
        return f"exit code {code} without a clear error: {said.strip().splitlines()[-1:]}"
    code, said, _ = run(directory)
    if code != 0 or "Traceback" in said:
        return f"it does not go on: exit code {code}: {said.strip().splitlines()[-1:]}"
    got = outcome(directory)
    unlike = [key for key in expected if got[key] != expected[key]]
    return f"not the same after going on: {', '.join(unlike)}" if unlike else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every so many places")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "whole").mkdir()
        expected, places = prepare(base / "whole")
        bad: Counter[str] = Counter()
        for fault in FAULTS:
            for at in range(1, places + 1, options.every):
                wrong = trial(base / "trial", base / "whole" / "cache", at, fault, expected)
                if wrong:
                    bad[fault] += 1
                    print(f"{fault} at {at}: {wrong}", flush=True)
            tried = len(range(1, places + 1, options.every))
            print(f"{fault}: {tried} faults at {places} places, {tried - bad[fault]} as they should be", flush=True)
    print(f"{time.perf_counter() - started:.0f} s")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
