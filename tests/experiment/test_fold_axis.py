"""Every fold as an axis of a grid."""

from __future__ import annotations

import pytest

from ferbench.errors import UserError
from ferbench.experiment.fold_axis import MOST, axis
from ferbench.experiment.run_names import name_runs
from ferbench.experiment.settings import grid


def test_an_axis_has_every_fold():
    assert axis(3) == ["1/3", "2/3", "3/3"]
    assert len(axis(MOST)) == MOST


@pytest.mark.parametrize("of", [MOST + 1, 10**6, 10**30])
def test_more_folds_than_anybody_waits_for_are_refused_before_they_are_laid_out(of):
    with pytest.raises(UserError, match=f"a grid of {of:,} folds: 10,000 combinations at most"):
        axis(of)


def test_folds_count_among_the_combinations_of_a_grid():
    with pytest.raises(UserError, match=r"a grid of 20,000 combinations, 10,000 values of data\.fold among them"):
        grid({"training": {"folds": MOST}}, fields={"training.seed": [0, 1]}, no_folds=None)


def test_a_grid_of_as_many_as_there_may_be_is_laid_out():
    seeds, sizes = list(range(100)), list(range(1, 101))
    assert len(grid({"grid": {"training.seed": seeds, "training.batch_size": sizes}})) == MOST


def test_every_fold_of_a_test_is_an_axis_too_and_every_person_is_one_value():
    folds = grid({"training": {"test_folds": 3}}, no_folds=None)
    assert [one["data"]["test_fold"] for one in folds] == ["1/3", "2/3", "3/3"]
    assert grid({"training": {"test_folds": "person"}}, no_folds=None) == [{"data": {"test_fold": "person"}}]
    with pytest.raises(UserError, match=r"training\.test_folds = 1: not a whole number of folds"):
        grid({"training": {"test_folds": 1}}, no_folds=None)


def test_the_folds_of_a_test_share_a_name_and_have_their_place_behind_it():
    settings = grid({"training": {"test_folds": 10}}, fields={"training.seed": [0, 1]}, no_folds=None)
    name_runs(settings, "mine")
    names = [one["name"] for one in settings]
    assert (names[0], names[9], names[10]) == ("mine-s0-fold-01", "mine-s0-fold-10", "mine-s1-fold-01")
    name_runs(settings[:1], None)  # as the recipe of a job
    assert settings[0]["name"] == "mine-s0-fold-01"
