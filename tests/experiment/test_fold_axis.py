"""Every fold as an axis of a grid."""

from __future__ import annotations

import pytest

from ferbench.errors import UserError
from ferbench.experiment.fold_axis import MOST, axis
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
