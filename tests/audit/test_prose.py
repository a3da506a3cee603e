"""Averages in the text around a table."""

from __future__ import annotations

import numpy as np
import pytest
from renderings import markdown, rows_of

from ferbench.audit.printed import Cell
from ferbench.audit.score_table import parse_table
from ferbench.audit.verdict import audit

FACES = np.array([[80, 3, 10, 7], [2, 30, 1, 0], [12, 0, 110, 20], [9, 1, 25, 140]])
TABLE = markdown(rows_of(FACES, ("angry", "disgust", "happy", "sad"), 2, percent=False, averages=False))


@pytest.mark.parametrize(
    ("below", "cell", "value"),
    [
        ("Accuracy: 0.80", Cell("accuracy", "f1"), 0.8),
        ("**Overall accuracy:** 0.80 (450 samples)", Cell("accuracy", "f1"), 0.8),
        ("- Test Accuracy = 80.0%", Cell("accuracy", "f1"), 0.8),
        ("Accuracy: 80.0 %, Macro F1: 0.81", Cell("macro avg", "f1"), 0.81),
        ("**Macro avg:** 0.81 (precision), 0.82 (recall), 0.81 (f1-score)", Cell("macro avg", "recall"), 0.82),
        ("Macro average: precision 0.81, recall 0.82, F1 0.81", Cell("macro avg", "precision"), 0.81),
        ("F1 score (macro): 0.81", Cell("macro avg", "f1"), 0.81),
    ],
)
def test_an_average_below_a_table_is_one_of_its_numbers(below, cell, value):
    table = parse_table(f"{TABLE}\n{below}\n", "t.md")
    assert float(table.scores[cell].value) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "Training accuracy: 99.2%",
        "Validation accuracy: 65.1 %",
        "Epoch 3: accuracy: 0.41",
        "Happy faces are found with an accuracy of 0.97.",
        "Version: 0.21",
        "Loss: 0.93",
    ],
)
def test_other_text_is_passed_over(text):
    assert parse_table(f"{text}\n\n{TABLE}\n{text}\n", "t.md") == parse_table(TABLE, "t.md")


def test_an_impossible_accuracy_below_is_found_and_one_above_that_does_not_fit_is_left_out():
    assert audit(parse_table(f"{TABLE}\nOverall accuracy: 0.91\n", "t.md")).verdict == "inconsistent"
    above = audit(parse_table(f"Accuracy: 0.91\n\n{TABLE}", "t.md"))
    assert above.verdict == "consistent"
    assert above.table.notes == ("line 1 not read: 'Accuracy' is another number than the table gives",)
