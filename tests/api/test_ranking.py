"""The leaderboard from Python."""

from __future__ import annotations

import pytest

import ferbench as fb


def test_a_board_is_a_frame_and_html_and_text(results):
    board = fb.leaderboard(results, where={"seed": [0, 1, 2]})
    (group,) = board.groups
    assert group.rows["model"].tolist() == ["good", "bad"]
    first, second = board.frame.to_dict("records")
    assert (first["model"], first["rank"]) == ("good", 1)
    assert first["macro_f1_ci_low"] < first["macro_f1_mean"] < first["macro_f1_ci_high"]
    assert second["rank"] == 2
    assert "<table>" in board._repr_html_()
    assert "Rank: from 1" in board._repr_html_()
    assert "good" in str(board)
    runs = fb.load_results(results).where(model="bad")
    hidden = fb.leaderboard(runs)
    assert hidden.groups[0].hidden == 1
    assert hidden.frame["rank"].tolist() == [2]
    with pytest.raises(fb.UserError, match="follows from no predictions"):
        fb.leaderboard(results, rank_by="loss")


def test_columns_and_their_order_are_chosen(results):
    board = fb.leaderboard(results, columns=["model", "seeds"], sort="accuracy", reverse=True, single=False)
    assert list(board.frame)[-2:] == ["model", "seeds"]
    assert board.frame["model"].tolist() == ["bad", "good"]
    single = fb.leaderboard(results, where=["model=good"], single=True, sort="seed")
    assert single.frame["seed"].tolist() == [0, 1, 2]
    assert "accuracy" in single.frame
    (failed,) = single.document()["unfinished"] or fb.leaderboard(results).unfinished
    assert failed.name == "broken"
    with pytest.raises(fb.UserError, match="there is no column 'acuracy'"):
        fb.leaderboard(results, sort="acuracy")


def test_a_directory_that_is_not_there_is_said(tmp_path):
    board = fb.leaderboard(tmp_path / "none")
    assert str(board) == f"there is no directory {tmp_path / 'none'}"
    assert str(tmp_path / "none") in board._repr_html_()
    assert (board.known, len(board.groups)) == (0, 0)
    assert str(fb.leaderboard(tmp_path)) == "no results yet"
