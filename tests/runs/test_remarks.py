"""What a reader of a later evaluation is told."""

from __future__ import annotations

from ferbench.runs.remarks import remarks

NONE = {"same": 0, "copies": 0}


def test_a_runs_own_evaluation_needs_no_remark():
    assert remarks({"split": "test", "metrics": {}}) == []


def test_classes_that_only_one_side_knows_are_named():
    entry = {
        "left_out": {"pain": 1200, "contempt": 3},
        "data": {"only_model": ["disgust"]},
        "seen": {"train": NONE, "validation": NONE, "contaminated": False},
    }
    first, second = remarks(entry)
    assert "1,203 samples" in first
    assert "pain 1,200, contempt 3" in first
    assert "does not know: disgust" in second


def test_copies_within_a_protocol_are_told_from_contamination():
    seen = {"train": {"same": 0, "copies": 4}, "validation": NONE, "contaminated": False}
    assert "on both sides" in remarks({"seen": seen})[0]
    assert "CONTAMINATED" in remarks({"seen": {**seen, "contaminated": True}})[0]
