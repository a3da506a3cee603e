"""What ``ferbench doctor`` says of a cache of packs, and what it mends."""

from __future__ import annotations

import os

import pytest

from ferbench.data.pack_cache import lock_path, pack_dataset
from ferbench.doctor.cache import check_cache
from ferbench.locks import holder_path, holding
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces


@pytest.fixture
def pack(tmp_path):
    return pack_dataset(synthetic_faces(None, train=14, test=7, size=16), name="synthetic-faces", cache=tmp_path)


def said(cache, level, **options):
    return [one.what for one in check_cache(cache, **options) if one.level == level]


def half_pack(cache):
    path = cache / "packs" / ".building-0a1b2c-xyz"
    path.mkdir()
    (path / "images.bin").write_bytes(b"half")
    return path


def test_a_cache_in_order_has_no_problems(tmp_path, pack):
    (found,) = check_cache(tmp_path)
    assert found.level == "ok"
    assert f"cache {tmp_path}: 1 packs, " in found.what


def test_there_need_be_no_cache(tmp_path):
    (found,) = check_cache(tmp_path / "nothing")
    assert found.level == "ok"
    assert not (tmp_path / "nothing").exists()


def test_a_damaged_pack_is_a_problem(tmp_path, pack):
    (pack.path / "images.bin").write_bytes(b"short")
    (what,) = said(tmp_path, "problem")
    assert str(pack.path) in what


def flip(pack, row):
    with (pack.path / "images.bin").open("r+b") as file:
        file.seek(row * 256)
        byte = file.read(1)
        file.seek(row * 256)
        file.write(bytes([byte[0] ^ 1]))


def test_a_deep_look_finds_every_changed_image_and_names_the_dataset(tmp_path):
    dataset = synthetic_faces(None, train=140, test=7, size=16)
    large = pack_dataset(dataset, name="synthetic-faces", cache=tmp_path)
    assert said(tmp_path, "ok", deep=True)[1:] == [
        f"pack {large.path.name} of synthetic-faces: all 147 images are what was packed"
    ]
    flip(large, 1)
    assert said(tmp_path, "problem") == []
    (found,) = [one for one in check_cache(tmp_path, deep=True) if one.level == "problem"]
    assert found.what == f"the pack {large.path} cannot be used: the image of row 1 has changed"
    assert "'synthetic-faces'" in found.remedy


def test_a_damaged_pack_that_no_dataset_has_become_is_to_be_removed(tmp_path, pack):
    for path in (tmp_path / "sources").iterdir():
        path.unlink()
    (pack.path / "images.bin").write_bytes(b"short")
    (found,) = [one for one in check_cache(tmp_path) if one.level == "problem"]
    assert found.remedy.startswith(f"remove {pack.path}")


def test_a_pack_under_another_name_is_a_problem(tmp_path, pack):
    pack.path.rename(pack.path.with_name("0123456789abcdef"))
    (what,) = said(tmp_path, "problem")
    assert what.endswith("it is another one than its name says")


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, None])
def test_a_source_record_that_is_none_is_noted(tmp_path, pack, content):
    (record,) = (tmp_path / "sources").iterdir()
    record.unlink()
    if content is None:
        os.mkfifo(record)
    else:
        record.write_bytes(content)
    assert said(tmp_path, "problem") == []
    assert any(what.startswith(f"{record} is damaged: ") for what in said(tmp_path, "note"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_whatever_lies_among_packs_is_looked_at(tmp_path, pack, make):
    make(tmp_path / "packs" / "0123456789abcdef")
    (what,) = said(tmp_path, "problem")
    assert "0123456789abcdef" in what


def test_a_pack_of_no_known_dataset_is_noted(tmp_path, pack):
    for path in (tmp_path / "sources").iterdir():
        path.unlink()
    assert said(tmp_path, "problem") == []
    (what,) = said(tmp_path, "note")
    assert pack.path.name in what


def test_half_a_pack_is_removed(tmp_path, pack):
    left = half_pack(tmp_path)
    (found,) = [one for one in check_cache(tmp_path) if one.level == "problem"]
    assert str(left) in found.what
    found.fix()
    assert not left.exists()
    assert pack.path.exists()


def test_a_pack_that_is_being_built_is_left_alone(tmp_path, pack):
    left = half_pack(tmp_path)
    (found,) = [one for one in check_cache(tmp_path) if one.level == "problem"]
    with holding(lock_path(tmp_path, "0a1b2c"), "a dataset"):
        assert said(tmp_path, "problem") == []
        found.fix()  # the builder came after the look
        assert left.exists()


def test_the_holder_that_a_killed_builder_left_is_removed(tmp_path, pack):
    holder = holder_path(lock_path(tmp_path, "0a1b2c"))
    holder.write_bytes(b"")
    (found,) = [one for one in check_cache(tmp_path) if one.level == "problem"]
    assert str(holder) in found.what
    found.fix()
    assert not holder.exists()
