"""Tables as lines of a terminal."""

from __future__ import annotations

from ferbench.tables.table import Column, Spread, Table
from ferbench.tables.terminal import BRACKETS, to_terminal

TABLE = Table(
    "t",
    "caption",
    (Column("name", "name"), Column("n", "samples", "count"), Column("f1", "F1", "score", spread=True)),
    (("日本", 1500, Spread(0.5, 0.25, 0.75)), ("a", 2, None)),
)


def test_numbers_stand_right_and_wide_characters_take_two_columns():
    assert to_terminal(TABLE, None) == [
        "name  samples                      F1",
        "日本    1,500  0.5000 (0.2500–0.7500)",
        "a           2",
    ]


def test_spare_columns_go_in_order_until_the_rest_fits():
    lines = to_terminal(TABLE, 30, spare=("n", "name"))
    assert lines[0] == "name                      F1"
    assert lines[-1] == "left out for want of width: samples"


def test_brackets_may_go_before_a_column_does():
    assert to_terminal(TABLE, 23, spare=(BRACKETS, "n")) == [
        "name  samples      F1",
        "日本    1,500  0.5000",
        "a           2",
        "left out for want of width: lowest and highest seed",
    ]


def test_a_table_that_fits_keeps_its_columns():
    assert to_terminal(TABLE, 37, spare=("n",)) == to_terminal(TABLE, None)


def test_what_may_not_go_stays_whole():
    lines = to_terminal(TABLE, 5, spare=("n",))
    assert lines[1] == "日本  0.5000 (0.2500–0.7500)"


def test_terminal_escapes_and_line_ends_are_no_part_of_a_cell():
    table = Table("t", "c", (Column("x", "x"), Column("y", "y")), (("\x1b[31mred\nline", "two  blanks"),))
    assert to_terminal(table, None)[1:] == ["red line  two blanks"]
