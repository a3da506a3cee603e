"""Metrics by the values of a column."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from ferbench.statistics.estimates import interval
from ferbench.statistics.sampling import Design, measure
from ferbench.statistics.slices import slices as slices_of

TRUTH = np.random.default_rng(0).integers(0, 4, 240)
#: Of the group "few" only two classes are known; of a sixth of the samples nothing.
GROUPS = np.where(np.arange(240) % 6 == 0, "", np.where(TRUTH < 2, np.where(np.arange(240) % 2, "few", "all"), "all"))


def slices(column, values, truth, predicted, classes, clusters=None):
    def design_of(rows):
        groups = None if clusters is None else np.unique(clusters[rows], return_inverse=True)[1]
        return Design(truth[rows], classes, groups, "person")

    return slices_of(column, values, predicted, design_of)


def predicted(seeds=1):
    rng = np.random.default_rng(1)
    return np.where(rng.random((seeds, 240)) < 0.6, TRUTH, rng.integers(0, 4, (seeds, 240)))


def test_each_value_has_the_scores_of_its_samples_over_the_classes_that_it_has():
    found = slices("group", GROUPS, TRUTH, predicted(), 4)
    assert [one.value for one in found.slices] == ["all", "few"]
    assert found.left_out == 40
    for one in found.slices:
        rows = one.value == GROUPS
        truth, answers = TRUTH[rows], predicted()[0, rows]
        present = np.unique(truth)
        assert one.n == rows.sum()
        assert len(present) == {"all": 4, "few": 2}[one.value]
        assert one.means == pytest.approx(
            {
                "accuracy": accuracy_score(truth, answers),
                "macro_f1": f1_score(truth, answers, labels=present, average="macro"),
                "balanced_accuracy": recall_score(truth, answers, labels=present, average="macro"),
            }
        )


def test_the_worst_value_and_the_gap_to_the_best():
    truth, column = np.zeros(30, dtype=np.int64), np.repeat(["a", "b", "c"], 10)
    wrong = np.concatenate([np.arange(10) < count for count in (3, 7, 1)]).astype(np.int64)
    found = slices("c", column, truth, wrong[None], 2)
    assert found.worst().value == "b"
    assert found.gap() == pytest.approx(0.6)


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_are_those_of_the_slice_alone(seeds):
    for one in slices("group", GROUPS, TRUTH, predicted(seeds), 4).slices:
        rows = one.value == GROUPS
        design = Design(TRUTH[rows], 4)
        wanted = interval(measure("accuracy", design, predicted(seeds)[:, rows]), design)
        assert one.intervals["accuracy"] == wanted


def test_two_seeds_have_no_interval():
    found = slices("group", GROUPS, TRUTH, predicted(2), 4)
    assert {end for one in found.slices for end in one.intervals.values()} == {None}


def test_samples_of_one_person_are_drawn_together():
    people = np.array([f"p{place // 12}" for place in range(240)])
    alone = slices("group", GROUPS, TRUTH, predicted(), 4).slices
    together = slices("group", GROUPS, TRUTH, predicted(), 4, people).slices
    for one, other in zip(alone, together, strict=True):
        rows = one.value == GROUPS
        design = Design(TRUTH[rows], 4, np.unique(people[rows], return_inverse=True)[1])
        wanted = interval(measure("accuracy", design, predicted()[:, rows]), design)
        assert other.intervals["accuracy"] == wanted != one.intervals["accuracy"]
        assert other.means == one.means


def test_a_value_that_too_few_persons_have_says_nothing_of_others():
    column = np.repeat(["x", "y"], 120)
    people = np.array(["one"] * 120 + [f"p{place // 12}" for place in range(120)])
    found = slices("c", column, TRUTH, predicted(), 4, people)
    assert set(found.slices[0].intervals.values()) == {None}
    assert None not in found.slices[1].intervals.values()
    assert found.lacking == {"the samples are of 1 person, and 10 are needed": ["x"]}
