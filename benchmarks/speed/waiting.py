"""What it costs that threads wait for each other: GNU OpenMP's default against the command line's GOMP_SPINCOUNT.

    python benchmarks/speed/waiting.py [--rounds 5] [--steps 10] [--threads 2] [--busy 0 2]

Times training steps of basic-cnn and resnet9 in bf16 on a fixed batch of 64 images, in a process of its own for each
side and round, in turns; beside as many busy processes as --busy says, one after the other. Prints milliseconds a step
and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from ferbench.cli import SPINS

SIDES = {"default": {}, "ferbench": {"GOMP_SPINCOUNT": SPINS}}
MODELS = ("basic-cnn", "resnet9")
BATCH = 64


def steps(threads: int, count: int) -> dict[str, float]:
    """Milliseconds of a step, by model."""
    import torch
    from torch import nn

    from ferbench.plugin.discovery import load_registry
    from ferbench.task import Task
    from ferbench.training import runtime
    from ferbench.training.precision import Precision
    from ferbench.training.step import Stepper

    device = torch.device("cpu")
    runtime.prepare(device, threads, deterministic=True)
    registry = load_registry()
    task = Task(tuple("abcdefg"), 1, 48, 48, (100,) * 7)
    images = torch.rand(BATCH, 1, 48, 48).contiguous(memory_format=torch.channels_last)
    loss: Any = registry.find("loss", "cross-entropy").builder()(task)
    found = {}
    for name in MODELS:
        model: nn.Module = registry.find("model", name).builder()(task).to(memory_format=torch.channels_last)
        optimizer = registry.find("optimizer", "adamw").builder()(list(model.parameters()))
        stepper = Stepper(model.train(), loss, optimizer, device, Precision("bf16", device))
        batch = (images, _targets())
        for _ in range(2):
            stepper.step([batch])
        start = time.perf_counter()
        for _ in range(count):
            stepper.step([batch])
        found[name] = 1000 * (time.perf_counter() - start) / count
    return found


def _targets() -> Any:
    import torch

    from ferbench.data.targets import Targets

    return Targets(labels=torch.arange(BATCH) % 7)


def side(name: str, threads: int, count: int) -> dict[str, float]:
    """`steps` in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, __file__, "--threads", str(threads), "--steps", str(count), "--child"]
    done = subprocess.run(command, env=environment | SIDES[name], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that want a core for themselves."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()


def main() -> None:
    """Print a table for every count of busy processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(steps(asked.threads, asked.steps)))
        return
    for count in asked.busy:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
        with busy(count):
            for number in range(asked.rounds):
                for name in list(SIDES)[:: 1 if number % 2 == 0 else -1]:
                    found[name].append(side(name, asked.threads, asked.steps))
        print(f"{asked.threads} threads beside {count} busy processes, {asked.rounds} rounds")
        for model in MODELS:
            times = {name: [one[model] for one in rounds] for name, rounds in found.items()}
            for name, values in times.items():
                middle = statistics.median(values)
                print(f"  {model:<10} {name:<9} {middle:8.0f} ms a step ({min(values):.0f} to {max(values):.0f})")
            medians = {name: statistics.median(values) for name, values in times.items()}
            print(f"  {model:<10} default / ferbench {medians['default'] / medians['ferbench']:.2f}")


if __name__ == "__main__":
    main()
