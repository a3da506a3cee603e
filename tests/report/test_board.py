"""A leaderboard as a frame."""

from __future__ import annotations

import io

import pandas as pd
from made_runs import make_run

from ferbench.ranking.grouping import group
from ferbench.report.board import Board
from ferbench.runs.index import summaries
from ferbench.tables.formats import to_csv, to_frame
from ferbench.tables.table import Column, Spread, Table


def test_a_row_is_a_configuration_with_what_csv_has(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path, model="net", seed=seed, classes=("NA", "None"), n=40)
    make_run(tmp_path, model="other", classes=("NA", "None"), n=40, status="failed")
    board = Board(group(summaries(tmp_path))[0], single=False)
    table = board.frame()
    keys = board.default(board.groups, people=False, per_class=True)
    text = to_csv(board.joint_table(keys, [one.rows for one in board.groups]))
    read = pd.read_csv(io.StringIO(text), keep_default_na=False, dtype=str)
    assert list(table.columns) == list(read.columns)
    assert table["macro_f1_mean"].tolist() == read["macro_f1_mean"].astype(float).tolist()
    assert table["f1:NA_min"].dtype == "float64"
    assert (table["seeds"].dtype, table["seeds"].tolist()) == ("Int64", [2])
    assert table["name"].isna().all()


def test_summary_rows_are_left_out_and_missing_cells_are_missing():
    columns = (Column("name", "name"), Column("score", "score", "score", spread=True), Column("n", "n", "count"))
    rows = (("None", Spread(0.5, 0.25, 0.75), 3), ("NA", None, None), ("mean", 0.5, 1))
    table = to_frame(Table("t", "t", columns, rows, summary=1))
    assert table["name"].tolist() == ["None", "NA"]
    assert table["score_min"].isna().tolist() == [False, True]
    assert table["n"].dtype == "Int64"
    assert to_frame(Table("t", "t", columns, ())).empty
