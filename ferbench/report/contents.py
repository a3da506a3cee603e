"""What a report is made of: finished and unfinished runs as their directories tell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.plugin.faults import one_line
from ferbench.records.evaluation import EvaluationEntry
from ferbench.runs.directory import Predictions, RunDirectory
from ferbench.runs.folds import partition_id, unfolded_id
from ferbench.runs.lock import is_held
from ferbench.runs.summary import plain_options


@dataclass(frozen=True)
class Scored:
    """One evaluation of a run.

    Attributes:
        id: twelve digits of the evaluation id.
        split: ``test`` or ``validation``.
        dataset: whose samples.
        rows_digest: of the samples.
        n: samples.
        class_names: K names.
        metrics: scalars by name.
        per_class: precision, recall, F1 and support by class name.
        confusion: int64[K, K], rows true, columns predicted; None when the evaluation's file is gone.
        options: how it was tested where that is not the plain way, such as ``{"tta": "flip"}``.
        entry: of ``run.json``.
    """

    id: str
    split: str
    dataset: str
    rows_digest: str
    n: int
    class_names: tuple[str, ...]
    metrics: dict[str, float]
    per_class: dict[str, dict[str, Any]]
    confusion: NDArray[np.int64] | None
    options: dict[str, Any] = field(default_factory=dict)
    entry: dict[str, Any] = field(default_factory=dict)

    @property
    def how(self) -> str:
        """The options in words, ``tta flip``; empty for the plain way."""
        return ", ".join(f"{key} {value}" for key, value in self.options.items())

    @property
    def tested_on(self) -> str:
        """Which samples, so that two tables can be told to speak of the same ones."""
        digest = self.rows_digest.removeprefix("v1:")[:12]
        return f"{self.dataset}, {self.split} samples {digest}, n = {self.n:,}"

    @property
    def later(self) -> bool:
        """Made by ``ferbench evaluate``, after the run's own."""
        return "data" in self.entry

    @property
    def title(self) -> str:
        """Which samples, and how they were looked at."""
        where = f"{self.dataset}, {self.split}" if self.later else self.split
        return f"{where} with {self.how}" if self.how else where


@dataclass(frozen=True)
class RunView:
    """One run, ready to be shown.

    Attributes:
        id: twelve digits of the training id.
        label: tells the run from the others in the report.
        status: as ``run.json`` has it.
        record: ``run.json``.
        history: one record per epoch.
        result: what the run is judged on: its test evaluation, or validation for a fold, the plain one where it was
            evaluated in several ways; None without a result.
        evaluations: all of them, the run's own first and of those validation, the plain ones before others.
        at_work: a process is at work on it.
        settings: component names, options and fields by dotted key, as `ferbench.runs.summary.Summary` has them.
        directory: where it lies.
        unfolded: of a fold: an id that the folds and seeds of its configuration share; else empty.
        partition: of a fold: an id of the samples and of how they were cut into folds; else empty.
    """

    id: str
    label: str
    status: str
    record: dict[str, Any]
    history: list[dict[str, Any]]
    result: Scored | None
    evaluations: tuple[Scored, ...]
    at_work: bool
    settings: dict[str, Any]
    directory: RunDirectory | None = None
    unfolded: str = ""
    partition: str = ""

    def predictions(self, scored: Scored | None) -> Predictions | None:
        """Those of an evaluation; None where there is no evaluation, or its predictions are gone or damaged."""
        if scored is None or self.directory is None:
            return None
        try:
            return self.directory.predictions(scored.id)
        except UserError:
            return None

    @property
    def validation(self) -> Scored | None:
        """The plain evaluation on validation samples; None where the run has none, or is judged on them."""
        own = [one for one in self.evaluations if one.split == "validation" and not one.later]
        return own[0] if own and own[0] != self.result else None

    @property
    def comparable(self) -> tuple[Any, ...] | None:
        """Equal for runs whose results may stand in one table; None without a result."""
        if self.result is None:
            return None
        return (self.record["data"]["synthetic"], self.result.class_names, self.result.rows_digest)


@dataclass(frozen=True)
class Comparison:
    """Runs that were measured on the same samples.

    Attributes:
        runs: at least one, in the order given.
        baseline: one of ``runs`` that the others are compared with, or None.
    """

    runs: tuple[RunView, ...]
    baseline: RunView | None

    @property
    def result(self) -> Scored:
        """The result of the first run, for what all of them share."""
        assert self.runs[0].result is not None
        return self.runs[0].result

    @property
    def synthetic(self) -> bool:
        return bool(self.runs[0].record["data"]["synthetic"])


@dataclass(frozen=True)
class Contents:
    """Everything in a report.

    Attributes:
        runs: in the order given.
        comparisons: groups of comparable runs.
        partitions: runs on several folds of one partition, which stand in no comparison.
        baseline: the run that others are compared with, if one was named.
    """

    runs: tuple[RunView, ...]
    comparisons: tuple[Comparison, ...]
    baseline: RunView | None
    partitions: tuple[tuple[RunView, ...], ...] = ()


def read_runs(directories: Sequence[RunDirectory], baseline: RunDirectory | None = None) -> Contents:
    """Read the runs of a report.

    Args:
        directories: the runs; one named twice counts once.
        baseline: is put first when it is not among them.

    Raises:
        UserError: a record is damaged, or lacks what a record has.
    """
    chosen = {directory.path.name: directory for directory in directories}
    if baseline is not None and baseline.path.name not in chosen:
        chosen = {baseline.path.name: baseline, **chosen}
    views = []
    for directory in chosen.values():
        try:
            views.append(_view(directory, directory.read()))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(
                f"{directory.record_path} lacks what a record has: {error}", "remove that run directory and run again"
            ) from error
    runs = [replace(view, label=label) for view, label in zip(views, labels(views), strict=True)]
    named = None if baseline is None else next(run for run in runs if run.id == baseline.path.name)
    if named is not None and named.result is None:
        raise UserError(f"the baseline {named.label} has no result: it is {named.status}", "name a finished run")
    partitions = _partitions(runs)
    folds = {run.id for several in partitions for run in several}
    others = [run for run in runs if run.id not in folds]
    return Contents(tuple(runs), tuple(_comparisons(others, named)), named, partitions)


def _view(directory: RunDirectory, record: dict[str, Any]) -> RunView:
    """A run that still goes by its own name, as other runs may."""
    data, _ = record["data"], record["recipe"]["training"]["seed"]
    class_names = tuple(data["class_names"])
    evaluations = tuple(
        sorted(
            (
                _scored(directory, short_id, entry, data["dataset"], class_names)
                for short_id, entry in record["evaluations"].items()
            ),
            key=lambda scored: (
                scored.later,
                scored.split != "validation",
                bool(scored.options),
                scored.how,
                scored.id,
            ),
        )
    )
    whole = directory.load()
    judged = "validation" if data["fold"] else "test"
    result = None
    if record["status"] == "done":
        result = next((scored for scored in evaluations if scored.split == judged and not scored.later), None)
    return RunView(
        id=directory.path.name,
        label=one_line(record.get("name") or record["components"]["model"]["name"]),
        status=record["status"],
        record=record,
        history=_history(directory),
        result=result,
        evaluations=evaluations,
        at_work=record["status"] == "running" and is_held(directory),
        settings=whole.settings
        | {f"evaluation.{key}": value for key, value in (result.options if result else {}).items()},
        directory=directory,
        unfolded=unfolded_id(whole) if data["fold"] else "",
        partition=partition_id(whole) if data["fold"] else "",
    )


def _history(directory: RunDirectory) -> list[dict[str, Any]]:
    """The epochs of a run.

    Raises:
        UserError: the file holds something else.
    """
    path = directory.path / "history.jsonl"
    content = path.read_bytes() if path.exists() else b""
    epochs = directory.epochs()
    # A line without an end is one that a crash cut short; we write nothing but ASCII.
    if len(epochs) < (content.count(b"\n") if content.isascii() else len(content.splitlines())):
        raise UserError(
            f"{path} is damaged: line {len(epochs) + 1} is no epoch",
            "remove that file to have a report without learning curves, or run again",
        )
    return [epoch.plain() for epoch in epochs]


def _scored(
    directory: RunDirectory, short_id: str, entry: dict[str, Any], dataset: str, class_names: tuple[str, ...]
) -> Scored:
    stored = directory.evaluation(short_id) or {}
    confusion = stored.get("confusion")
    names = tuple(stored.get("class_names", class_names))
    matrix = None
    if confusion is not None:
        matrix = np.asarray(confusion, dtype=np.int64)
        if matrix.shape != (len(names), len(names)):
            raise ValueError(f"evaluation {short_id} has a confusion matrix of shape {matrix.shape}")
    return Scored(
        id=short_id,
        split=entry["split"],
        dataset=stored.get("dataset", dataset),
        rows_digest=entry["rows_digest"],
        n=entry["n"],
        class_names=names,
        metrics=entry["metrics"],
        per_class=entry["per_class"],
        confusion=matrix,
        options=plain_options(EvaluationEntry.model_validate(entry)),
        entry=entry,
    )


def labels(runs: Sequence[RunView]) -> list[str]:
    """Labels that tell the runs apart: their own, then what they differ in, seed and fold, and at last the id."""
    parts = [[run.label] for run in runs]
    for kind in ("loss", "sampler", "augmentation", "optimizer"):
        _extend(parts, [one_line(run.record["components"][kind]["name"]) for run in runs])
    _extend(parts, [f"seed {run.record['recipe']['training']['seed']}" for run in runs])
    _extend(parts, [f"fold {run.record['data']['fold']}" for run in runs])
    _extend(parts, [run.id[:6] for run in runs])
    return [" · ".join(one) for one in parts]


def _extend(parts: list[list[str]], values: list[str]) -> None:
    """Add a value where it helps to tell runs apart that look the same so far."""
    so_far = [tuple(one) for one in parts]
    shared = {key for key, count in Counter(so_far).items() if count > 1}
    for key in shared:
        places = [i for i, one in enumerate(so_far) if one == key]
        if len({values[i] for i in places}) > 1:
            for i in places:
                parts[i].append(values[i])


def _partitions(runs: Sequence[RunView]) -> tuple[tuple[RunView, ...], ...]:
    """Those runs that were measured on more than one fold of a partition, if each fold is the same samples for all."""
    found: dict[tuple[str, bool], list[RunView]] = {}
    for run in runs:
        if run.result is not None and run.record["data"]["fold"]:
            found.setdefault((run.partition, run.record["data"]["synthetic"]), []).append(run)
    return tuple(
        tuple(several)
        for several in found.values()
        if len(folds := {run.record["data"]["fold"] for run in several}) > 1
        and len({(run.record["data"]["fold"], run.comparable) for run in several}) == len(folds)
    )


def _comparisons(runs: Sequence[RunView], baseline: RunView | None) -> Iterable[Comparison]:
    groups: dict[tuple[Any, ...], list[RunView]] = {}
    for run in runs:
        if run.comparable is not None:
            groups.setdefault(run.comparable, []).append(run)
    for members in groups.values():
        yield Comparison(tuple(members), baseline if baseline in members else None)
