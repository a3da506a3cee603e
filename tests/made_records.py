"""Records as ``ferbench run`` writes them, made up for tests that list runs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ferbench.records.run import Run
from ferbench.records.upgrades import upgraded
from ferbench.runs.directory import run_path
from ferbench.storage import replace_json


def made_record(
    run: str = "0",
    *,
    config: str = "c",
    seed: int = 0,
    model: str = "cnn",
    test: str = "v1:t1",
    metrics: dict[str, float | None] | None = None,
    f1: dict[str, float] | None = None,
    status: str = "done",
    synthetic: bool = False,
    fold: str | None = None,
    protocol: str = "official",
    name: str | None = None,
    n: int = 7,
    data: dict[str, Any] | None = None,
    **options: dict[str, Any],
) -> dict[str, Any]:
    """A record.

    Args:
        run: begins the training id.
        config: begins the configuration id.
        seed: of training.
        model: name of the model.
        test: digest of the evaluated samples.
        metrics: of the test set.
        f1: by class; their names are the classes.
        status: of the run.
        synthetic: the images are generated.
        fold: "i/k"; it has a configuration id of its own, and shares what ``config`` begins with others.
        protocol: of the split.
        name: as ``--name`` gives it.
        n: evaluated samples.
        data: fields of ``[data]``.
        options: of components, by section.
    """
    f1 = f1 or {"happy": 0.5, "sad": 0.25}
    sections = ("dataset", "model", "loss", "sampler", "augmentation", "optimizer", "schedule")
    components = {s: {"name": f"some-{s}", "options": options.get(s, {})} for s in sections}
    components["model"]["name"] = model
    record: dict[str, Any] = {
        "name": name,
        "status": status,
        "identity": {"training_id": f"v1:{run:0<64}", "config_id": f"v1:{config:0<64}"},
        "recipe": {
            "data": {"path": None, "fold": fold, "train_limit": None, **(data or {})},
            "training": {"epochs": 5, "seed": seed, "select": "macro_f1", "deterministic": True},
        },
        "components": components,
        "data": {
            "dataset": "faces",
            "synthetic": synthetic,
            "protocol": protocol,
            "fold": fold,
            "class_names": list(f1),
            "counts": {"train": {"happy": 3, "sad": 4}},
        },
        "evaluations": {},
    }
    if fold:
        rows = {"train": f"all but {test}", "validation": test}
        covers = {"model": config, "rows": rows, "training": {"epochs": 5, "seed": seed}}
        record["identity"] |= {"covers": covers, "config_id": f"v1:{config + fold[0]:0<64}"}
        record["data"] |= {"pack": "v1:p"}
    if status != "done":
        return {**record, "error": {"message": "it broke\nbadly"}}
    per_class = {key: {"precision": 1.0, "recall": 0.75, "f1": value, "support": 4} for key, value in f1.items()}
    measured = {"n": n, "metrics": metrics or {"macro_f1": 0.5}, "per_class": per_class}
    record["evaluations"]["e2"] = {"split": "validation" if fold else "test", "rows_digest": test, **measured}
    if not fold:
        record["evaluations"]["e1"] = {"split": "validation", "rows_digest": "v1:v", **measured}
    record["training"] = {"epochs": 5, "best_epoch": seed + 1, "seconds": 60.0}
    record["model"] = {"parameters": 1234}
    return record


def typed(record: dict[str, Any]) -> Run:
    """A record that `made_record` made, as it is read."""
    return Run.model_validate(upgraded({"schema": 1, **record}))


def write_runs(results: Path, *records: dict[str, Any], aged: bool = False) -> None:
    """Write records under the first digits of their training ids.

    Args:
        results: the results directory.
        records: what to write.
        aged: as if they had been written long ago, as far as a file's times can be set.
    """
    for record in records:
        path = run_path(results, record["identity"]["training_id"][3:15])
        replace_json(path / "run.json", {"schema": 1, **record})
        if aged:
            then = time.time() - 3600
            os.utime(path / "run.json", (then, then))
