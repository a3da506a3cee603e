"""What the runs of a grid are called."""

from __future__ import annotations

import pytest

from ferbench.experiment.run_names import name_runs
from ferbench.experiment.settings import grid


def names(name="cmp", components=None, fields=None, axes=()):
    made = grid({}, components=components or {}, fields=fields or {}, axes=axes)
    name_runs(made, name)
    return [one["name"] for one in made]


def test_names_say_what_varies_and_the_seed_at_last():
    several = names(components={"model": ["cnn4", "linear"]}, fields={"training.seed": [0, 3]})
    assert several == ["cmp-cnn4-s0", "cmp-cnn4-s3", "cmp-linear-s0", "cmp-linear-s3"]
    assert names(axes=["optimizer.lr=0.001,0.1"]) == ["cmp-lr0.001", "cmp-lr0.1"]


def test_one_run_and_no_name_stay_as_they_are():
    assert names() == ["cmp"]
    made = grid({}, fields={"training.seed": [0, 1]})
    assert name_runs(made, None) == ["", ""]
    assert all("name" not in one for one in made)


@pytest.mark.parametrize("long", [["a" * 40, "b" * 60], ["x:cnn 4", "x:cnn-4"]])
def test_what_cannot_be_told_apart_in_a_short_name_is_numbered(long):
    assert names(components={"model": long}) == ["cmp-1", "cmp-2"]
