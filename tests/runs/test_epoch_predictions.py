"""What a run keeps of each epoch's predictions, and the words for what follows from them."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench import UserError
from ferbench.records.run import OnTest, OnTestGain
from ferbench.runs.directory import RunDirectory
from ferbench.runs.epoch_predictions import (
    EPOCHS_FILE,
    on_test,
    on_test_line,
    read_epoch_predictions,
    write_epoch_predictions,
)


def known(mean, deviation, **changed):
    gain = OnTestGain(mean=mean, deviation=deviation, low=0.0, high=0.1)
    return OnTest(**{"halvings": 200, "n": 100, "gains": {"accuracy": gain, "macro_f1": gain}, **changed})


def test_what_is_written_is_read(tmp_path):
    run, predicted = RunDirectory(tmp_path), np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert read_epoch_predictions(run) is None
    write_epoch_predictions(run, predicted)
    np.testing.assert_array_equal(read_epoch_predictions(run), predicted)


@pytest.mark.parametrize("content", [b"no archive", b""])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / EPOCHS_FILE).write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        read_epoch_predictions(RunDirectory(tmp_path))


def test_persons_and_clips_stay_together_where_they_are_known():
    draws = np.random.default_rng(0)
    truth, ids = draws.integers(0, 3, 40), np.array([f"i{number}" for number in range(40)])
    predicted = draws.integers(0, 3, (5, 40)).astype(np.uint8)
    subjects = np.array([f"p{number % 8}" for number in range(40)])
    assert on_test(predicted, truth, 3, ids, {}).by == ""
    found = on_test(predicted, truth, 3, ids, {"subject": subjects})
    assert (found.by, found.n, found.halvings) == ("subject", 40, 200)
    assert on_test(predicted[:1], truth, 3, ids, {}) is None


def test_the_line_of_one_run_has_its_mean_and_deviation():
    line = on_test_line([known(0.019, 0.006, by="subject")])
    assert line == (
        "the best epoch on a test set of 50 samples would have said +1.9 ± 0.6 points of accuracy and +1.9 ± 0.6 "
        "points of macro-F1 (mean ± SD, 200 halvings of validation by subject)"
    )


def test_over_runs_the_deviation_is_that_of_halvings_and_seeds():
    line = on_test_line([known(0.01, 0.003), known(0.02, 0.004, n=120)])
    # sqrt((0.003² + 0.004²) / 2 + 0.01² / 2) = 0.0079
    assert "of 50 to 60 samples would have said +1.5 ± 0.8 points of accuracy" in line
    assert line.endswith("(mean ± SD, 400 halvings of validation in 2 runs)")
