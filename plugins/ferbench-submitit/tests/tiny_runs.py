"""Runs of a moment, for jobs."""

from __future__ import annotations

from pathlib import Path

from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory

TINY = {
    "model.name": "linear",
    "dataset.size": "16",
    "dataset.train": "40",
    "dataset.test": "14",
    "data.image_size": "8",
    "training.epochs": "1",
    "training.batch_size": "16",
}
SETS = tuple(part for key, value in TINY.items() for part in ("--set", f"{key}={value}"))


def records(folder: Path) -> list[Run]:
    """Of all runs below a folder's results."""
    return [RunDirectory(path.parent).load() for path in sorted(folder.glob("results/runs/*/run.json"))]
