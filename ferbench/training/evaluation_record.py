"""An evaluation as it is written down: of a run's own validation and test, or of its finished weights afterwards."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.pack import Pack
from ferbench.data.splits import Rows
from ferbench.data.votes import vote_columns
from ferbench.experiment.recipe import EvaluationSettings
from ferbench.ids import short
from ferbench.metrics.annotators import agreement
from ferbench.metrics.scoring import scores_record
from ferbench.plugin.component import Component
from ferbench.records.evaluation import PROBE, Annotators, Evaluation, Seen, UsedPostprocessing, UsedProbe
from ferbench.records.run import Run
from ferbench.runs.covered import uncover
from ferbench.runs.directory import RunDirectory
from ferbench.runs.pixels import stored_as, told_apart
from ferbench.runs.plugin_metrics import computed, given_to_metrics, needs_votes
from ferbench.runs.predictions import Predictions
from ferbench.training.evaluation import SplitResult


def write_evaluation(
    directory: RunDirectory,
    record: Run,
    pack: Pack,
    rows: Rows,
    result: SplitResult,
    class_names: tuple[str, ...],
    started: float,
    options: EvaluationSettings,
    *,
    seen: Seen | None,
    losses: Mapping[str, float] | None = None,
    over: Sequence[int] | None = None,
    contaminated: str | None = None,
    postprocessing: UsedPostprocessing | None = None,
    probe: UsedProbe | None = None,
    metrics: Sequence[Component] = (),
    votes: NDArray[np.float32] | None = None,
    **facts: Any,
) -> None:
    """Write an evaluation into the run's directory, and put its entry into the record, which is not written.

    Args:
        directory: of the run.
        record: of the run.
        pack: the data.
        rows: of the pack, that were evaluated.
        result: of these samples, in their order.
        class_names: K names of its class ids.
        started: `time.perf_counter` when it began.
        options: what was done at test time.
        seen: what the weights had seen of the samples before; None: nothing, they started from scratch.
        losses: the run's loss and its components by name; None: they were not asked for.
        over: class ids that macro averages are taken over; None: all K.
        contaminated: why it says nothing of single images; None: it does.
        postprocessing: what was done to the predictions; None: nothing.
        probe: what made them in place of the model; None: the model did.
        metrics: of plugins, that are asked for.
        votes: float32[n, K] of annotators; None where there are none.
        facts: further fields of the `Evaluation`: its id, ``split``, ``rows_digest`` and so on.
    """
    seconds = round(time.perf_counter() - started, 3)  # of the evaluation, not of scoring and writing it
    stored = stored_as(pack, rows)
    apart = told_apart(record, facts["split"], facts["rows_digest"], stored, pack)
    done = {} if postprocessing is None else postprocessing.as_options()
    if probe is not None:
        done = {**done, PROBE: probe.name}
    scores = scores_record(
        result.truth,
        result.probabilities,
        class_names,
        affect_truth=result.affect_truth,
        affect=result.affect,
        losses=losses,
        over=over,
    )
    predictions = Predictions(
        ids=np.asarray(pack.ids[rows]),
        truth=result.truth,
        probabilities=result.probabilities,
        affect_truth=result.affect_truth,
        affect=result.affect,
        columns=pack.facts(rows),
        votes=votes if needs_votes(metrics) else None,
        cast_votes=None if pack.cast_votes is None else np.asarray(pack.cast_votes[rows]),
        vote_names=pack.vote_names,
    )
    if (annotators := _annotators(pack, rows, result.truth, class_names)) is not None:
        scores["annotators"] = annotators
    if metrics:
        values, scores["plugin_metrics"] = computed(metrics, given_to_metrics(predictions, class_names))
        scores["metrics"] |= values
    evaluation = Evaluation(
        **facts,
        training_id=record.identity.training_id,
        dataset=pack.dataset,
        options={**options.model_dump(mode="json", exclude={"metrics"}), **done, **apart},
        stored=stored,
        **scores,
        seconds=seconds,
    )
    if seen is not None:
        evaluation.seen = seen
    if postprocessing is not None:
        evaluation.postprocessing = postprocessing
    if probe is not None:
        evaluation.probe = probe
    if contaminated is not None:
        evaluation.contaminated = contaminated
    name = short(evaluation.evaluation_id)
    record.evaluations[name] = directory.save_evaluation(evaluation, predictions, of=record)
    uncover(record, name)


def _annotators(pack: Pack, rows: Rows, truth: NDArray[np.int64], class_names: Sequence[str]) -> Annotators | None:
    """How far the annotators of some samples agree; None where the votes of fewer than two are known of any."""
    if pack.cast_votes is None:
        return None
    votes = np.asarray(pack.cast_votes[rows], dtype=np.float64)
    places = [place for place in vote_columns(pack.vote_names, class_names) if place is not None]
    found = agreement(votes[:, places], np.delete(votes, places, axis=1).sum(axis=1))
    known = ~np.isnan(found.each)
    if not known.any():
        return None
    each = found.each[known]
    by_class = {name: found.each[known & (truth == k)] for k, name in enumerate(class_names)}
    return Annotators(
        n=len(each),
        agreement=float(each.mean()),
        margin=float(1.96 * each.std(ddof=1) / math.sqrt(len(each))) if len(each) > 1 else 0.0,
        strict=float(found.strict[known].mean()),
        per_class={name: float(of.mean()) for name, of in by_class.items() if len(of)},
        per_class_n={name: len(of) for name, of in by_class.items() if len(of)},
    )


def add_metrics(
    directory: RunDirectory,
    record: Run,
    name: str,
    metrics: Sequence[Component],
    votes: NDArray[np.float32] | None,
) -> None:
    """Compute metrics of plugins from the predictions of an evaluation that is there, and put them into its files and
    into the record, which is not written.

    Args:
        directory: of the run.
        record: of the run.
        name: twelve digits of the evaluation id.
        metrics: that it does not have.
        votes: float32[n, K] of the samples in the order of the predictions; None where there are none.
    """
    evaluation, predictions = directory.load_evaluation(name), directory.predictions(name)
    assert evaluation is not None
    if predictions.votes is None and needs_votes(metrics):
        predictions = replace(predictions, votes=votes)
    values, facts = computed(metrics, given_to_metrics(predictions, evaluation.class_names))
    evaluation.metrics = {**evaluation.metrics, **{key: _finite(value) for key, value in values.items()}}
    evaluation.plugin_metrics = {**(evaluation.plugin_metrics or {}), **facts}
    record.evaluations[name] = directory.save_evaluation(evaluation, predictions)
    uncover(record, name)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
