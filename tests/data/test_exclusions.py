"""Lists of samples that are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench import UserError
from ferbench.data.exclusions import listed


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_list_that_a_spreadsheet_saved_is_read(tmp_path: Path, between: str) -> None:
    path = tmp_path / "left-out.csv"
    path.write_text(f"\ufeffid{between}reason\r\nab.png{between}leak\r\n", encoding="utf-8")
    assert listed(path, "--without") == {"ab.png": "leak"}


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "left-out.csv"
    path.write_text("id,reason,id\na.png,leak,b.png\n")
    with pytest.raises(UserError, match="column 'id' is there twice"):
        listed(path, "--without")


def test_a_sample_that_is_listed_for_a_leak_too_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "left-out.csv"
    path.write_text("id,reason\na,mislabelled\na, Leak \nb,copy\nb,mislabelled\nc,MISLABELED\nd,\n")
    assert listed(path, "--without") == {"a": "leak", "b": "copy", "c": "mislabeled", "d": ""}
