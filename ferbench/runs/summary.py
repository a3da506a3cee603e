"""What a list of runs needs of each run: a small part of its ``run.json``, checked, so that whoever lists runs need
not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ferbench.runs.folds import config_id, partition_id, unfolded_id
from ferbench.runs.remarks import absent_classes

#: Rises when a summary says something else for the same record: an index of older summaries is then not read.
SUMMARY_VERSION = 8

#: Stands for components that only other software knows.
ELSEWHERE = "elsewhere"

#: The kind of predictions that other software made.
IMPORTED = "imported"


@dataclass(slots=True)
class Scores:
    """One evaluation of a run.

    Attributes:
        rows: digest of the samples.
        n: how many.
        values: metrics by name, and ``precision:CLASS``, ``recall:CLASS`` and ``f1:CLASS``; what was no number is
            not there.
        options: how it was evaluated where that is not the plain way, such as ``{"tta": "flip"}``; ``seen`` is
            ``unknown`` where it is not known whether the run had seen the samples before.
        data: ``dataset``, ``protocol``, ``synthetic`` and ``class_names`` of an evaluation on other data than the
            run's own test set; empty for that.
        contaminated: why it says nothing: the run had seen some of the samples before. Empty where it had not.
        evaluation: twelve digits of its id, under which the predictions lie.
        absent: classes that none of the samples is of.
    """

    rows: str
    n: int
    values: dict[str, float]
    options: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    contaminated: str = ""
    evaluation: str = ""
    absent: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Summary:
    """A run in short. Everything after ``reason`` may be empty for a run without a result.

    Attributes:
        run: name of the run's directory.
        status: as in ``run.json``, or ``damaged``.
        name: as ``--name`` gave it.
        reason: why there is no result, in one line.
        training: training id.
        config: configuration id.
        seed: of training.
        data: ``dataset``, ``protocol``, ``fold``, ``synthetic``, ``class_names``, and ``train``, the number of training
            samples.
        settings: component names by section (``model``), their options and the fields of ``[data]`` and ``[training]``
            by dotted key (``model.width``, ``data.fold``).
        epochs: trained.
        best_epoch: whose weights were evaluated.
        parameters: of the model, running statistics included.
        flops: of one image's forward pass.
        seconds: of training.
        speed: images per second in training.
        select: the metric of validation that chose the epoch; empty where nothing was chosen.
        skipped: faulty samples of the dataset that were left out.
        elsewhere: it was trained by other software; its predictions were imported.
        parents: runs that it continues or is made of: names of their directories.
        unfolded: of a fold: an id that it shares with the other folds and seeds of its configuration; else empty.
        partition: of a fold: the id of the samples and of how they were cut into folds; else empty.
        scores: on the test set, or for a fold on its validation samples; then those of ``ferbench evaluate``.
    """

    run: str
    status: str
    name: str | None = None
    reason: str = ""
    training: str = ""
    config: str = ""
    seed: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    best_epoch: int | None = None
    parameters: int | None = None
    flops: int | None = None
    seconds: float | None = None
    speed: float | None = None
    select: str = ""
    skipped: int = 0
    elsewhere: bool = False
    parents: list[str] = field(default_factory=list)
    unfolded: str = ""
    partition: str = ""
    scores: list[Scores] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Where its predictions come from: ``measured`` here, or ``imported``, made by other software."""
        return IMPORTED if self.elsewhere else "measured"


def damaged(run: str, reason: str) -> Summary:
    """The summary of a run whose record cannot be used."""
    return Summary(run, "damaged", reason=reason)


def summarise(run: str, record: Mapping[str, Any]) -> Summary:
    """The summary of a record; ``damaged`` when the record lacks what a record has."""
    try:
        return _summarise(run, record)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        return damaged(run, f"run.json lacks what a record has: {what}")


def _summarise(run: str, record: Mapping[str, Any]) -> Summary:
    status, name, data = str(record["status"]), record.get("name"), record["data"]
    summary = Summary(
        run,
        status,
        name=None if name is None else str(name),
        training=str(record["identity"]["training_id"]),
        config=config_id(record),
        seed=int(record["recipe"]["training"]["seed"]),
        data={
            "dataset": str(data["dataset"]),
            "protocol": str(data["protocol"]),
            "fold": None if data["fold"] is None else str(data["fold"]),
            "synthetic": bool(data["synthetic"]),
            "class_names": [str(one) for one in data["class_names"]],
            "train": sum(int(n) for n in data["counts"]["train"].values()),
        },
        settings=settings_of(record),
        skipped=int(data.get("skipped_faulty") or 0),
        elsewhere="imported" in record,
        parents=parents_of(record),
    )
    if summary.data["fold"]:
        summary.unfolded, summary.partition = unfolded_id(record), partition_id(record)
    if status != "done":
        lines = str((record.get("error") or {}).get("message", "")).splitlines()
        summary.reason = lines[0] if lines else ""
        return summary
    if not summary.elsewhere:
        _training(summary, record["training"], record["model"])
    split = "validation" if summary.data["fold"] else "test"
    evaluations = list(record["evaluations"].items())
    own = [(key, one) for key, one in evaluations if one["split"] == split and "data" not in one]
    later = [(key, one) for key, one in evaluations if "data" in one and _is_a_test(one)]
    summary.scores = [_scores(key, one) for key, one in (*own, *later)]
    if not summary.scores:
        summary.reason = f"it was not evaluated on {split}"
    return summary


def _training(summary: Summary, training: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """What ferbench knows of a training of its own."""
    summary.epochs, summary.best_epoch = int(training["epochs"]), int(training["best_epoch"])
    summary.parameters = int(model["parameters"])
    summary.flops = None if model.get("flops") is None else int(model["flops"])
    summary.seconds = None if training.get("seconds") is None else float(training["seconds"])
    summary.speed = None if training.get("images_per_second") is None else float(training["images_per_second"])
    summary.select = str(training.get("select") or "") if summary.epochs else ""


def parents_of(record: Mapping[str, Any]) -> list[str]:
    """The runs that a record says it continues or is made of."""
    return [str(one["run"]) for one in record.get("lineage", {}).get("parents", []) if "run" in one]


def excluded_line(data: Mapping[str, Any]) -> str:
    """What a list of excluded samples took out of a run's data, in words; empty where it took none."""
    found = {role: int(n) for role, n in (data.get("excluded") or {}).items() if n}
    several = ", ".join(f"{n:,} of {role}" for role, n in found.items())
    return f"{sum(found.values()):,} samples were left out ({several})" if found else ""


def _is_a_test(evaluation: Mapping[str, Any]) -> bool:
    """What a run is tested on with its own training or validation samples is no test that failed to be clean."""
    return evaluation["split"] in ("test", "all") or not evaluation["seen"]["contaminated"]


def settings_of(record: Mapping[str, Any], tested: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`Summary.settings` of a record, and ``evaluation.OPTION`` for each of ``tested``."""
    settings: dict[str, Any] = {}
    for section, component in record["components"].items():
        if isinstance(component, dict):  # trackers are a list and change nothing
            settings[section] = str(component["name"])
            for option, value in component["options"].items():
                settings[f"{section}.{option}"] = value
    for section in ("data", "training"):
        for key, value in record["recipe"][section].items():
            settings[f"{section}.{key}"] = value
    settings.pop("training.seed", None)
    for parent in record.get("lineage", {}).get("parents", []):
        if "at" in parent:  # whose weights it started from, at which point
            settings["training.from"] = f"{parent.get('name') or parent['run']}@{parent['at']}"
    return {**settings, **{f"evaluation.{key}": value for key, value in (tested or {}).items()}}


def plain_options(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an evaluation in which it differs from the plain way."""
    return {key: value for key, value in evaluation.get("options", {}).items() if value not in (None, "none")}


def _scores(key: str, evaluation: Mapping[str, Any]) -> Scores:
    found = dict(evaluation["metrics"])
    scored = (evaluation.get("data") or {}).get("class_names", evaluation["per_class"])
    for class_name, scores in evaluation["per_class"].items():
        if class_name not in scored:  # the test set does not know it
            continue
        for which in ("precision", "recall", "f1"):
            found[f"{which}:{class_name}"] = scores[which]
    values = {}
    for name, value in found.items():
        if value is not None and math.isfinite(number := float(value)):
            values[name] = number
    options = plain_options(evaluation)
    scores = Scores(str(evaluation["rows_digest"]), int(evaluation["n"]), values, options, evaluation=key)
    scores.contaminated = str(evaluation.get("contaminated") or "")
    scores.absent = absent_classes(evaluation)
    own, seen = evaluation.get("data"), evaluation.get("seen")
    if own is not None:
        scores.data = {
            "dataset": str(own["dataset"]),
            "protocol": str(own["protocol"]),
            "synthetic": bool(own["synthetic"]),
            "class_names": [str(one) for one in own["class_names"]],
        }
    if seen is None:
        return scores
    if seen["contaminated"] is None:
        options["seen"] = "unknown"
    elif seen["contaminated"]:
        counts = " and ".join(f"{int(seen[split]['copies']):,} in {split}" for split in ("train", "validation"))
        where = "its own test set" if own is None else f"{own['dataset']} ({own['protocol']})"
        scores.contaminated = f"on {where} it had seen samples before: {counts}"
    return scores
