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
from ferbench.runs.directory import SHORT_ID, Predictions, RunDirectory
from ferbench.runs.ensemble import average
from ferbench.runs.members import Member, aligned

#: Scores that every release wrote; others may be missing in old records.
_NEEDED = ("accuracy", "macro_f1")


def malformed(predictions: Predictions, stored: Mapping[str, Any]) -> str:
    """What is wrong with the shapes and values of predictions, in a few words; empty when nothing is."""
    names, n = stored.get("class_names"), len(predictions.ids)
    classes = len(names) if isinstance(names, list) else -1
    if (predictions.truth.shape, predictions.probabilities.shape) != ((n,), (n, classes)):
        return f"its arrays do not fit {n:,} samples and {classes} classes"
    for key, array in (("affect_truth", predictions.affect_truth), ("affect", predictions.affect)):
        if array is not None and array.shape != (n, 2):
            return f"{key} does not fit {n:,} samples"
    if len(np.unique(predictions.ids)) != n:
        return "a sample id is there twice"
    if n and not (predictions.truth.min() >= 0 and predictions.truth.max() < classes):
        return "a true class is none of the classes"
    sums = predictions.probabilities.sum(axis=1)
    if not ((predictions.probabilities >= 0).all() and np.allclose(sums, 1, atol=1e-3)):
        return "probabilities do not add up to 1"
    return ""


def contradiction(predictions: Predictions, stored: Mapping[str, Any]) -> str:
    """The first thing that stored scores say and predictions do not; empty when they agree.

    Args:
        predictions: of an evaluation, well formed.
        stored: its ``metrics.json``. Losses are not looked at: they need the weights.
    """
    tested = (stored.get("data") or {}).get("class_names")
    computed = scores_record(
        predictions.truth,
        predictions.probabilities,
        tuple(stored["class_names"]),
        affect_truth=predictions.affect_truth,
        affect=predictions.affect,
        over=None if tested is None else range(len(tested)),
    )
    for key in ("n", "confusion"):
        if stored.get(key) != computed[key]:
            return f"n is {computed[key]:,}, not {stored.get(key)}" if key == "n" else "the confusion matrix is another"
    held, wide = _flat(stored), predictions.probabilities.astype(np.float64)
    for label, value in _flat(computed).items():
        if label not in held:
            if label in _NEEDED or label.startswith("f1 of "):
                return f"{label} is not there"
        elif label == "ece" and _same(reliability(predictions.truth, wide).error, held[label]):
            continue  # older releases compared float32 probabilities with float64 edges of bins
        elif not _same(value, held[label]):
            return f"{label} is {value:.6g}, not {held[label]}"
    return ""


def differs_from_members(
    directory: RunDirectory, record: Mapping[str, Any], split: str, predictions: Predictions
) -> tuple[str, bool]:
    """How an ensemble's predictions for a split differ from the mean of its members', which lie beside it.

    Returns:
        In a few words, empty when they are the same; and whether that is a damage: a member that is no longer there is
        none, since an ensemble keeps all that it needs.
    """
    members = []
    for one in record["ensemble"]["members"]:
        run = str(one["run"])
        member = RunDirectory(directory.path.parent / run)
        if not SHORT_ID.fullmatch(run) or not member.exists():
            return f"its member {run} is not there to compare with", False
        try:
            members.append(Member(member, member.read(), one["evaluations"]))
        except UserError as error:
            return f"its member {run} cannot be read: {error.message}", False
    try:
        _, theirs = aligned(members, split)
    except (UserError, KeyError) as error:
        said = error.message if isinstance(error, UserError) else f"a member has no evaluation {error}"
        return f"its members no longer fit together: {said}", False
    mean = average(theirs, [one["weight"] for one in record["ensemble"]["members"]])
    if not (np.array_equal(mean.ids, predictions.ids) and np.array_equal(mean.truth, predictions.truth)):
        return "its members have other samples or true classes", True
    probabilities, affect = (mean.probabilities, predictions.probabilities), (mean.affect, predictions.affect)
    if not (_alike(*probabilities) and _alike(*affect)):
        return "they are not the mean of its members' predictions", True
    return "", False


def _alike(mean: NDArray[np.floating] | None, held: NDArray[np.floating] | None) -> bool:
    """Whether both are the same but for rounding, or there is neither."""
    if mean is None or held is None:
        return mean is held
    return np.allclose(mean, held, atol=1e-6)


def _flat(scores: Mapping[str, Any]) -> dict[str, Any]:
    """``macro_f1``, ``f1 of happy``."""
    by_class = {f"{key} of {name}": one for name, found in scores["per_class"].items() for key, one in found.items()}
    return {**scores["metrics"], **by_class}


def _same(computed: float, held: Any) -> bool:
    """Up to what another release of numpy may round differently; what is no number is stored as null."""
    if isinstance(held, bool) or not isinstance(held, (int, float)):
        return held is None and not math.isfinite(computed)
    return math.isclose(computed, held, rel_tol=1e-6, abs_tol=1e-7)
