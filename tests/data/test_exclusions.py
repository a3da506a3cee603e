"""Lists of samples that are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench import UserError
from ferbench.data.exclusions import listed_ids


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_list_that_a_spreadsheet_saved_is_read(tmp_path: Path, between: str) -> None:
    path = tmp_path / "left-out.csv"
    path.write_text(f"\ufeffid{between}reason\r\nab.png{between}leak\r\n", encoding="utf-8")
    assert listed_ids(path, "--without").tolist() == ["ab.png"]


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "left-out.csv"
    path.write_text("id,reason,id\na.png,leak,b.png\n")
    with pytest.raises(UserError, match="column 'id' is there twice"):
        listed_ids(path, "--without")
