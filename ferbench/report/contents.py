"""What a report is made of: finished and unfinished runs as their directories tell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferbench.bounded import read_file
from ferbench.errors import UserError
from ferbench.experiment import differences
from ferbench.experiment.differences import of_run
from ferbench.ids import short
from ferbench.ranking.planned import EXPLORATORY, PLANNED, status
from ferbench.ranking.read_counts import lines as lines_of_reads
from ferbench.records.epoch import Epoch
from ferbench.records.evaluation import ClassScores, EvaluationEntry
from ferbench.records.ledger import read_ledger
from ferbench.records.preregistration import plan_of
from ferbench.records.run import Run
from ferbench.runs.corrections import Correction, read_corrections
from ferbench.runs.directory import RunDirectory
from ferbench.runs.index import summaries
from ferbench.runs.lock import is_held
from ferbench.runs.partitions import partition_id, unfolded_id
from ferbench.runs.predictions import Predictions
from ferbench.runs.reads import results_of, with_found
from ferbench.runs.summary import plain_options
from ferbench.wording import one_line


@dataclass(frozen=True)
class Scored:
    """One evaluation of a run.

    Attributes:
        id: twelve digits of the evaluation id.
        entry: as ``run.json`` has it.
        dataset: whose samples.
        class_names: K names.
        confusion: int64[K, K], rows true, columns predicted; None when the evaluation's file is gone.
        options: how it was tested where that is not the plain way, such as ``{"tta": "flip"}``.
    """

    id: str
    entry: EvaluationEntry
    dataset: str
    class_names: tuple[str, ...]
    confusion: NDArray[np.int64] | None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def split(self) -> str:
        """``test``, ``validation``, or another of `EvaluationEntry`."""
        return self.entry.split

    @property
    def n(self) -> int:
        """Samples."""
        return self.entry.n

    @property
    def metrics(self) -> dict[str, float | None]:
        """Scalars by name."""
        return self.entry.metrics

    @property
    def per_class(self) -> dict[str, ClassScores]:
        """Precision, recall, F1 and support by class name."""
        return self.entry.per_class

    def f1(self, name: str) -> float:
        """F1 of a class."""
        return self.per_class[name].f1 or 0.0

    @property
    def how(self) -> str:
        """The options in words, ``tta flip``; empty for the plain way."""
        return ", ".join(f"{key} {value}" for key, value in self.options.items())

    @property
    def tested_on(self) -> str:
        """Which samples, so that a reader sees whether two tables are about the same ones."""
        return f"{self.dataset}, {self.split} samples {short(self.entry.rows_digest)}, n = {self.n:,}"

    @property
    def later(self) -> bool:
        """Made by ``ferbench evaluate``, after the run's own."""
        return self.entry.data is not None

    @property
    def title(self) -> str:
        """Which samples, and how they were looked at."""
        where = f"{self.dataset}, {self.split}" if self.later else self.split
        return f"{where} with {self.how}" if self.how else where


@dataclass(frozen=True)
class RunView:
    """One run, ready to be shown.

    Attributes:
        label: tells the run from the others in the report.
        record: ``run.json``.
        history: the epochs.
        result: what the run is judged on: its test evaluation, or validation for a fold that is not tested, the plain
            one where it was evaluated in several ways; None without a result.
        evaluations: all of them, the run's own first and of those validation, the plain ones before others.
        at_work: a process is at work on it.
        settings: component names, options and fields by key (`ferbench.experiment.differences`).
        directory: where it lies.
        unfolded: of a fold: an id that the folds and seeds of its configuration share; else empty.
        partition: of a fold: an id of the samples and of how they were cut into folds; else empty.
        corrections: labels that the loss has corrected.
        planned: ``planned`` or ``exploratory``, where a plan names its test set; else empty.
        test_reads: how often its test set was read, in words; empty where it has none.
    """

    label: str
    record: Run
    history: list[Epoch]
    result: Scored | None
    evaluations: tuple[Scored, ...]
    at_work: bool
    settings: dict[str, Any]
    directory: RunDirectory
    unfolded: str = ""
    partition: str = ""
    corrections: Sequence[Correction] = ()
    planned: str = ""
    test_reads: str = ""

    @property
    def id(self) -> str:
        """Twelve digits of the training id."""
        return self.directory.path.name

    @property
    def scored(self) -> Scored:
        """The result of a run that has one."""
        assert self.result is not None
        return self.result

    @property
    def tested_digest(self) -> str:
        """Of the samples of its result."""
        return "" if self.result is None else self.result.entry.rows_digest

    @property
    def status(self) -> str:
        """As ``run.json`` has it."""
        return self.record.status

    @property
    def failure(self) -> str:
        """Why it has no result, in a line; empty where nothing is said."""
        message = "" if self.record.error is None else self.record.error.message
        return one_line(next(iter(message.splitlines()), ""))

    @property
    def kept(self) -> str | None:
        """``12/20``: the epoch whose weights were kept, of those that were trained; None where nothing was."""
        training = self.record.training
        return None if training is None or training.fitted else f"{training.best_epoch}/{training.epochs}"

    def predictions(self, scored: Scored | None) -> Predictions | None:
        """Those of an evaluation; None where there is no evaluation, or its predictions are gone or damaged."""
        if scored is None:
            return None
        try:
            return self.directory.predictions(scored.id)
        except UserError:
            return None

    def curve(self, split: Literal["train", "validation"], metric: str) -> list[float | None]:
        """A metric of one split by epoch; None where an epoch has none."""
        return [getattr(epoch, split).metrics.get(metric) for epoch in self.history]

    @property
    def validation(self) -> Scored | None:
        """The plain evaluation on validation samples; None where the run has none, or is judged on them."""
        own = next((e for e in self.evaluations if e.split == "validation" and not e.later), None)
        return own if own != self.result else None

    @property
    def comparable(self) -> tuple[Any, ...] | None:
        """Equal for runs whose results may stand in one table; None without a result."""
        if self.result is None:
            return None
        return (self.record.data.synthetic, self.result.class_names, self.result.entry.rows_digest)


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
        return self.runs[0].scored

    @property
    def synthetic(self) -> bool:
        return self.runs[0].record.data.synthetic


@dataclass(frozen=True)
class Contents:
    """Everything in a report.

    Attributes:
        runs: in the order given.
        comparisons: groups of comparable runs.
        partitions: runs on several folds of one partition, which stand in no comparison.
        baseline: the run that others are compared with, if one was named.
        damaged: runs that were left out, by id, each with what is wrong with it.
        plan: what is to be said of the plan that results are held against, a line each.
    """

    runs: tuple[RunView, ...]
    comparisons: tuple[Comparison, ...]
    baseline: RunView | None
    partitions: tuple[tuple[RunView, ...], ...] = ()
    damaged: Mapping[str, UserError] = field(default_factory=dict)
    plan: tuple[str, ...] = ()


def read_runs(
    directories: Sequence[RunDirectory], baseline: RunDirectory | None = None, plan: Path | None = None
) -> Contents:
    """Read the runs of a report.

    Args:
        directories: the runs; one named twice counts once. Of several, those that are damaged are left out.
        baseline: is put first when it is not among them.
        plan: that results are held against; None: that of the results directory, where there is one.

    Raises:
        UserError: no run is whole, or the baseline is not; or the plan is none.
    """
    chosen = {directory.path.name: directory for directory in directories}
    if baseline is not None and baseline.path.name not in chosen:
        chosen = {baseline.path.name: baseline, **chosen}
    views, damaged = [], {}
    for id_, directory in chosen.items():
        try:
            views.append(_view(directory))
        except UserError as error:
            damaged[id_] = error
    for id_, fault in damaged.items():
        if not views or (baseline is not None and id_ == baseline.path.name):
            raise fault
    lines, marks = _marks(views, plan)
    places = [results_of(view.directory) for view in views]
    read = {results: lines_of_reads(results) for results in set(places) if results is not None}
    runs = [
        replace(
            view,
            label=label,
            planned=mark,
            test_reads="" if place is None else read[place].get(view.tested_digest, ""),
        )
        for view, place, label, mark in zip(views, places, labels(views), marks, strict=True)
    ]
    named = None if baseline is None else next(run for run in runs if run.id == baseline.path.name)
    if named is not None and named.result is None:
        raise UserError(f"the baseline {named.label} has no result: it is {named.status}", "name a finished run")
    partitions = _partitions(runs)
    folds = {run.id for several in partitions for run in several}
    others = [run for run in runs if run.id not in folds]
    return Contents(tuple(runs), tuple(_comparisons(others, named)), named, partitions, damaged, lines)


def _marks(runs: Sequence[RunView], given: Path | None) -> tuple[tuple[str, ...], list[str]]:
    """What is to be said of the plan that runs are held against, and what each of them is by it."""
    results = next(filter(None, (results_of(run.directory) for run in runs)), None)
    plan = None if results is None and given is None else plan_of(results or Path(), given)
    if plan is None:
        return (), [""] * len(runs)
    there = [] if results is None else summaries(results)
    reads = [] if results is None else with_found(read_ledger(results), there)
    known, counted = status(plan, reads, there)
    sets = set() if known.changed else {run.test_set for run in plan.runs}
    marks = []
    for run in runs:
        is_about = run.result is not None and run.result.split == "test" and run.result.entry.rows_digest in sets
        planned = run.result is not None and run.result.id in counted
        marks.append((PLANNED if planned else EXPLORATORY) if is_about else "")
    return tuple(known.lines()), marks


def _view(directory: RunDirectory) -> RunView:
    """A run that still goes by its own name, as other runs may."""
    record = directory.load()
    data = record.data
    scored = [_scored(directory, short_id, entry, record) for short_id, entry in record.evaluations.items()]
    scored.sort(key=lambda e: (e.later, e.split != "validation", bool(e.options), e.how, e.id))
    judged = "validation" if data.fold else "test"
    result = None
    if record.status == "done":
        result = next((e for e in scored if e.split == judged and not e.later), None)
    return RunView(
        label=one_line(record.name or record.components["model"].name),
        record=record,
        history=_history(directory),
        result=result,
        evaluations=tuple(scored),
        at_work=record.status == "running" and is_held(directory),
        settings=of_run(record, {} if result is None else result.options),
        directory=directory,
        unfolded=unfolded_id(record) if data.place else "",
        partition=partition_id(record) if data.place else "",
        corrections=read_corrections(directory),
    )


def _history(directory: RunDirectory) -> list[Epoch]:
    """The epochs of a run.

    Raises:
        UserError: the file holds something else.
    """
    path = directory.path / "history.jsonl"
    epochs = directory.epochs()
    content = read_file(path) if path.exists() else b""
    # A line without an end is one that a crash cut short; we write nothing but ASCII.
    if len(epochs) < (content.count(b"\n") if content.isascii() else len(content.splitlines())):
        raise UserError(
            f"{path} is damaged: line {len(epochs) + 1} is no epoch",
            "remove that file to have a report without learning curves, or run again",
        )
    return epochs


def _scored(directory: RunDirectory, short_id: str, entry: EvaluationEntry, record: Run) -> Scored:
    stored = directory.load_evaluation(short_id)
    names = tuple(record.data.class_names if stored is None else stored.class_names)
    matrix = None
    if stored is not None and stored.confusion is not None:
        matrix = np.asarray(stored.confusion, dtype=np.int64)
    return Scored(
        id=short_id,
        entry=entry,
        dataset=record.data.dataset if stored is None or stored.dataset is None else stored.dataset,
        class_names=names,
        confusion=matrix,
        options=plain_options(entry),
    )


def labels(runs: Sequence[RunView]) -> list[str]:
    """Labels that tell the runs apart: their own, then what they differ in, and at last the id."""
    named = differences.labels([run.settings for run in runs], [run.label for run in runs])
    return [
        f"{label}, {run.id[:6]}" if named.count(label) > 1 else label for run, label in zip(runs, named, strict=True)
    ]


def _partitions(runs: Sequence[RunView]) -> tuple[tuple[RunView, ...], ...]:
    """Those runs that were measured on more than one fold of a partition, if each fold is the same samples for all."""
    cut: dict[tuple[str, bool], list[RunView]] = {}
    for run in runs:
        if run.result is not None and run.record.data.place:
            cut.setdefault((run.partition, run.record.data.synthetic), []).append(run)
    return tuple(
        tuple(several)
        for several in cut.values()
        if len(folds := {run.record.data.place for run in several}) > 1
        and len({(run.record.data.place, run.comparable) for run in several}) == len(folds)
    )


def _comparisons(runs: Sequence[RunView], baseline: RunView | None) -> Iterable[Comparison]:
    groups: dict[tuple[Any, ...], list[RunView]] = {}
    for run in runs:
        if run.comparable is not None:
            groups.setdefault(run.comparable, []).append(run)
    for members in groups.values():
        yield Comparison(tuple(members), baseline if baseline in members else None)
