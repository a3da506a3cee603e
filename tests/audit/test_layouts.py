"""Tables are found in whatever was pasted, and read as the numbers that they were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import matrices
from renderings import AROUND, AS_NUMBERS, RENDERINGS, rows_of

from ferbench.audit.printed import Cell
from ferbench.audit.score_table import parse_table, parse_tables
from ferbench.audit.verdict import judge

FACES = np.array([[80, 3, 10, 7], [2, 30, 1, 0], [12, 0, 110, 20], [9, 1, 25, 140]])
NAMES = ("angry", "disgust", "happy", "very sad")


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("rendering", RENDERINGS)
def test_a_table_is_read_whatever_its_layout_and_what_is_around_it(rendering, around):
    if around == "a code fence" and rendering in ("latex", "bold latex", "html", "json", "python"):
        pytest.skip("what is around these is left out by their own marks")
    rows = rows_of(FACES, NAMES, 4, percent=False)
    table = parse_table(AROUND[around](RENDERINGS[rendering](rows)), "pasted.txt", decimals=4)
    assert [name.lower() for name in table.classes] == list(NAMES)
    assert table.supports == (100, 33, 142, 175)
    cells = {
        Cell(row[0], measure): cell
        for row in rows[1:]
        for measure, cell in zip(("precision", "recall", "f1"), row[1:4], strict=True)
        if cell
    }
    read = {Cell(cell.row.lower(), cell.measure): one.value for cell, one in table.scores.items()}
    if rendering == "old report":
        cells = {cell: text for cell, text in cells.items() if cell.row not in ("accuracy", "macro avg")}
    assert {cell: float(value) for cell, value in read.items()} == {cell: float(text) for cell, text in cells.items()}
    assert judge(table)[1].answer == "yes"


@settings(max_examples=20, deadline=None)
@given(
    matrices(40),
    st.integers(2, 4),
    st.booleans(),
    st.booleans(),
    st.sampled_from(sorted(RENDERINGS)),
    st.sampled_from(sorted(AROUND)),
)
def test_no_rendering_of_a_true_table_raises_an_alarm(matrix, digits, percent, averages, rendering, around):
    names = ("angry", "disgust", "fear", "happy", "neutral", "sad")[: len(matrix)]
    rows = rows_of(matrix, names, digits - 2 * percent + percent, percent, averages or rendering == "old report")
    text = AROUND[around](RENDERINGS[rendering](rows))
    table = parse_table(text, "pasted", decimals=None if rendering not in AS_NUMBERS else digits - percent)
    assert table.supports == tuple(matrix.sum(axis=1))
    assert judge(table)[1].answer != "no"


def test_a_table_of_models_is_one_table_for_each_of_them():
    rows = ["| Expression | Shallow CNN | Deep CNN |", "|---|---|---|"]
    rows += [f"| {name} | {10 * k + 5}.0% | {10 * k}.5% |" for k, name in enumerate(("Angry", "Fear", "Happy", "Sad"))]
    found = parse_tables("\n".join(rows), "t.md")
    assert [title for title, _ in found] == ["t.md, Shallow CNN", "t.md, Deep CNN"]
    assert {cell.measure for cell in found[0][1].scores} == {"recall"}
