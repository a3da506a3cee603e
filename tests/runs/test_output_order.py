"""Wrong label orders of models that others made are told."""

from __future__ import annotations

import numpy as np
import pytest
from made_runs import CLASSES, make_run

from ferbench.metrics.classification import confusion_matrix
from ferbench.runs.imported import Given, import_predictions, known_test_set
from ferbench.runs.output_order import order_line

ORDER = np.array([3, 0, 1, 2, 6, 5, 4])  # what is called class j is class ORDER[j]


def foreign(tmp_path, *, mixed):
    """A run of weights that were loaded and not trained, and its record; outputs of ``mixed`` ones have wrong names."""
    run = make_run(tmp_path, epochs=0, options={"weights": "theirs.onnx"})
    record = run.load()
    record.training.best_epoch = 0
    if mixed:
        for name in record.evaluations:
            predictions, stored = run.tested(name)
            named = np.argsort(ORDER)[predictions.probabilities.argmax(axis=1)]
            stored.confusion = confusion_matrix(predictions.truth, named, len(CLASSES)).tolist()
            run.save_evaluation(stored, predictions)
    return run, record


def test_outputs_under_wrong_names_are_told_with_what_they_fit(tmp_path):
    line = order_line(*foreign(tmp_path, mixed=True))
    assert "likely wrong: on validation accuracy is 0." in line
    assert "(p = 0.001)" in line
    assert "angry fits happy, disgust fits angry, fear fits disgust, happy fits fear, neutral fits surprise" in line
    assert "sad fits" not in line


def test_a_right_order_needs_no_line(tmp_path):
    assert order_line(*foreign(tmp_path, mixed=False)) == ""


def test_what_was_trained_here_is_not_looked_at(tmp_path):
    run, record = foreign(tmp_path, mixed=True)
    record.training.epochs = record.training.best_epoch = 3
    assert order_line(run, record) == ""


@pytest.mark.parametrize("hard", [True, False])
def test_imported_predictions_are_told_without_the_order_that_fits_the_test_set(tmp_path, hard):
    test = known_test_set(make_run(tmp_path / "results"))
    named = np.argsort(ORDER)[test.truth]
    probabilities = np.eye(7, dtype=np.float32)[named]
    given = Given(probabilities if hard else (probabilities * 0.93 + 0.01).astype(np.float32), hard)
    run, _ = import_predictions(tmp_path / "results", given, test, name="theirs", model="theirs", seed=0)
    line = order_line(run, run.load())
    assert "likely wrong: on test" in line
    assert "in another order (p = 0.001)" in line
    assert "fits" not in line


def test_import_and_report_say_it(tmp_path, ferbench_cli):
    like = make_run(tmp_path / "results", name="ours")
    test = known_test_set(like)
    rows = [f"{one},{CLASSES[(label + 1) % 7]}" for one, label in zip(test.ids, test.truth, strict=True)]
    (tmp_path / "theirs.csv").write_text("\n".join(["id,predicted", *rows]))
    said = ferbench_cli("import", tmp_path / "theirs.csv", "--like", "ours")
    assert said.exit_code == 0, said.stderr
    assert "the order of the labels is likely wrong: on test accuracy is 0.0000" in said.stdout
    assert ferbench_cli("report", "theirs", "--output", tmp_path / "report.html").exit_code == 0
    assert "The order of the labels is likely wrong" in (tmp_path / "report.html").read_text()
