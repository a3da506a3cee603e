"""Packs whose files are not what ferbench writes: each is damaged, soon and in little memory."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listed import Listed, good, pack

from ferbench.data.columns import array_sha256, content_digest
from ferbench.data.images import DamagedPack
from ferbench.data.pack import GRAY_FILE, open_pack


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack with every column but ``source``, never to be written to."""
    items = good(valence=0.5, votes=(1.0, 2.0), subject="s", clip="c", frame=1)
    return pack(Listed(items, channels=3, stored_size=(3, 3)), tmp_path_factory.mktemp("cache")).path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "pack"))


FILES = ["pack.json", "images.bin", GRAY_FILE, "columns/ids.npy", "columns/labels.npy", "columns/votes.npy"]


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link(file: Path) -> None:
    file.rename(file.parent / "elsewhere")
    file.symlink_to("elsewhere")


def endless(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def nothing(file: Path) -> None:
    file.write_bytes(b"")


def brackets(file: Path) -> None:
    file.write_bytes(b"[" * 100_000)


def holes(file: Path) -> None:
    os.truncate(file, 2**40)


@pytest.mark.parametrize(
    "harm", [fifo, link, endless, folder, nothing, brackets, holes], ids=lambda harm: harm.__name__
)
@pytest.mark.parametrize("file", FILES)
def test_what_lies_in_place_of_a_file_is_damage(path: Path, file: str, harm: Callable[[Path], None]) -> None:
    harm(path / file)
    with pytest.raises(DamagedPack) as caught:
        open_pack(path)
    assert "\n" not in caught.value.message
    assert Path(file).stem in caught.value.message


def test_folders_may_be_links(path: Path, tmp_path: Path) -> None:
    (path / "columns").rename(tmp_path / "columns")
    (path / "columns").symlink_to(tmp_path / "columns")
    (tmp_path / "link").symlink_to(path)
    assert open_pack(tmp_path / "link").damaged_rows() == []


@pytest.mark.parametrize(
    "value",
    [[], {}, None, 1, "x", {"format": 1}, {"format": [1]}, {"format": "1" * 9999}],
    ids=lambda value: repr(value)[:20],
)
def test_a_description_that_is_none_is_damage(path: Path, value: Any) -> None:
    (path / "pack.json").write_text(json.dumps(value))
    with pytest.raises(DamagedPack, match=r"pack\.json") as caught:
        open_pack(path)
    assert len(caught.value.message) < 300 + len(str(path))


def changed(path: Path, **changes: Any) -> None:
    """Changes a description and names the pack anew, as somebody does who means it."""
    description = json.loads((path / "pack.json").read_bytes()) | changes
    description["digest"] = content_digest(description)
    (path / "pack.json").write_text(json.dumps(description))


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 10**15},
        {"rows": 0},
        {"rows": -8},
        {"rows": 8.0},
        {"image_shape": [3, 3]},
        {"image_shape": [3, 3, 10**12]},
        {"image_shape": [3, -3, -3]},
        {"class_names": []},
        {"class_names": ["calm"]},
        {"class_names": ["calm", "glad", "sad"]},
        {"parts": ["train"]},
        {"columns": {}},
    ],
    ids=str,
)
def test_a_description_of_something_else_is_damage_whatever_its_digest(path: Path, changes: dict[str, Any]) -> None:
    changed(path, **changes)
    with pytest.raises(DamagedPack):
        open_pack(path)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("labels", np.full(8, 2, dtype=np.int16)),
        ("labels", np.full(8, -1, dtype=np.int16)),
        ("labels", np.zeros(8, dtype=np.int64)),
        ("labels", np.zeros((8, 1), dtype=np.int16)),
        ("part", np.full(8, 7, dtype=np.int8)),
        ("pixel_hashes", np.zeros((8, 15), dtype=np.uint8)),
        ("stored_hashes", np.zeros((8, 16), dtype=np.uint8)),
        ("ids", np.full(8, "x" * 513)),
        ("ids", np.arange(8)),
        ("ids", np.array([[1]] * 8, dtype=object)),
        ("votes", np.zeros((8, 3), dtype=np.float32)),
        ("other", np.zeros(8)),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.dtype}{list(value.shape)}",
)
def test_a_column_that_cannot_be_one_is_damage_whatever_its_digest(path: Path, name: str, values: np.ndarray) -> None:
    np.save(path / "columns" / f"{name}.npy", values, allow_pickle=True)
    columns = json.loads((path / "pack.json").read_bytes())["columns"]
    sha256 = "0" * 64 if values.dtype.hasobject else array_sha256(values)
    columns[name] = {"dtype": values.dtype.str, "shape": list(values.shape), "sha256": sha256}
    changed(path, columns=columns)
    with pytest.raises(DamagedPack):
        open_pack(path)


def test_every_column_is_vouched_for(path: Path) -> None:
    for file in [*(path / "columns").iterdir(), path / GRAY_FILE]:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(DamagedPack, match=f"column '{file.stem}' has changed"):
            open_pack(path)
        file.write_bytes(content)
    assert len(open_pack(path)) == 8


def test_gray_hashes_that_an_older_release_did_not_describe_are_read(path: Path) -> None:
    known = open_pack(path).gray_hashes
    changed(path, gray=None)
    np.testing.assert_array_equal(open_pack(path).gray_hashes, known)
    np.save(path / GRAY_FILE, np.zeros((7, 16), dtype=np.uint8))
    with pytest.raises(DamagedPack, match="'gray' is not as described"):
        open_pack(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_changed_bytes_of_a_description_end_in_a_pack_or_in_an_error(path: Path, data: st.DataObject) -> None:
    before = (path / "pack.json").read_bytes()
    content = bytearray(before)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (path / "pack.json").write_bytes(content)
    try:
        assert len(open_pack(path)) == 8
    except DamagedPack:
        pass
    finally:
        (path / "pack.json").write_bytes(before)


def test_a_header_of_a_column_that_lies_takes_no_memory(path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<i2", "fortran_order": False, "shape": (10**14,)})
    (path / "columns" / "labels.npy").write_bytes(buffer.getvalue())
    with pytest.raises(DamagedPack, match="other bytes than its header says"):
        open_pack(path)
