"""Several finished runs as one: the weighted mean of their probabilities, kept as a run of its own."""

from __future__ import annotations

import datetime
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ferbench.errors import UserError
from ferbench.ids import digest, short
from ferbench.kinds import NONE, OF_RUNS, REQUIRED, SECTIONS
from ferbench.metrics.scoring import scores_record
from ferbench.plugin.registry import Registry
from ferbench.records.environment import Environment
from ferbench.records.evaluation import EvaluatedMember, Evaluation, EvaluationEntry, Seen, evaluation_id
from ferbench.records.lineage import Ensemble as EnsembleRecord
from ferbench.records.lineage import Lineage, Parent
from ferbench.records.lineage import Member as MemberRecord
from ferbench.records.run import (
    VARIOUS,
    AskedRecipe,
    Component,
    Identity,
    ModelSize,
    Run,
    Stopped,
    Training,
)
from ferbench.runs.covered import has_evaluation
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import only_writer
from ferbench.runs.members import Member, aligned_members, shared_splits
from ferbench.runs.plugin_metrics import add_shared
from ferbench.runs.predictions import Predictions

#: What the members' models have together; of their losses an ensemble has nothing.
_OF_MODELS = [key for key in ModelSize.model_fields if key != "loss_parameters"]


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
        ids = [member.record.identity.training_id for member in self.members]
        return digest({"kind": "ensemble", "members": list(map(list, zip(ids, self.weights, strict=True)))})

    @property
    def config_id(self) -> str:
        """Covers the members' configuration ids and the weights: the same with other seeds is another seed of it."""
        ids = [member.record.identity.config_id for member in self.members]
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
    ids = [member.record.identity.training_id for member in members]
    twice = [member.label for place, member in enumerate(members) if ids[place] in ids[:place]]
    if twice:
        raise UserError(f"run {twice[0]} is named twice", "name each run once; --weights can make one count more")
    given = list(weights) if weights is not None else [1.0] * len(members)
    if len(given) != len(members):
        raise UserError(f"there are {len(members)} runs but {len(given)} weights", "give one weight for each run")
    if not all(math.isfinite(weight) and weight > 0 for weight in given):
        raise UserError("weights must be positive numbers", "leave out a run that is not to count")
    total = math.fsum(given)
    pairs = sorted(zip(members, given, strict=True), key=lambda pair: pair[0].record.identity.training_id)
    return Ensemble(tuple(member for member, _ in pairs), tuple(weight / total for _, weight in pairs))


def average(predictions: Sequence[Predictions], weights: Sequence[float]) -> Predictions:
    """The weighted mean of aligned predictions; of valence and arousal too where all have them."""
    first = predictions[0]
    mean = np.average([given.probabilities for given in predictions], axis=0, weights=weights)
    affects = [given.affect for given in predictions if given.affect is not None]
    affect = None
    if len(affects) == len(predictions):
        affect = np.average(affects, axis=0, weights=weights).astype(np.float32)
    probabilities = mean.astype(np.float32)
    return replace(first, probabilities=probabilities, affect=affect)


def make(
    ensemble: Ensemble, results: Path, name: str | None = None, registry: Callable[[], Registry] | None = None
) -> tuple[RunDirectory, bool]:
    """Average, score and write an ensemble, unless it is there already.

    Args:
        ensemble: of which runs.
        results: the results directory.
        name: of the ensemble.
        registry: loads the plugins, for metrics of theirs that all members have; None: there are none.

    Returns:
        Its run directory, and whether it was there.

    Raises:
        UserError: the members' predictions do not belong together, or another process writes the same ensemble.
    """
    splits = shared_splits(ensemble.members)
    directory = ensemble.directory(results)
    with only_writer(directory):
        record = directory.load() if directory.exists() else None
        wanted = {split: _evaluation_id(ensemble, split) for split in splits}
        if record is not None and all(
            has_evaluation(directory, record, short(identifier)) for identifier in wanted.values()
        ):
            if name is not None and record.name != name:
                record.name = name
                directory.save(record)
            return directory, True
        evaluations = {}
        for split in splits:
            class_names, predictions = aligned_members(ensemble.members, split)
            averaged = average(predictions, ensemble.weights)
            evaluation = _evaluation(ensemble, split, wanted[split], class_names, averaged)
            add_shared([member.entry(split) for member in ensemble.members], evaluation, averaged, registry)
            evaluations[split] = (evaluation, averaged)
        made = _record(ensemble, {}, name)
        for split, (evaluation, averaged) in evaluations.items():
            made.evaluations[short(wanted[split])] = directory.save_evaluation(evaluation, averaged, of=made)
        directory.save(made)
    return directory, False


def expected(record: Run, members: Sequence[Member]) -> Run:
    """The record that an ensemble of these members gives; time and machine apart.

    Args:
        record: says how much each of them counts.
        members: in its order.
    """
    assert record.ensemble is not None
    weights = tuple(member.weight for member in record.ensemble.members)
    return _record(Ensemble(tuple(members), weights), record.evaluations, record.name)


def _evaluation_id(ensemble: Ensemble, split: str) -> str:
    entry = ensemble.members[0].entry(split)
    return evaluation_id(ensemble.training_id, entry.rows_digest, entry.options)


def _evaluation(
    ensemble: Ensemble, split: str, identifier: str, class_names: tuple[str, ...], predictions: Predictions
) -> Evaluation:
    entry, data = ensemble.members[0].entry(split), ensemble.members[0].record.data
    about: dict[str, Any] = scores_record(
        predictions.truth,
        predictions.probabilities,
        class_names,
        affect_truth=predictions.affect_truth,
        affect=predictions.affect,
    )
    if (seen := _seen(ensemble, split)) is not None:
        about["seen"] = seen
    spoilt = [member.entry(split).contaminated for member in ensemble.members]
    if why := next(filter(None, spoilt), None):
        about["contaminated"] = why
    return Evaluation(
        evaluation_id=identifier,
        training_id=ensemble.training_id,
        split=split,
        rows_digest=entry.rows_digest,
        dataset=data.dataset,
        synthetic=data.synthetic,
        protocol=data.protocol,
        options=entry.options,
        parents=[EvaluatedMember(run=member.run, evaluation=member.evaluations[split]) for member in ensemble.members],
        **about,
    )


def _seen(ensemble: Ensemble, split: str) -> Seen | None:
    """What members had seen of the samples before, as of the one that had seen most; None where none says."""
    several = [seen for member in ensemble.members if (seen := member.entry(split).seen) is not None]
    return max(
        several,
        key=lambda seen: (bool(seen.contaminated), seen.contaminated is None, seen.copies),
        default=None,
    )


def _record(ensemble: Ensemble, entries: dict[str, EvaluationEntry], name: str | None) -> Run:
    records = [member.record for member in ensemble.members]
    first = records[0]
    train_counts = [record.data.counts.get("train", {}) for record in records]
    sizes = [ModelSize() if record.model is None else record.model for record in records]
    seconds = [0.0 if record.training is None else record.training.seconds or 0.0 for record in records]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    members = [
        MemberRecord(
            run=member.run,
            name=member.record.name,
            training_id=member.record.identity.training_id,
            evaluations=dict(member.evaluations),
            weight=weight,
        )
        for member, weight in zip(ensemble.members, ensemble.weights, strict=True)
    ]
    return Run(
        kind="ensemble",
        name=name,
        status="done",
        started=now,
        finished=now,
        identity=Identity(
            training_id=ensemble.training_id,
            config_id=ensemble.config_id,
            covers={"members": [member.plain() for member in members]},
        ),
        recipe=_recipe(records, name),
        components=_components(ensemble),
        ensemble=EnsembleRecord(members=members),
        data=first.data.model_copy(
            update={
                "dataset": ", ".join(sorted({record.data.dataset for record in records})),
                "synthetic": any(record.data.synthetic for record in records),
                "counts": {**first.data.counts, "train": max(train_counts, key=lambda counts: sum(counts.values()))},
            }
        ),
        environment=Environment(
            python=platform.python_version(),
            platform=platform.platform(),
            device="cpu",
            packages={distribution: version(distribution) for distribution in ("ferbench", "numpy")},
        ),
        lineage=Lineage(
            parents=[
                Parent.model_validate({"run": member.run, "weight": round(member.weight, 6), **member.evaluations})
                for member in members
            ]
        ),
        model=ModelSize(**{key: _sum([getattr(size, key) for size in sizes]) for key in _OF_MODELS}),
        training=Training(
            epochs=0,
            stopped=Stopped(reason="ensemble", epoch=0),
            best_epoch=0,
            select=None if first.training is None else first.training.select,
            best_value=None,
            seconds=round(math.fsum(seconds), 3),
            images_per_second=None,
            micro_batch=None,
        ),
        evaluations=entries,
    )


def _recipe(records: Sequence[Run], name: str | None) -> AskedRecipe:
    """What the members were all asked for; `VARIOUS` for what differs."""
    first = records[0].recipe
    sections = {key: _shared([getattr(record.recipe, key) for record in records]) for key in SECTIONS}
    sections = {key: chosen for key, chosen in sections.items() if chosen is not None or key in REQUIRED}
    fields: dict[str, dict[str, Any]] = {}
    for section in ("data", "training", "evaluation"):
        several = [getattr(record.recipe, section) for record in records]
        fields[section] = {key: _shared([asked.get(key) for asked in several]) for key in getattr(first, section)}
    fields["training"]["seed"] = min(record.seed for record in records)
    return AskedRecipe.model_validate({"name": name, **sections, "trackers": [], **fields})


#: Of a section that may be left out, and is.
_NONE = Component(name=NONE)


def _components(ensemble: Ensemble) -> dict[str, Component]:
    """What the members share; of a section that they do not, the names joined."""
    components = {}
    for section in OF_RUNS:
        theirs = [member.record.components.get(section, _NONE) for member in ensemble.members]
        if section not in REQUIRED and all(component == _NONE for component in theirs):
            continue
        same = all(component == theirs[0] for component in theirs)
        names = " + ".join(sorted({component.name for component in theirs}))
        components[section] = theirs[0] if same else _component(names, {})
    models = [member.record.components["model"].name for member in ensemble.members]
    weights = [round(weight, 6) for weight in ensemble.weights]
    components["model"] = _component("ensemble", {"members": models, "weights": weights})
    return components


def _component(name: str, options: dict[str, Any]) -> Component:
    return Component(name=name, distribution="ferbench", version=version("ferbench"), source=None, options=options)


def _shared(values: Sequence[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else VARIOUS


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
