"""Metrics of plugins from the predictions of an evaluation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ferbench.plugin.discovery import load_registry
from ferbench.runs.plugin_metrics import computed, given_to_metrics, needs_votes, recomputed
from ferbench.runs.predictions import Predictions, malformed, read_predictions

CLASSES = ("no", "yes")


@pytest.fixture(scope="module")
def registry():
    return load_registry(environ={"FERBENCH_PLUGINS": ""})


def predictions(n: int = 6, **more) -> Predictions:
    probabilities = np.tile(np.array([[0.8, 0.2]], np.float32), (n, 1))
    return Predictions(np.array([f"s{k}" for k in range(n)]), np.zeros(n, np.int64), probabilities, **more)


VOTES = np.tile(np.array([[0.5, 0.5]], np.float32), (6, 1))


def test_votes_are_kept_with_the_predictions_where_a_metric_needs_them(registry, tmp_path):
    vote, worst = (registry.find("metric", name) for name in ("vote-cross-entropy", "worst-subject-accuracy"))
    assert needs_votes([worst, vote])
    assert not needs_votes([worst])
    (tmp_path / "predictions.npz").write_bytes(predictions(votes=VOTES).to_bytes())
    again = read_predictions(tmp_path / "predictions.npz")
    assert (again.votes == VOTES).all()
    assert malformed(again, 2) == ""
    assert "votes do not fit" in malformed(predictions(votes=VOTES[:2]), 2)


def test_a_value_that_is_not_defined_has_its_reason_only_where_something_is_lacking(registry):
    worst, vote = (registry.find("metric", name) for name in ("worst-subject-accuracy", "vote-cross-entropy"))
    alone = predictions(columns={"subject": np.array(["a", "b"] * 3)})
    values, facts = computed([worst, vote], given_to_metrics(alone, CLASSES))
    assert all(math.isnan(value) for value in values.values())
    assert facts["worst-subject-accuracy"].fault is None
    assert facts["vote-cross-entropy"].fault == "it needs annotators' votes, which the samples do not have"


def test_what_was_stored_is_held_against_the_predictions(registry):
    given = given_to_metrics(predictions(votes=VOTES), CLASSES)
    values, facts = computed([registry.find("metric", "vote-cross-entropy")], given)
    assert recomputed(facts, values, given, registry) == ([], [])
    (unlike,), unknown = recomputed(facts, {"vote-cross-entropy": 0.5}, given, registry)
    assert unlike.startswith("vote-cross-entropy is 0.91629")
    assert unknown == []
    assert recomputed(facts, {"vote-cross-entropy": None}, given, registry)[0]
    assert recomputed(facts, values, given, None) == (
        [],
        ["vote-cross-entropy could not be computed again: its plugin ferbench is not here"],
    )


def test_a_value_beside_a_reason_for_having_none_is_a_contradiction(registry):
    given = given_to_metrics(predictions(), CLASSES)
    _, facts = computed([registry.find("metric", "vote-cross-entropy")], given)
    assert recomputed(facts, {"vote-cross-entropy": None}, given, registry) == ([], [])
    assert "a reason why it has none" in recomputed(facts, {"vote-cross-entropy": 0.1}, given, registry)[0][0]
