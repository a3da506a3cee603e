"""Files of ferbench's own making, whoever made them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.bounded import (
    DEEPEST,
    Damaged,
    TooLarge,
    arrays,
    from_json,
    opened,
    read_arrays,
    read_file,
    read_given,
    refuse_cut_tensors,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    assert read_file(file) == b"content"
    assert read_file(file, largest=7) == b"content"
    with pytest.raises(Damaged, match="it has 7 bytes, 6 at most"):
        read_file(file, largest=6)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("folder").mkdir()
    Path("file").touch()
    Path("link").symlink_to("file")
    Path("endless").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    try:
        for name in ("pipe", "folder", "link", "endless", "socket"):
            with pytest.raises(Damaged), opened(Path(name)):
                pass
        with pytest.raises(Damaged):
            read_file(Path("/dev/zero"))
    finally:
        server.close()


def test_folders_on_the_way_may_be_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    assert read_file(tmp_path / "link" / "file") == b"x"


@given(VALUES)
def test_json_is_read_as_json_reads_it(value: Any) -> None:
    for ascii_only in (True, False):
        content = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        assert from_json(content) == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"NaN",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 500 + b"]" * 500,
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b'["\\ud800", ' + b"[" * 100_000,
        b'["\\ud800", NaN]',
    ],
)
def test_what_is_no_json_of_sane_depth_is_refused(content: bytes) -> None:
    with pytest.raises(Damaged):
        from_json(content)


def test_json_of_some_depth_is_read() -> None:
    content = b"[" * DEEPEST + b"]" * DEEPEST
    assert json.loads(content) == from_json(content)
    assert len(from_json(b"[" + b",".join([b"[{}]"] * 1000) + b"]")) == 1000


def _archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_arrays_come_back() -> None:
    written = {
        "ids": np.array(["a", "ß", ""]),
        "truth": np.arange(3),
        "none": np.zeros((0, 7), np.float32),
        "column:clip": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "scalar": np.float64(2.5),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **written)  # type: ignore[arg-type]
    read = arrays(buffer.getvalue())
    assert list(read) == list(written)
    for name, array in written.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


def test_what_unpacks_out_of_proportion_is_refused() -> None:
    with pytest.raises(Damaged, match="unpack to"):
        arrays(_archive(a=_npy(np.zeros(80 * 2**20, np.uint8))))
    assert len(arrays(_archive(a=_npy(np.zeros(2**20, np.uint8))))["a"]) == 2**20


def test_a_header_that_claims_more_than_there_is_is_refused() -> None:
    content = bytearray(_npy(np.zeros(100, np.uint8)))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }"
    content[10 : 10 + len(header)] = header
    with pytest.raises(Damaged):
        arrays(_archive(a=bytes(content)))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "sprung",)

    with pytest.raises(Damaged):
        arrays(_archive(a=_npy(np.array([Trap()], dtype=object))))
    assert not (tmp_path / "sprung").exists()


@given(st.data())
def test_changed_bytes_end_in_arrays_or_in_an_error(data: st.DataObject) -> None:
    content = bytearray(_archive(a=_npy(np.arange(50)), b=_npy(np.array(["x", "y"]))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    try:
        read = arrays(bytes(content))
    except Damaged:
        return
    assert all(isinstance(array, np.ndarray) for array in read.values())


def test_a_member_that_lies_about_its_size_is_refused() -> None:
    content = _archive(a=_npy(np.zeros(1000, np.uint8)))
    directory = content.index(b"PK\x01\x02")
    lie = content[: directory + 24] + struct.pack("<I", 2**32 - 2) + content[directory + 28 :]
    with pytest.raises(Damaged):
        arrays(lie)


def test_json_of_very_many_values_is_refused() -> None:
    with pytest.raises(Damaged, match="more than 10 values"):
        from_json(b"[" + b",".join([b"1"] * 20) + b"]", most=10)
    assert len(from_json(b"[" + b",".join([b"1"] * 10) + b"]", most=10)) == 10


def test_a_file_that_a_user_names_may_be_a_link_or_a_descriptor_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_given(tmp_path / "link") == b"content"
    end, other = os.pipe()
    os.write(other, b"through a pipe")
    os.close(other)
    assert read_given(Path(f"/dev/fd/{end}")) == b"through a pipe"
    os.close(end)
    with pytest.raises(OSError, match="Bad file descriptor"):
        read_given(Path(f"/dev/fd/{end}"))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(Damaged, match="no regular file"):
            read_given(path)
    with pytest.raises(IsADirectoryError):
        read_given(tmp_path)
    with pytest.raises(TooLarge):
        read_given(tmp_path / "file", largest=6)


def test_an_endless_descriptor_is_read_only_so_far() -> None:
    with Path("/dev/zero").open("rb") as endless, pytest.raises(TooLarge):
        read_given(Path(f"/dev/fd/{endless.fileno()}"), largest=1000)


def test_an_archive_is_not_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(_archive(a=_npy(np.arange(3))))
    assert read_arrays(path)["a"].tolist() == [0, 1, 2]
    os.truncate(path, 2**36)
    with pytest.raises(Damaged):
        read_arrays(path)


def test_tensors_have_the_size_that_their_header_says(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    header = b'{"__metadata__":{},"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}'
    whole = len(header).to_bytes(8, "little") + header + b"abc"
    for content, fine in (
        (whole, True),
        (whole[:-1], False),
        (whole + b"d", False),
        (b"", False),
        (b"\xff" * 20, False),
        (whole[:8] + b"[" * len(header) + b"abc", False),
        (whole.replace(b"[0,3]", b'"3"  '), False),
    ):
        path.write_bytes(content)
        with opened(path) as file, contextlib.nullcontext() if fine else pytest.raises(Damaged):
            refuse_cut_tensors(file)
            assert file.read() == content


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="holes cannot be found here")
def test_a_file_of_holes_is_not_read_for_hours(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"begins")
    os.truncate(path, 2**40)
    with pytest.raises(Damaged, match="holes"), opened(path):
        pass
    # A copy may have been made with holes for zeros: that is in proportion.
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
        file.seek(64 * 2**20)
        file.write(bytes(2**20 - 4) + b"ends")
    with opened(path) as file:
        assert file.tell() == 0
        assert len(file.read(100)) == 100
