"""What ``run.json`` says when a run starts and when it fails."""

from __future__ import annotations

import datetime
import traceback
from typing import Any

import torch

from ferbench.experiment.plan import Plan
from ferbench.plugin.culprit import named
from ferbench.runs.directory import RunDirectory, Status
from ferbench.training import runtime
from ferbench.training.epoch import Diverged
from ferbench.training.stopping import Pruned


def first_record(plan: Plan, device: torch.device, devices: int = 1) -> dict[str, Any]:
    """The record of a run that starts: all that is known before its first epoch."""
    recipe, split, pack = plan.resolved.recipe, plan.split, plan.pack
    return {
        "name": recipe.name,
        "status": "running",
        "started": now(),
        "finished": None,
        "identity": {
            "training_id": plan.training_id,
            "config_id": plan.config_id,
            "covers": plan.identity,
        },
        "recipe": recipe.model_dump(mode="json", by_alias=True),
        "components": {section: used.plain() for section, used in plan.resolved.describe().items()},
        "plugins": [plugin.plain() for plugin in plan.resolved.loaded()],
        "data": {
            "dataset": pack.dataset,
            "synthetic": plan.dataset_spec.synthetic,
            "protocol": split.protocol,
            "fold": recipe.data.fold,
            "class_names": list(split.class_names),
            "has_affect": plan.task.has_affect,
            "counts": {
                "train": split.counts(split.train),
                "validation": split.counts(split.validation),
                "test": split.counts(split.test),
            },
            "pack": pack.digest,
            **({} if pack.form is None else pack.form.record()),
            "train_digest": split.train_digest,
            "validation_digest": split.validation_digest,
            "test_digest": split.test_digest,
            "skipped_faulty": pack.skipped,
            "excluded": dict(split.excluded),
            "faults": [str(fault) for fault in pack.faults[:100]],
            "notes": dict(pack.notes),
        },
        "environment": runtime.environment(device, devices),
        "lineage": {"parents": [] if plan.start is None else [plan.start.to_record()]},
        "evaluations": {},
    }


def write_failure(directory: RunDirectory, record: dict[str, Any], error: BaseException) -> None:
    """Put into the record how a run ended too early, and write it."""
    status: Status = "failed"
    if isinstance(error, Diverged):
        status = "diverged"
    elif isinstance(error, Pruned):
        status = "pruned"
    elif isinstance(error, KeyboardInterrupt):
        status = "interrupted"
    record["status"] = status
    record["finished"] = now()
    record["error"] = {
        "type": type(error).__name__,
        "message": named(error) or str(error),
        "traceback": "".join(traceback.format_exception(error)) if status == "failed" else None,
    }
    directory.write(record)


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
