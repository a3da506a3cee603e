"""Metrics of plugins on validation, with the votes and subjects of the samples."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from made_packs import make_pack

from ferbench import UserError
from ferbench.experiment.plan import Plan, plan
from ferbench.experiment.resolve import resolve
from ferbench.metrics.classification import confusion_matrix, score
from ferbench.plugin.discovery import load_registry
from ferbench.training.epoch_metrics import EpochMetrics
from ferbench.training.evaluation import SplitResult

CLASSES = ("angry", "happy")
COUNTS = {"train": dict.fromkeys(CLASSES, 20), "test": dict.fromkeys(CLASSES, 6)}
BOTH = ("vote-cross-entropy", "worst-subject-accuracy")


def planned(*metrics: str, votes: bool = True, subjects: bool = True, select: str = "macro_f1") -> Plan:
    n = sum(sum(of.values()) for of in COUNTS.values())
    cast = np.where(np.arange(n)[:, None] % 4 == 0, np.nan, [[3.0, 1.0]]) if votes else None
    made = make_pack(COUNTS, classes=CLASSES, votes=cast)
    if subjects:
        made = dataclasses.replace(made, subject=np.array([f"p{k % 2}" for k in range(n)]))
    registry = load_registry(environ={"FERBENCH_PLUGINS": ""})
    settings = {"evaluation": {"metrics": list(metrics)}, "training": {"select": select}, "data": {"group_by": "none"}}
    return plan(resolve(settings, registry), made)


def result_of(made: Plan, p_angry: float) -> SplitResult:
    labels = made.split.labels[made.split.validation]
    probabilities = np.full((len(labels), 2), [p_angry, 1 - p_angry], np.float32)
    scores = score(confusion_matrix(labels, probabilities.argmax(axis=1), 2))
    return SplitResult(None, {}, labels, probabilities, None, None, scores)


def test_none_is_computed_where_none_is_asked_for():
    assert EpochMetrics.of_plan(planned()) is None


def test_votes_and_subjects_of_validation_count():
    made = planned(*BOTH)
    metrics = EpochMetrics.of_plan(made)
    assert metrics is not None
    metrics.try_out()
    values = metrics.of(result_of(made, 0.9))
    assert values["vote-cross-entropy"] == pytest.approx(-(0.75 * math.log(0.9) + 0.25 * math.log(0.1)), rel=1e-6)
    rows = made.split.validation
    right = made.split.labels[rows] == 0
    people = made.pack.subject[rows]
    several = [right[people == name] for name in np.unique(people)]
    assert values["worst-subject-accuracy"] == min(hits.mean() for hits in several if len(hits) >= 5)


def test_what_the_samples_lack_makes_it_undefined():
    made = planned(*BOTH, votes=False, subjects=False)
    metrics = EpochMetrics.of_plan(made)
    assert metrics is not None
    metrics.try_out()
    assert all(math.isnan(value) for value in metrics.of(result_of(made, 0.9)).values())


@pytest.mark.parametrize(("name", "said"), zip(BOTH, ("annotators' votes", "subjects"), strict=True))
def test_nothing_is_selected_by_what_will_not_come(name, said):
    with pytest.raises(UserError, match=f"metric '{name}' needs {said}, which there are not here"):
        planned(votes=False, subjects=False, select=name)
    assert planned(select=name).identity["metrics"].keys() == {name}


def test_a_metric_that_only_watches_is_in_no_id():
    assert "metrics" not in planned(*BOTH).identity
    assert planned(*BOTH).training_id == planned().training_id
