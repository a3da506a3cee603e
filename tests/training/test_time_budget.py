"""How many epochs fit into a time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.training.time_budget import epochs_within

SMALL = ["--model", "linear", "--set", "dataset.train=60", "--set", "dataset.test=14", "--set", "dataset.size=16"]
SMALL += ["--cache", "cache", "--no-report", "--quiet", "--set", "data.validation=0.5"]


@pytest.mark.parametrize(
    ("seconds", "once", "twice", "ways", "wanted"),
    [
        (100, [12], [22], 1, 9),  # 2 seconds of tests, 10 an epoch
        (100, [12, 12], [22, 22], 1, 4),
        (100, [12, 12], [22, 22], 2, 9),
        (11, [12], [22], 1, 0),
        (100, [12, 60], [22, 110], 2, 1),  # the longer one decides
    ],
)
def test_as_many_as_fit(seconds, once, twice, ways, wanted):
    assert epochs_within(seconds, once, twice, ways) == wanted


@given(
    seconds=st.floats(1, 1e5),
    runs=st.lists(st.tuples(st.floats(0.1, 100), st.floats(0.01, 1000)), min_size=1, max_size=5),
)
def test_they_fit_and_one_more_would_not(seconds, runs):
    chosen = epochs_within(seconds, [rest + each for rest, each in runs], [rest + 2 * each for rest, each in runs])
    took = [sum(rest + epochs * each for rest, each in runs) for epochs in (chosen, chosen + 1)]
    assert chosen == 0 or took[0] <= seconds * (1 + 1e-6)
    assert took[1] >= seconds * (1 - 1e-6) or chosen == 10**6


def test_the_number_is_in_the_recipe_and_the_same_run_is_found_by_it(ferbench_cli):
    done = ferbench_cli("run", "--minutes", "0.02", "--json", *SMALL)
    assert done.exit_code == 0, done.stderr
    (made,) = json.loads(done.stdout)
    epochs = made["training"]["epochs"]
    assert f"--epochs {epochs}" in done.stderr
    again = ferbench_cli("run", "--epochs", str(epochs), "--json", *SMALL)
    (same,) = json.loads(again.stdout)
    assert (same["run"], same["reused"]) == (made["run"], True)


@pytest.mark.parametrize("also", [("--epochs", "3"), ("--set", "training.epochs=3"), ("--grid", "training.epochs=3,4")])
def test_two_numbers_of_epochs_are_refused(ferbench_cli, also):
    done = ferbench_cli("run", "--minutes", "1", *also, *SMALL)
    assert done.exit_code == 2
    assert "--minutes chooses training.epochs" in done.stderr


def test_a_time_that_is_too_short_is_said(ferbench_cli):
    done = ferbench_cli("run", "--minutes", "0.0000001", *SMALL)
    assert done.exit_code == 2
    assert "one epoch does not fit" in done.stderr
