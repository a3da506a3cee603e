"""The tests of all folds of a configuration and seed as one result: a run of its own, with predictions for all samples.

Each fold is a run like others that was tested on its fold. When all of them are done, their predictions are joined:
each sample is there once, as the run predicted it that never saw its person. No network predicts that way, so a pooled
run has no weights; it has what every result has, and stands in leaderboards, comparisons and reports like any other.
"""

from __future__ import annotations

import datetime
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.ids import canonical_json, digest, short
from ferbench.metrics.measures import measure
from ferbench.metrics.scoring import scores_record
from ferbench.plugin.registry import Registry
from ferbench.records.evaluation import (
    EvaluatedMember,
    Evaluation,
    EvaluationEntry,
    OverFolds,
    Overlap,
    Seen,
    StoredPixels,
    evaluation_id,
)
from ferbench.records.lineage import Lineage, Parent, Pooled, PooledFold
from ferbench.records.run import Data, Identity, Run, Stopped, Training
from ferbench.runs.covered import has_evaluation, uncover
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.index import summaries
from ferbench.runs.lock import only_writer
from ferbench.runs.partitions import FOLD_MARK, partition_id, place_of, unfolded_id
from ferbench.runs.pixels import STORED
from ferbench.runs.plugin_metrics import add_shared
from ferbench.runs.predictions import Predictions

#: Of these the spread over folds is recorded.
SPREAD_OF = ("accuracy", "macro_f1", "balanced_accuracy")


@dataclass(frozen=True)
class Fold:
    """A finished run that was tested on a fold.

    Attributes:
        directory: of the run.
        record: its ``run.json``.
    """

    directory: RunDirectory
    record: Run

    @property
    def run(self) -> str:
        return self.directory.path.name

    @property
    def ways(self) -> dict[str, str]:
        """Its tests: twelve digits of the evaluation id by what was done at test time."""
        return {
            canonical_json(entry.covered_options).decode(): name
            for name, entry in self.record.own_evaluations("test").items()
            if entry.rows_digest == self.record.data.test_digest and STORED not in entry.options
        }


def every_fold(results: Path, record: Run) -> list[Fold]:
    """The finished runs of all folds that a run is one of, in their order; empty where some are missing.

    Args:
        results: the results directory.
        record: of a run that is tested on a fold.
    """
    key = unfolded_id(record), partition_id(record), record.seed
    found: dict[int, str] = {}
    for summary in summaries(results):
        if summary.status == "done" and (summary.unfolded, summary.partition, summary.seed) == key:
            found.setdefault(place_of(summary.data.fold or "")[0], summary.run)
    assert record.data.test_fold is not None
    of = place_of(record.data.test_fold.fold)[1]
    if set(found) != set(range(1, of + 1)):
        return []
    directories = [RunDirectory(run_path(results, found[place])) for place in range(1, of + 1)]
    return [Fold(directory, directory.load()) for directory in directories]


def pooled_directory(results: Path, folds: Sequence[Fold]) -> RunDirectory:
    """Where the run lies that all folds are together."""
    return RunDirectory(run_path(results, short(pooled_id([fold.record.identity.training_id for fold in folds]))))


def pooled_id(training_ids: Sequence[str]) -> str:
    """The training id of a pooled run, from those of its folds in their order."""
    return digest({"kind": "pooled", "folds": list(training_ids)})


def pool(
    results: Path, folds: Sequence[Fold], registry: Callable[[], Registry] | None = None
) -> tuple[RunDirectory, bool] | None:
    """Join the tests of all folds, unless that is done already.

    Args:
        results: the results directory.
        folds: as `every_fold` gives them.
        registry: loads the plugins, for metrics of theirs that all folds have; None: there are none.

    Returns:
        The directory of the pooled run, and whether everything was there; None where no two folds were tested alike.

    Raises:
        UserError: predictions cannot be read, or another process writes the same run.
    """
    first = folds[0].record
    ways = [fold.ways for fold in folds]
    shared = [way for way in ways[0] if all(way in of_fold for of_fold in ways)]
    if not shared:
        return None
    directory = pooled_directory(results, folds)
    with only_writer(directory):
        record = directory.load() if directory.exists() else None
        named = _name(first.name)
        made = _record(folds, {} if record is None else record.evaluations, named)
        entries, reused = [], record is not None
        for way in shared:
            names = [of_fold[way] for of_fold in ways]
            identifier = _evaluation_id(folds, names)
            name = short(identifier)
            if record is not None and has_evaluation(directory, record, name):
                continue
            reused = False
            evaluation, predictions = _evaluation(folds, names, identifier, registry)
            made.evaluations[name] = directory.save_evaluation(evaluation, predictions, of=made)
            entries.append(name)
        if record is not None and not entries and record.name == named:
            return directory, True
        if record is not None:
            made.files, made.started = record.files, record.started
            for name in entries:
                uncover(made, name)
        directory.save(made)
    return directory, reused


def joined(folds: Sequence[Fold], names: Sequence[str]) -> Predictions:
    """The predictions of all folds, by id.

    Args:
        folds: all of them.
        names: twelve digits of the evaluation id of each.

    Raises:
        UserError: some cannot be read.
    """
    several = [fold.directory.predictions(name) for fold, name in zip(folds, names, strict=True)]
    order = np.argsort(np.concatenate([given.ids for given in several]), kind="stable")

    def all_of(arrays: Sequence[Any]) -> Any:
        return None if any(array is None for array in arrays) else np.concatenate(arrays)[order]

    columns = dict.fromkeys(name for given in several for name in given.columns)
    return Predictions(
        ids=all_of([given.ids for given in several]),
        truth=all_of([given.truth for given in several]),
        probabilities=all_of([given.probabilities for given in several]),
        affect_truth=all_of([given.affect_truth for given in several]),
        affect=all_of([given.affect for given in several]),
        columns={
            name: all_of([given.columns.get(name, np.full(len(given.ids), "")) for given in several])
            for name in columns
        },
        votes=all_of([given.votes for given in several]),
        cast_votes=all_of([given.cast_votes for given in several]),
        vote_names=several[0].vote_names,
    )


def spread_line(entry: EvaluationEntry) -> str:
    """How a result spreads over its folds, in words: ``over folds: accuracy 0.8123 ± 0.0456 (0.7–0.9), …``."""
    several = [
        f"{measure(key).label} {of.mean:.4f} ± {of.deviation:.4f} ({of.low:.4f}–{of.high:.4f})"
        for key, of in (entry.over_folds or {}).items()
    ]
    return f"over folds, mean ± standard deviation (lowest–highest): {', '.join(several)}" if several else ""


def expected(record: Run, folds: Sequence[Fold]) -> Run:
    """The record that a pooled run of these folds gives; time apart.

    Args:
        record: says which evaluations there are.
        folds: in its order.
    """
    return _record(folds, record.evaluations, record.name)


def _evaluation_id(folds: Sequence[Fold], names: Sequence[str]) -> str:
    entries = [fold.record.evaluations[name] for fold, name in zip(folds, names, strict=True)]
    training = pooled_id([fold.record.identity.training_id for fold in folds])
    stored = _stored(entries)
    covered = entries[0].covered_options
    return evaluation_id(training, partition_id(folds[0].record), covered, None if stored is None else stored.digest)


def _stored(entries: Sequence[EvaluationEntry]) -> StoredPixels | None:
    """The pixels that were read, with the digests of all folds as one."""
    digests = [None if entry.stored is None else entry.stored.digest for entry in entries]
    known = next((entry.stored for entry in entries if entry.stored is not None), None)
    return None if known is None else known.model_copy(update={"digest": digest(digests)})


def _evaluation(
    folds: Sequence[Fold], names: Sequence[str], identifier: str, registry: Callable[[], Registry] | None
) -> tuple[Evaluation, Predictions]:
    first, predictions = folds[0].record, joined(folds, names)
    entries = [fold.record.evaluations[name] for fold, name in zip(folds, names, strict=True)]
    about: dict[str, Any] = scores_record(
        predictions.truth,
        predictions.probabilities,
        tuple(first.data.class_names),
        affect_truth=predictions.affect_truth,
        affect=predictions.affect,
    )
    if (seen := _seen(entries)) is not None:
        about["seen"] = seen
    if why := next(filter(None, (entry.contaminated for entry in entries)), None):
        about["contaminated"] = why
    if (used := entries[0].postprocessing) is not None:  # what was fitted, each fold has fitted on its own
        about["postprocessing"] = used.model_copy(update={"state": None, "fitted": None})
    evaluation = Evaluation(
        evaluation_id=identifier,
        training_id=pooled_id([fold.record.identity.training_id for fold in folds]),
        split="test",
        rows_digest=partition_id(first),
        dataset=first.data.dataset,
        synthetic=first.data.synthetic,
        protocol=first.data.protocol,
        options=entries[0].options,
        stored=_stored(entries),
        parents=[EvaluatedMember(run=fold.run, evaluation=name) for fold, name in zip(folds, names, strict=True)],
        over_folds=_over_folds(entries),
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **about,
    )
    add_shared(entries, evaluation, predictions, registry)
    return evaluation, predictions


def _over_folds(entries: Sequence[EvaluationEntry]) -> dict[str, OverFolds]:
    """How metrics spread over the folds, each of which was scored alone."""
    spreads = {}
    for key in SPREAD_OF:
        values = [value for entry in entries if (value := entry.metrics.get(key)) is not None]
        if len(values) == len(entries):
            spreads[key] = OverFolds(
                mean=statistics.fmean(values), deviation=statistics.stdev(values), low=min(values), high=max(values)
            )
    return spreads


def _seen(entries: Sequence[EvaluationEntry]) -> Seen | None:
    """What weights had seen before of their own folds, all together; None where none says."""
    several = [entry.seen for entry in entries if entry.seen is not None]
    if not several:
        return None
    told = [seen.contaminated for seen in several]
    parts: dict[str, Overlap] = {}
    for split in ("train", "validation"):
        overlaps = [part for seen in several if (part := getattr(seen, split)) is not None]
        if overlaps:
            parts[split] = Overlap(same=sum(o.same for o in overlaps), copies=sum(o.copies for o in overlaps))
    return Seen(contaminated=True if True in told else None if None in told else False, **parts)


def _name(of_a_fold: str | None) -> str | None:
    """What all folds together are called, one of which is called so."""
    return None if of_a_fold is None else re.sub(rf"{FOLD_MARK}\d+$", "", of_a_fold)


def _record(folds: Sequence[Fold], entries: Mapping[str, EvaluationEntry], name: str | None) -> Run:
    records = [fold.record for fold in folds]
    first, about = records[0], records[0].data.test_fold
    assert about is not None
    trainings = [record.training for record in records if record.training is not None]
    seconds = [training.seconds for training in trainings if training.seconds is not None]
    members = [
        PooledFold(
            fold=record.data.place or "",
            run=fold.run,
            name=record.name,
            training_id=record.identity.training_id,
            config_id=record.identity.config_id,
        )
        for fold, record in zip(folds, records, strict=True)
    ]
    sizes = [sum(record.data.counts.get("test", {}).values()) for record in records]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    recipe = first.recipe.model_copy(update={"name": name, "data": {**first.recipe.data, "test_fold": None}})
    return Run(
        kind="pooled",
        name=name,
        status="done",
        started=min((record.started for record in records if record.started), default=now),
        finished=now,
        identity=Identity(
            training_id=pooled_id([member.training_id for member in members]),
            config_id=unfolded_id(first),
            covers={"folds": [member.plain() for member in members]},
        ),
        recipe=recipe,
        components=first.components,
        plugins=first.plugins,
        data=_data(records),
        environment=first.environment,
        lineage=Lineage(
            parents=[
                Parent(run=member.run, name=member.name, weight=round(size / max(about.n, 1), 6))
                for member, size in zip(members, sizes, strict=True)
            ]
        ),
        pooled=Pooled(by=about.by, groups=about.groups, folds=members),
        model=first.model,
        training=Training(
            epochs=max((training.epochs for training in trainings), default=0),
            stopped=Stopped(reason="pooled"),
            best_epoch=round(statistics.fmean(training.best_epoch for training in trainings)) if trainings else 0,
            select=trainings[0].select if trainings else None,
            seconds=round(sum(seconds), 3) if len(seconds) == len(records) else None,
        ),
        evaluations=dict(entries),
    )


def _data(records: Sequence[Run]) -> Data:
    """What all folds were tested on; of what they learnt from, as much as the one that learnt from most."""
    first = records[0].data

    def counts(data: Data, split: str) -> dict[str, int]:
        return data.counts.get(split, {})

    most = max(records, key=lambda record: sum(counts(record.data, "train").values())).data
    tested = {name: sum(counts(record.data, "test").get(name, 0) for record in records) for name in first.class_names}
    return first.model_copy(
        update={
            "counts": {"train": counts(most, "train"), "validation": counts(most, "validation"), "test": tested},
            "test_fold": None,
            "train_digest": None,
            "validation_digest": None,
            "test_digest": partition_id(records[0]),
            "label_noise": most.label_noise,
        }
    )
