"""Lists of samples that are left out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ferbench import UserError
from ferbench.data.exclusions import MISSING_SHOWN, excluded_rows, listed, matched, write_exclusions

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


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


@example(["a\rb", "a\nb", "a\r\nb", "\r", "\n", "a"])
@example([" a", "a ", "\ta", "\ufeffa", "\ufeff", "  "])
@example(["a,b", "a;b", 'a"b', '"a"', "'a", "a\tb", '"', ","])
@example(["=1+1", "+1", "-1", "@x", "id", "reason", "NA", "nan", "1"])
@example(["a\x00b", "\x85", "\u2028", "\x0b\x0c\x1c"])
@given(st.lists(IDS, unique=True, min_size=1, max_size=8))
def test_ids_that_are_written_are_the_ids_that_are_read(ids: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "left-out.csv"
        write_exclusions(path, [(sample, "leak") for sample in ids])
        assert listed(path, "data.exclude") == dict.fromkeys(ids, "leak")


def test_a_list_of_plain_ids_is_plain_csv(tmp_path: Path) -> None:
    write_exclusions(tmp_path / "left-out.csv", [("test/a.png", "leak")])
    assert (tmp_path / "left-out.csv").read_bytes() == b"id,reason\ntest/a.png,leak\n"


def test_ids_that_no_sample_has_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    path = tmp_path / "left-out.csv"
    unknown = [f"unknown-{number:,}" for number in range(1200)]
    write_exclusions(path, [("a", "leak"), *((sample, "") for sample in unknown), ("b", "copy")])
    found = matched(str(path), np.array(["a", "b", "c"]))
    assert (found.listed, found.found, found.missing) == (1202, 2, tuple(unknown))
    assert found.line("faces") == (
        f"data.exclude: {path}: 2 of 1,202 ids found in faces; not found: "
        + ", ".join(f"'{sample}'" for sample in unknown[:MISSING_SHOWN])
        + " and 1,195 more"
    )


def test_what_is_all_found_is_said_in_short(tmp_path: Path) -> None:
    path = tmp_path / "left-out.csv"
    write_exclusions(path, [("a", "leak")])
    assert matched(str(path), np.array(["a"])).line("faces") == f"data.exclude: {path}: 1 of 1 id found in faces"


def test_a_list_of_which_nothing_is_found_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "left-out.csv"
    write_exclusions(path, [("b", "leak")])
    with pytest.raises(UserError, match="names no sample of 'faces', such as 'a'"):
        excluded_rows(str(path), np.array(["a"]), "faces")
