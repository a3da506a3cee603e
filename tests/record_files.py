"""The files of a run directory as the JSON that they are, for tests that look into them or change them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ferbench.records.evaluation import Evaluation
from ferbench.records.own import with_own
from ferbench.runs.directory import RunDirectory
from ferbench.runs.predictions import Predictions
from ferbench.storage import replace_file


def read_record(run: RunDirectory) -> dict[str, Any]:
    """``run.json``."""
    return json.loads(run.record_path.read_bytes())


def write_record(run: RunDirectory, record: Mapping[str, Any]) -> None:
    """Replace ``run.json`` as somebody would who knows of its own digest."""
    replace_file(run.record_path, with_own(record))


def read_history(run: RunDirectory) -> list[dict[str, Any]]:
    """``history.jsonl``."""
    return [json.loads(line) for line in (run.path / "history.jsonl").read_bytes().splitlines()]


def read_metrics(run: RunDirectory, short_id: str) -> dict[str, Any]:
    """``metrics.json`` of an evaluation, without digests."""
    about = json.loads((run.evaluation_path(short_id) / "metrics.json").read_bytes())
    return {key: value for key, value in about.items() if key not in ("predictions_sha256", "own")}


def write_metrics(run: RunDirectory, about: Mapping[str, Any], predictions: Predictions) -> None:
    """Replace an evaluation: ``metrics.json`` and ``predictions.npz``, with the digests of what is written."""
    run.save_evaluation(Evaluation.model_validate(dict(about)), predictions)
