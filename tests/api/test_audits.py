"""Audits from Python."""

from __future__ import annotations

import pandas as pd
import pytest

import ferbench as fb

TRUE = pd.DataFrame(
    {
        "class": ["happy", "sad", "macro avg", "accuracy"],
        "precision": ["0.50", "1.00", "0.75", ""],
        "recall": ["1.00", "0.50", "0.75", ""],
        "f1": ["0.67", "0.67", "0.67", "0.67"],
        "support": [1, 2, 3, 3],
    }
)


def test_a_frame_is_audited_as_a_file_is(tmp_path):
    TRUE.to_csv(tmp_path / "table.csv", index=False)
    of_frame, of_file = fb.audit_table(TRUE), fb.audit_table(tmp_path / "table.csv")
    assert of_frame.verdict == of_file.verdict == "consistent"
    assert of_frame.document() == of_file.document()
    assert of_frame.confusion.to_numpy().tolist() == [[1, 0], [1, 1]]
    assert fb.audit_table(TRUE.set_index("class")).verdict == "consistent"
    assert fb.audit_table(TRUE.set_index("class").rename_axis(None)).verdict == "consistent"


def test_impossible_numbers_are_told():
    wrong = TRUE.replace("0.67", "0.80")
    audit = fb.audit_table(wrong)
    assert audit.verdict == "inconsistent"
    assert "cannot hold together" in str(audit)
    assert repr(audit) == "<TableAudit of the frame: inconsistent>"


def test_a_frame_that_is_no_table_is_refused():
    with pytest.raises(fb.UserError):
        fb.audit_table(pd.DataFrame({"a": [1]}))


def test_a_dataset_is_audited(tmp_path):
    audit = fb.audit_data(
        "synthetic-faces", settings={"dataset.train": 60, "dataset.test": 35}, near=False, cache=tmp_path
    )
    assert audit.document()["images"] == 95
    assert list(audit.frame) == ["id", "reason"]
    audit.write_exclusions(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").is_file()
    with pytest.raises(fb.UserError, match=r"training\.epochs has no say in an audit"):
        fb.audit_data("synthetic-faces", settings={"training.epochs": 1}, cache=tmp_path)
    with pytest.raises(fb.UserError, match="there is no kind 'leek'"):
        audit.exclusions(["leek"])
