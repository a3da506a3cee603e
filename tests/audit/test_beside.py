"""Confusion matrices are read, alone and beside the scores that they ought to give."""

from __future__ import annotations

import numpy as np
import pytest
from renderings import markdown, report, rows_of, separated

from ferbench.audit.printed import Cell
from ferbench.audit.score_table import parse_table
from ferbench.audit.verdict import audit

FACES = np.array([[80, 3, 10, 7], [2, 30, 1, 0], [12, 0, 110, 20], [9, 1, 25, 140]])
NAMES = ("angry", "disgust", "happy", "sad")
NAMED = [["", *NAMES], *([name, *map(str, row)] for name, row in zip(NAMES, FACES.tolist(), strict=True))]


@pytest.mark.parametrize(
    "text",
    [
        str(FACES),
        f"Confusion matrix:\n{FACES!r}\n",
        str(FACES.tolist()),
        separated(",")(NAMED),
        separated("\t")(NAMED),
        markdown([["true \\ predicted", *NAMES], *NAMED[1:]]),
        markdown(
            [["", *(f"Predicted {name}" for name in NAMES)], *([f"True {row[0]}", *row[1:]] for row in NAMED[1:])]
        ),
    ],
)
def test_a_matrix_of_counts_is_a_table_by_itself(text):
    done = audit(parse_table(text, "matrix"))
    assert done.verdict == "consistent"
    assert done.table.supports == (100, 33, 142, 175)
    assert (done.matrix == FACES).all()


@pytest.mark.parametrize(("axis", "measure"), [(1, "recall"), (0, "precision")])
def test_a_matrix_of_shares_is_its_diagonal(axis, measure):
    shares = FACES / FACES.sum(axis=axis, keepdims=True)
    rows = [
        ["", *NAMES],
        *([name, *(f"{value:.2f}" for value in row)] for name, row in zip(NAMES, shares, strict=True)),
    ]
    table = parse_table(markdown(rows), "shares")
    assert float(table.scores[Cell("sad", measure)].value) == pytest.approx(shares[3, 3], abs=0.005)
    assert {cell.measure for cell in table.scores} == {measure}


@pytest.mark.parametrize("turned", [False, True])
def test_a_report_is_held_against_the_matrix_beside_it_whichever_way_round(turned):
    text = f"{report(rows_of(FACES, NAMES, 2, percent=False))}\n{FACES.T if turned else FACES}\n"
    done = audit(parse_table(text, "both"))
    assert done.verdict == "consistent"
    assert (done.matrix == FACES).all()
    wrong = audit(parse_table(text.replace("0.77", "0.78", 1), "both"))
    assert [str(one.without) for one in wrong.diagnosis.contradictions] == [
        "precision of angry"
    ] or wrong.verdict == "inconsistent"


def test_a_matrix_of_other_classes_is_left_out_with_a_note():
    text = f"{report(rows_of(FACES, NAMES, 2, percent=False))}\n{np.eye(3, dtype=int) * 9}\n"
    done = audit(parse_table(text, "both"))
    assert done.verdict == "consistent"
    assert "other classes" in done.table.notes[-1]
