"""What is said of a search space before the first trial."""

from __future__ import annotations

import pytest

from ferbench.tuning.space_warnings import few_trials, without_effect

KEYS = [f"model.option{number}" for number in range(20)]


def test_four_trials_over_twenty_dimensions_are_warned_of():
    line = few_trials(KEYS, 4, "tpe")
    assert "4 trials over 20 dimensions" in line
    assert "--trials 200" in line


@pytest.mark.parametrize(
    ("keys", "trials", "algorithm"), [(KEYS, 40, "tpe"), (KEYS, 4, "grid"), (KEYS[:1], 1, "tpe"), ([], 3, "random")]
)
def test_enough_trials_are_not(keys, trials, algorithm):
    assert few_trials(keys, trials, algorithm) is None


def test_colours_of_gray_images_are_named():
    keys = ["optimizer.lr", "augmentation.hue", "augmentation.saturation"]
    line = without_effect(keys, 1)
    assert line.startswith("warning: augmentation.hue, augmentation.saturation: they change nothing")
    assert "--search augmentation.hue=0 --search augmentation.saturation=0" in line
    assert without_effect(keys, 3) is None
    assert without_effect(keys[:1], 1) is None
