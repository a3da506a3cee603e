"""What a reader of a later evaluation is told."""

from __future__ import annotations

from ferbench.records.evaluation import EvaluationEntry
from ferbench.runs import remarks as module

NONE = {"same": 0, "copies": 0}
TESTED = {"dataset": "faces", "synthetic": False, "protocol": "official", "class_names": []}


def remarks(entry):
    plain = {"split": "test", "rows_digest": "v1:r", "n": 4, "metrics": {}, "per_class": {}}
    return module.remarks(EvaluationEntry.model_validate(plain | entry))


def test_a_runs_own_evaluation_needs_no_remark():
    assert remarks({"split": "test", "metrics": {}}) == []


def test_classes_that_only_one_side_knows_are_named():
    entry = {
        "left_out": {"pain": 1200, "contempt": 3},
        "data": TESTED | {"only_model": ["disgust"]},
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


def scored(**supports):
    return {"split": "test", "per_class": {name: {"support": n} for name, n in supports.items()}}


def test_classes_without_a_sample_are_counted_with_what_averages_make_of_them():
    assert remarks(scored(fear=0, happy=4, pain=0)) == [
        "2 of 3 classes have no test sample (fear, pain): macro-F1 counts them as 0, balanced accuracy leaves them out"
    ]
    assert remarks(scored(fear=0, happy=4)) == [
        "1 of 2 classes has no test sample (fear): macro-F1 counts it as 0, balanced accuracy leaves it out"
    ]


def test_a_class_that_macro_averages_leave_out_is_not_said_to_count_as_0():
    (line,) = remarks({**scored(fear=0, happy=4), "data": TESTED | {"only_model": ["fear"]}})
    assert "the dataset does not know: fear" in line
