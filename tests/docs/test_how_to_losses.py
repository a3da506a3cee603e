"""What the page on losses for rare classes and wrong labels tells a reader to do, done."""

from __future__ import annotations

from followed import FACES, SMALL, do, text_of


def test_rare_classes_and_wrong_labels(ferbench_cli, tmp_path):
    page = text_of("how-to/rare-classes-and-wrong-labels.md")
    ran, ran_ldam, board, ran_noisy, *_ = do(ferbench_cli, tmp_path, page, (*SMALL, *FACES)).values()
    assert [said.count("macro average") for said in (ran, ran_ldam, ran_noisy)] == [6, 2, 3]
    assert "balanced-softmax" in board
