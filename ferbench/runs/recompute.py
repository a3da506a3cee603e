"""Stored scores held against the predictions that they were computed from, and an ensemble's against its members'."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.metrics.calibration import reliability
from ferbench.metrics.scoring import scores_record
from ferbench.records.evaluation import Evaluation
from ferbench.records.run import Run
from ferbench.runs.directory import SHORT_ID, RunDirectory
from ferbench.runs.ensemble import average, expected
from ferbench.runs.members import Member, aligned_members
from ferbench.runs.pooled import Fold, joined
from ferbench.runs.pooled import expected as joined_record
from ferbench.runs.predictions import Predictions

#: Scores that every release wrote; others may be missing in old records.
_NEEDED = ("accuracy", "macro_f1")

#: What of a pooled run's record is another after a fold was trained or tested again.
_OF_FOLDS = {"recipe": ("evaluation", "runtime"), "data": ("pack",), "training": ("seconds",)}

#: What an ensemble's record has of its members', and what of that is another after a member was trained again
#: elsewhere, or the ensemble was renamed.
_OF_MEMBERS: dict[str, tuple[str, ...]] = {
    "recipe": ("name", "data.path", "data.paths", "training.keep", "training.parameter_budget"),
    "components": (),
    "data": ("pack",),
    "model": (),
    "training": ("seconds",),
}


def contradiction(predictions: Predictions, stored: Evaluation) -> str:
    """The first thing that stored scores say and predictions do not; empty when they agree.

    Args:
        predictions: of an evaluation, well formed.
        stored: its ``metrics.json``. Losses are not looked at: they need the weights.
    """
    tested = None if stored.data is None else stored.data.class_names
    computed = scores_record(
        predictions.truth,
        predictions.probabilities,
        tuple(stored.class_names),
        affect_truth=predictions.affect_truth,
        affect=predictions.affect,
        over=None if tested is None else range(len(tested)),
    )
    if stored.n != computed["n"]:
        return f"n is {computed['n']:,}, not {stored.n}"
    if stored.confusion != computed["confusion"]:
        return "the confusion matrix is another"
    by_class = {name: scores.plain() for name, scores in stored.per_class.items()}
    held, wide = _flat(stored.metrics, by_class), predictions.probabilities.astype(np.float64)
    for label, value in _flat(computed["metrics"], computed["per_class"]).items():
        if label not in held:
            if label in _NEEDED or label.startswith("f1 of "):
                return f"{label} is not there"
        elif label == "ece" and _same(reliability(predictions.truth, wide).error, held[label]):
            continue  # older releases compared float32 probabilities with float64 edges of bins
        elif not _same(value, held[label]):
            return f"{label} is {value:.6g}, not {held[label]}"
    return ""


def recorded_members(directory: RunDirectory, record: Run) -> tuple[list[Member], str]:
    """The members of an ensemble, which lie beside it; where one is not as it was then, what became of it."""
    assert record.ensemble is not None
    members = []
    for named in record.ensemble.members:
        member = RunDirectory(directory.path.parent / named.run)
        if not SHORT_ID.fullmatch(named.run) or not member.exists():
            return [], f"its member {named.run} is not there to compare with"
        try:
            members.append(Member(member, member.load(), named.evaluations))
        except UserError as error:
            return [], f"its member {named.run} cannot be read: {error.message}"
        for split, name in named.evaluations.items():
            if name not in members[-1].record.evaluations:
                return [], f"its member {named.run} has no such evaluation on {split}"
    return members, ""


def differs_from_members(
    directory: RunDirectory, record: Run, split: str, predictions: Predictions
) -> tuple[str, bool]:
    """How an ensemble's predictions for a split differ from the mean of its members', which lie beside it.

    Returns:
        In a few words, empty when they are the same; and whether that is a damage: a member that is no longer there is
        none, since an ensemble keeps all that it needs.
    """
    assert record.ensemble is not None
    members, lost = recorded_members(directory, record)
    if lost:
        return lost, False
    try:
        _, theirs = aligned_members(members, split)
    except UserError as error:
        return f"its members no longer fit together: {error.message}", False
    mean = average(theirs, [named.weight for named in record.ensemble.members])
    if not (np.array_equal(mean.ids, predictions.ids) and np.array_equal(mean.truth, predictions.truth)):
        return "its members have other samples or true classes", True
    probabilities, affect = (mean.probabilities, predictions.probabilities), (mean.affect, predictions.affect)
    if not (_alike(*probabilities) and _alike(*affect)):
        return "they are not the mean of its members' predictions", True
    return "", False


def recorded_folds(directory: RunDirectory, record: Run) -> tuple[list[Fold], str]:
    """The folds of a pooled run, which lie beside it; where one is not as it was then, what became of it."""
    assert record.pooled is not None
    folds = []
    for named in record.pooled.folds:
        member = RunDirectory(directory.path.parent / named.run)
        if not SHORT_ID.fullmatch(named.run) or not member.exists():
            return [], f"its fold {named.run} is not there to compare with"
        try:
            folds.append(Fold(member, member.load()))
        except UserError as error:
            return [], f"its fold {named.run} cannot be read: {error.message}"
    return folds, ""


def differs_from_folds(
    directory: RunDirectory, record: Run, stored: Evaluation, predictions: Predictions
) -> tuple[str, bool]:
    """How the predictions of a pooled run differ from those of its folds, which lie beside it.

    Returns:
        As `differs_from_members`.
    """
    folds, lost = recorded_folds(directory, record)
    if lost:
        return lost, False
    names = {parent.run: parent.evaluation for parent in stored.parents or ()}
    if unlike := [fold.run for fold in folds if names.get(fold.run) not in fold.record.evaluations]:
        return f"its fold {unlike[0]} has no such evaluation", False
    try:
        theirs = joined(folds, [names[fold.run] for fold in folds])
    except UserError as error:
        return error.message, False
    if not (np.array_equal(theirs.ids, predictions.ids) and np.array_equal(theirs.truth, predictions.truth)):
        return "its folds have other samples or true classes", True
    probabilities, affect = (theirs.probabilities, predictions.probabilities), (theirs.affect, predictions.affect)
    if not (_alike(*probabilities) and _alike(*affect)):
        return "they are not the predictions of its folds", True
    return "", False


def record_differs_from_folds(directory: RunDirectory, record: Run) -> str:
    """What the record of a pooled run has from its folds and they do not say; empty where there is nothing, or where
    they are not there."""
    folds, lost = recorded_folds(directory, record)
    if lost:
        return ""
    if any(fold.record.data.test_fold is None for fold in folds):
        return "folds"
    again, held = joined_record(record, folds).plain(), record.plain()
    again_id, held_id = again["identity"]["config_id"], held["identity"]["config_id"]
    unlike = [] if again_id == held_id else ["config_id"]
    for several in (again, held):  # what is another after a fold was renamed, or trained or tested again
        for renamed in (*several["lineage"]["parents"], *several["pooled"]["folds"], several["recipe"]):
            renamed.pop("name", None)
        for section, keys in _OF_FOLDS.items():
            for key in keys:
                several.get(section, {}).pop(key, None)
        for key in ("path", "paths"):
            several["recipe"]["data"].pop(key, None)
    parts = ("recipe", "components", "data", "lineage", "pooled", "model", "training")
    return ", ".join([*unlike, *(key for key in parts if again.get(key) != held.get(key))])


def record_differs_from_members(directory: RunDirectory, record: Run) -> str:
    """What an ensemble's record has from its members and they do not say, of what their ids cover; empty where there is
    nothing, or where they are not there."""
    assert record.ensemble is not None
    members, lost = recorded_members(directory, record)
    if lost:
        return ""
    again = expected(record, members).plain()
    held = record.plain()
    unlike = [] if record.identity.config_id == again["identity"]["config_id"] else ["config_id"]
    # What they do not share has the version of the ferbench that joined it.
    joined = tuple(f"{key}.version" for key, one in held["components"].items() if one.get("source") is None)
    for section, fields in _OF_MEMBERS.items():
        left_out = (*fields, *joined) if section == "components" else fields
        several = [{**about.get(section, {})} for about in (held, again)]
        for about in several:
            for key in left_out:
                field, _, below = key.partition(".")
                about[field] = {**about[field], below: None} if below and field in about else None
        if several[0] != several[1]:
            unlike.append(section)
    return ", ".join(unlike)


def _alike(mean: NDArray[np.floating] | None, held: NDArray[np.floating] | None) -> bool:
    """Whether both are the same but for rounding, or there is neither."""
    if mean is None or held is None:
        return mean is held
    return np.allclose(mean, held, atol=1e-6)


def _flat(metrics: Mapping[str, Any], per_class: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """``macro_f1``, ``f1 of happy``."""
    return {
        **metrics,
        **{f"{key} of {name}": value for name, scores in per_class.items() for key, value in scores.items()},
    }


def _same(computed: float, held: float | None) -> bool:
    """Up to what another release of numpy may round differently; what is no number is stored as null."""
    if held is None:
        return not math.isfinite(computed)
    return math.isclose(computed, held, rel_tol=1e-6, abs_tol=1e-7)
