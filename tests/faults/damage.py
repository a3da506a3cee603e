"""Checkpoint files of an interrupted run, flipped, cut, or made up and sealed, and the same command again."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disk import KILLED, Disk
from small_run import BATCHES, EPOCHS, Whole, fresh, nothing, run, run_directory, unlike

from ferbench.runs.sealed import seal
from ferbench.storage import json_bytes

#: Every snapshot of the run is there to be damaged.
KEEP = ("--set", "training.keep=all")


@dataclass(frozen=True)
class Interrupted:
    """A run that ended early.

    Attributes:
        directory: where it is.
        snapshots: names, oldest first.
    """

    directory: Path
    snapshots: tuple[str, ...]


def interrupted(directory: Path, whole: Whole) -> Interrupted:
    """A run that was killed in its last epoch, after a snapshot."""
    fresh(directory, whole.directory)
    every = run(fresh(directory, whole.directory), nothing, *KEEP)
    assert every.code == 0, every.said
    count = len(_snapshots(directory))
    fresh(directory, whole.directory)
    log = directory / "snapshots.txt"

    def noted() -> None:
        disk = Disk([directory / "results"])
        disk.install()
        watched = os.replace

        def replace(source: Any, target: Any) -> None:
            if re.search(r"step-[^/]*\.json$", os.fspath(target)):
                with log.open("a") as file:
                    file.write(f"{disk.count + 1}\n")
            watched(source, target)

        os.replace = replace  # type: ignore[assignment]

    run(directory, noted, *KEEP)
    ready = [int(line) for line in log.read_text().splitlines()]
    fresh(directory, whole.directory)
    ended = run(directory, lambda: Disk([directory / "results"], at=ready[-2] + 2).install(), *KEEP)
    assert ended.code == KILLED, ended.said
    snapshots = _snapshots(directory)
    assert len(snapshots) == count - 1
    return Interrupted(directory, snapshots)


def trial(directory: Path, of: Interrupted, whole: Whole, draw: random.Random) -> tuple[int, str | None]:
    """Damage some files: the newest snapshots one after the other, or the best weights.

    Returns:
        How many files were damaged, and what is not as it should be afterwards; None when all is.
    """
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(of.directory, directory, symlinks=True)
    newest = draw.choice((0, 1, 1, 2, 3))
    damaged = [f"{name}{draw.choice(('.json', '.safetensors'))}" for name in of.snapshots[::-1][:newest]]
    if not damaged:
        damaged = [f"best{draw.choice(('.json', '.safetensors'))}"]
    for name in damaged:
        path = run_directory(directory) / "checkpoints" / name
        path.write_bytes(_damaged(path, draw))
    ended = run(directory, nothing, *KEEP)
    if ended.code != 0 or "Traceback" in ended.said:
        return len(damaged), f"{damaged}: exit code {ended.code}: {ended.said.strip().splitlines()[-1:]}"
    warnings = [line for line in ended.said.splitlines() if line.startswith("warning: ")]
    for name in damaged:
        if not any(Path(name).stem in line for line in warnings):
            return len(damaged), f"{damaged}: no warning names {name}"
    if newest:
        used = of.snapshots[::-1][newest]
        at = int(used.removeprefix("step-")[:8])
        if "resumed at" not in ended.said:
            return len(damaged), f"{damaged}: it does not go on from {used}"
        if ended.batches != BATCHES - at:
            return len(damaged), f"{damaged}: {ended.batches} batches were trained, not those after {used}"
    wrong = unlike(directory, whole)
    return len(damaged), f"{damaged}: not the same: {', '.join(wrong)}" if wrong else None


#: What no run of `EPOCHS` epochs says of where it is.
_MADE_UP = (("epoch", EPOCHS + 2), ("epoch", -1), ("epoch", "x"), ("step", 10**6), ("batches", 99), ("batches", None))


def _damaged(path: Path, draw: random.Random) -> bytes:
    """What a file holds with one bit flipped, cut short, or of a snapshot with another place and sealed again."""
    content, kind = path.read_bytes(), draw.randrange(3)
    if kind == 2 and path.suffix == ".json" and path.stem != "best":
        about = json.loads(content)
        key, value = draw.choice(_MADE_UP)
        pairs = dict(about["state"]["position"]["dict"]) | {key: value}
        about["state"]["position"]["dict"] = [list(pair) for pair in pairs.items()]
        return json_bytes(seal({**about, key: value}))
    place = draw.randrange(len(content))
    if kind == 1:
        return content[:place]
    flipped = bytearray(content)
    flipped[place] ^= 1 << draw.randrange(8)
    return bytes(flipped)


def _snapshots(directory: Path) -> tuple[str, ...]:
    found = {path.stem for path in (run_directory(directory) / "checkpoints").glob("step-*.json")}
    return tuple(sorted(found, key=lambda name: (name.removesuffix("-end"), name)))
