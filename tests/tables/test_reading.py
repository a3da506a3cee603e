"""Tables that somebody else wrote."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench import UserError
from ferbench.tables.reading import (
    csv_columns,
    csv_rows,
    delimiter,
    read_rows,
    read_samples,
    read_table,
    records_of,
    text_lines,
)

#: What UTF-8 can write, line breaks, quotes, NUL and all.
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
CELLS = st.one_of(TEXT, st.sampled_from(["NA", "None", "nan", "null", "1.0", "", " ", '"', "\n", "\r", ",;\t"]))


def written(directory: Path, content: bytes | str) -> Path:
    path = directory / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 5))
    return draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=6))


@given(
    tables(),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_whatever_is_written_is_read_again(tmp_path_factory, rows, between, end, encoding):
    names = [f"column {place}" for place in range(len(rows[0]))]
    file = io.StringIO(newline="")
    # A row of one empty field would be an empty line.
    csv.writer(file, delimiter=between, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    path = written(tmp_path_factory.mktemp("read"), file.getvalue().encode(encoding))
    if len(names) > 1:
        assert delimiter(file.getvalue().partition(end)[0]) == between
        table = read_table(path)
        assert table.to_numpy().tolist() == rows
        assert list(table.columns) == names
        assert all(type(cell) is str for cell in table.to_numpy().ravel())
    else:
        assert read_rows(path).cells == rows


def refusal(read: Callable[[Path], object], path: Path) -> UserError | None:
    try:
        read(path)
    except UserError as error:
        return error
    return None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_an_error(tmp_path_factory, content):
    path = written(tmp_path_factory.mktemp("read"), content)
    readers = (read_table, read_samples, lambda path: list(csv_rows(path, ["a"])), lambda path: csv_columns(path, []))
    for read in readers:
        error = refusal(read, path)
        assert error is None or error.remedy


def test_names_of_classes_that_pandas_takes_for_missing_stay(tmp_path):
    names = ["NA", "None", "nan", "null", "NaN", "N/A", "", "True", "1", "01", "1e3"]
    path = written(tmp_path, "id,class\n" + "".join(f"{place},{name}\n" for place, name in enumerate(names)))
    assert read_samples(path)["class"].tolist() == names
    assert read_samples(path).index.tolist() == [str(place) for place in range(len(names))]


def test_rows_know_the_lines_they_begin_in(tmp_path):
    path = written(tmp_path, 'a,b\n1,"x\ny\r\nz"\n\n   \n2,w\n3,v')
    assert read_table(path).index.tolist() == [2, 7, 8]
    assert read_table(path)["b"].tolist() == ["x\ny\r\nz", "w", "v"]


@pytest.mark.parametrize("header", ["id", "ID", "Id", " id ", "sample_id", "Sample_ID", "sample", "\ufeffid", '"id"'])
def test_ids_are_found_however_their_column_is_spelled(tmp_path, header):
    table = read_samples(written(tmp_path, f"x;{header}\n1;a\n2;b\n".replace("x;\ufeff", "\ufeffx;")))
    assert table.index.name == "id"
    assert table.index.tolist() == ["a", "b"]
    assert table["x"].tolist() == ["1", "2"]


def test_columns_without_a_name_are_left_out(tmp_path):
    table = read_table(written(tmp_path, ",a,\n0,x,\n1,y,z\n"))
    assert list(table.columns) == ["a"]
    assert table["a"].tolist() == ["x", "y"]


def test_a_table_may_have_very_many_columns(tmp_path):
    names = [f"c{place}" for place in range(100_000)]
    path = written(tmp_path, f"{','.join(names)}\n{','.join(['7'] * len(names))}\n")
    assert read_table(path)["c99999"].tolist() == ["7"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no rows"),
        (b"\n\n", "has no rows"),
        (b"id,a\n", "has no rows"),
        (b"id,a", "has no rows"),
        (b"id,a\n1\n", "line 2: it has not 2 fields as the header"),
        (b"id,a\n1,2\n1,2,3\n", "line 3: it has not 2 fields as the header"),
        (b"id,a,id\n1,2,3\n", "column 'id' is there twice"),
        (b'id,a\n1,"2', "is not CSV, line 2: unexpected end of data"),
        (b'id,a\n1,"2"x\n', "is not CSV, line 2"),
        (b"id,a\n1,fr\xf6hlich\n", "is not text in UTF-8"),
        (b"\xff\xfei\0d", "is not text in UTF-8|has no rows"),
        (b"id,a\n1," + b"x" * 200_000 + b"\n", "is not CSV, line 2: field larger"),
        (b"a,b\n1,2\n", "has no column 'id'; its columns: a, b"),
        (b"id,ID\n1,2\n", "columns 'id' and 'ID' say the same thing"),
        (b"id,a\nx,1\ny,2\nx,3\n", "line 4: the id 'x' stands there twice"),
    ],
)
def test_what_is_no_table_of_samples_is_said(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read_samples(written(tmp_path, content))


def test_what_is_no_file_is_said(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    both = {"none.csv": "No such file", ".": "Is a directory"}
    for name, message in {**both, "pipe": "no regular file", "a\0b": "null byte"}.items():
        with pytest.raises(UserError, match=message):
            read_table(tmp_path / name)
    for name, message in {**both, "pipe": "no regular file"}.items():
        with pytest.raises(UserError, match=message):
            list(csv_rows(tmp_path / name, ["a"]))


def test_a_pipe_that_somebody_writes_to_is_read():
    end, other = os.pipe()
    os.write(other, b"id,a\n1,2\n")
    os.close(other)
    assert read_table(Path(f"/dev/fd/{end}"))["a"].tolist() == ["2"]
    os.close(end)


def test_a_comma_within_quotes_separates_nothing():
    assert delimiter('"a, b, c";d') == ";"
    assert records_of('"a, b, c";d\n1;2\n', "table") == [(1, ["a, b, c", "d"]), (2, ["1", "2"])]


def test_a_list_of_images_is_read_row_by_row_whatever_is_wrong_with_some(tmp_path):
    path = written(tmp_path, b'\xef\xbb\xbf Path ;"LABEL"\r\na;x\r\n\r\nb\r\nc;"y\r\nd;"z;w"\r\ne;\xff\r\n')
    assert list(csv_rows(path, ["label", "path"])) == [
        (2, ("x", "a")),
        (4, "1 field, expected 2"),
        (5, "malformed CSV: unexpected end of data"),
        (6, ("z;w", "d")),
        (7, ("\udcff", "e")),
    ]
    assert csv_columns(path, ["path"]) == ["path", "label"]


def test_semicolons_within_a_first_row_do_not_count_where_there_is_no_header(tmp_path):
    path = written(tmp_path, "a.png,1;2;3;4,happy\n")
    assert list(csv_rows(path, ["label"], headless=["path", "landmarks", "label"])) == [(1, ("happy",))]


def test_lines_are_bounded(tmp_path):
    with pytest.raises(UserError, match="row 2: a line of 100,000 characters or more"):
        list(text_lines(written(tmp_path, "a\n" + "b" * 100_000)))
    with pytest.raises(UserError, match="UTF-16"):
        list(text_lines(written(tmp_path, "a\n".encode("utf-16"))))
