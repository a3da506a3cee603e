"""Several finished runs as one: the weighted mean of their probabilities, kept as a run of its own."""

from __future__ import annotations

import datetime
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.errors import UserError
from ferbench.experiment.fingerprint import evaluation_id
from ferbench.ids import digest, short
from ferbench.kinds import SECTIONS
from ferbench.metrics.scoring import scores_record
from ferbench.runs.directory import Predictions, RunDirectory, run_path
from ferbench.runs.lock import only_writer
from ferbench.runs.members import Member, aligned, shared_splits

#: Stands for what the members have unlike values of.
VARIOUS = "various"


@dataclass(frozen=True)
class Ensemble:
    """Members and their weights.

    Attributes:
        members: at least two, by training id, so that the order in which they were named means nothing.
        weights: of each, with sum 1.
    """

    members: tuple[Member, ...]
    weights: tuple[float, ...]

    @property
    def training_id(self) -> str:
        """Covers the members' training ids and the weights."""
        ids = [one.record["identity"]["training_id"] for one in self.members]
        return digest({"kind": "ensemble", "members": list(map(list, zip(ids, self.weights, strict=True)))})

    @property
    def config_id(self) -> str:
        """Covers the members' configuration ids and the weights: the same with other seeds is another seed of it."""
        ids = [one.record["identity"]["config_id"] for one in self.members]
        pairs = sorted(map(list, zip(ids, self.weights, strict=True)))
        return digest({"kind": "ensemble configuration", "members": pairs})

    def directory(self, results: Path) -> RunDirectory:
        return RunDirectory(run_path(results, short(self.training_id)))


def gather(members: Sequence[Member], weights: Sequence[float] | None = None) -> Ensemble:
    """An ensemble of runs.

    Args:
        members: in the order of ``weights``.
        weights: positive; only their proportions count. None: all alike.

    Raises:
        UserError: fewer than two runs, one named twice, or weights that do not fit.
    """
    if len(members) < 2:
        raise UserError("an ensemble needs at least two runs", "name more runs: ferbench ensemble RUN RUN")
    ids = [member.record["identity"]["training_id"] for member in members]
    twice = [member.label for place, member in enumerate(members) if ids[place] in ids[:place]]
    if twice:
        raise UserError(f"run {twice[0]} is named twice", "name each run once; --weights can make one count more")
    given = list(weights) if weights is not None else [1.0] * len(members)
    if len(given) != len(members):
        raise UserError(f"there are {len(members)} runs but {len(given)} weights", "give one weight for each run")
    if not all(math.isfinite(weight) and weight > 0 for weight in given):
        raise UserError("weights must be positive numbers", "leave out a run that is not to count")
    total = math.fsum(given)
    pairs = sorted(zip(members, given, strict=True), key=lambda pair: pair[0].record["identity"]["training_id"])
    return Ensemble(tuple(one for one, _ in pairs), tuple(weight / total for _, weight in pairs))


def average(predictions: Sequence[Predictions], weights: Sequence[float]) -> Predictions:
    """The weighted mean of aligned predictions; of valence and arousal too where all have them."""
    first = predictions[0]
    mean = np.average([one.probabilities for one in predictions], axis=0, weights=weights)
    affects = [one.affect for one in predictions if one.affect is not None]
    affect = None
    if len(affects) == len(predictions):
        affect = np.average(affects, axis=0, weights=weights).astype(np.float32)
    return Predictions(first.ids, first.truth, mean.astype(np.float32), first.affect_truth, affect, first.columns)


def make(ensemble: Ensemble, results: Path, name: str | None = None) -> tuple[RunDirectory, bool]:
    """Average, score and write an ensemble, unless it is there already.

    Returns:
        Its run directory, and whether it was there.

    Raises:
        UserError: the members' predictions do not belong together, or another process writes the same ensemble.
    """
    splits = shared_splits(ensemble.members)
    directory = ensemble.directory(results)
    with only_writer(directory):
        record = directory.read() if directory.exists() else None
        wanted = {split: _evaluation_id(ensemble, split) for split in splits}
        if record is not None and all(
            short(one) in record["evaluations"] and directory.evaluation(short(one)) is not None
            for one in wanted.values()
        ):
            if name is not None and record.get("name") != name:
                directory.write({**record, "name": name})
            return directory, True
        evaluations = {}
        for split in splits:
            class_names, predictions = aligned(ensemble.members, split)
            evaluations[split] = (class_names, average(predictions, ensemble.weights))
        entries = {}
        for split, (class_names, averaged) in evaluations.items():
            identifier = wanted[split]
            entries[short(identifier)] = _write(ensemble, directory, split, identifier, class_names, averaged)
        directory.write(_record(ensemble, entries, name))
    return directory, False


def _evaluation_id(ensemble: Ensemble, split: str) -> str:
    entry = _entry(ensemble.members[0], split)
    return evaluation_id(ensemble.training_id, entry["rows_digest"], entry["options"])


def _entry(member: Member, split: str) -> dict[str, Any]:
    return member.record["evaluations"][member.evaluations[split]]


def _write(
    ensemble: Ensemble,
    directory: RunDirectory,
    split: str,
    identifier: str,
    class_names: tuple[str, ...],
    predictions: Predictions,
) -> dict[str, Any]:
    """Write one evaluation; its entry in ``run.json`` comes back."""
    entry, data = _entry(ensemble.members[0], split), ensemble.members[0].record["data"]
    metrics = {
        "evaluation_id": identifier,
        "training_id": ensemble.training_id,
        "split": split,
        "rows_digest": entry["rows_digest"],
        "dataset": data["dataset"],
        "synthetic": data["synthetic"],
        "protocol": data["protocol"],
        "options": entry["options"],
        "parents": [{"run": one.run, "evaluation": one.evaluations[split]} for one in ensemble.members],
        **_seen(ensemble, split),
        **scores_record(
            predictions.truth,
            predictions.probabilities,
            class_names,
            affect_truth=predictions.affect_truth,
            affect=predictions.affect,
        ),
    }
    directory.write_evaluation(short(identifier), metrics, predictions)
    written = directory.evaluation(short(identifier))
    assert written is not None
    kept = ("split", "rows_digest", "options", "n", "metrics", "per_class", "seen")
    return {"id": identifier, **{key: written[key] for key in kept if key in written}}


def _seen(ensemble: Ensemble, split: str) -> dict[str, Any]:
    """What members had seen of the samples before, as of the one that had seen most; nothing where none says."""
    told = [entry["seen"] for entry in (_entry(one, split) for one in ensemble.members) if "seen" in entry]
    if not told:
        return {}
    worst = max(told, key=lambda one: (bool(one["contaminated"]), one["contaminated"] is None, _copies(one)))
    return {"seen": worst}


def _copies(seen: dict[str, Any]) -> int:
    return sum((seen[split] or {}).get("copies", 0) for split in ("train", "validation"))


def _record(ensemble: Ensemble, entries: dict[str, Any], name: str | None) -> dict[str, Any]:
    records = [one.record for one in ensemble.members]
    first = records[0]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    members = [
        {
            "run": one.run,
            "name": one.record.get("name"),
            "training_id": one.record["identity"]["training_id"],
            "evaluations": dict(one.evaluations),
            "weight": weight,
        }
        for one, weight in zip(ensemble.members, ensemble.weights, strict=True)
    ]
    recipe = {key: _shared([record["recipe"].get(key) for record in records]) for key in SECTIONS}
    for section in ("data", "training", "evaluation"):
        fields = [record["recipe"].get(section, {}) for record in records]
        recipe[section] = {key: _shared([one.get(key) for one in fields]) for key in fields[0]}
    recipe["training"]["seed"] = min(record["recipe"]["training"]["seed"] for record in records)
    largest = max(records, key=lambda record: sum(record["data"]["counts"]["train"].values()))
    return {
        "name": name,
        "status": "done",
        "started": now,
        "finished": now,
        "identity": {
            "training_id": ensemble.training_id,
            "config_id": ensemble.config_id,
            "covers": {"members": members},
        },
        "recipe": {"name": name, **recipe, "trackers": []},
        "components": _components(ensemble),
        "ensemble": {"members": members},
        "data": {
            **first["data"],
            "dataset": ", ".join(sorted({record["data"]["dataset"] for record in records})),
            "synthetic": any(record["data"]["synthetic"] for record in records),
            "counts": {**first["data"]["counts"], "train": largest["data"]["counts"]["train"]},
        },
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "device": "cpu",
            "packages": {one: version(one) for one in ("ferbench", "numpy")},
        },
        "lineage": {
            "parents": [{"run": one["run"], "weight": round(one["weight"], 6), **one["evaluations"]} for one in members]
        },
        "model": {key: _sum(records, key) for key in ("parameters", "trainable", "frozen", "statistics", "flops")},
        "training": {
            "epochs": 0,
            "stopped": {"reason": "ensemble", "epoch": 0},
            "best_epoch": 0,
            "select": first["training"]["select"],
            "best_value": None,
            "seconds": round(math.fsum(record["training"]["seconds"] or 0.0 for record in records), 3),
            "images_per_second": None,
            "micro_batch": None,
        },
        "evaluations": entries,
    }


def _components(ensemble: Ensemble) -> dict[str, Any]:
    """What the members share; of a section that they do not, the names joined."""
    found: dict[str, Any] = {}
    for section in SECTIONS:
        theirs = [one.record["components"][section] for one in ensemble.members]
        same = all(one == theirs[0] for one in theirs)
        names = " + ".join(sorted({one["name"] for one in theirs}))
        found[section] = theirs[0] if same else _component(names, {})
    models = [one.record["components"]["model"]["name"] for one in ensemble.members]
    found["model"] = _component("ensemble", {"members": models, "weights": [round(one, 6) for one in ensemble.weights]})
    return found


def _component(name: str, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "distribution": "ferbench",
        "version": version("ferbench"),
        "source": None,
        "options": options,
    }


def _shared(values: Sequence[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else VARIOUS


def _sum(records: Sequence[Any], key: str) -> int | None:
    values = [record["model"].get(key) for record in records]
    return None if any(value is None for value in values) else sum(values)
