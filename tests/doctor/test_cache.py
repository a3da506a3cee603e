"""What ``ferbench doctor`` says of a cache of packs, and what it mends."""

from __future__ import annotations

import pytest

from ferbench.data.pack_cache import lock_path, pack_dataset
from ferbench.doctor.cache import check_cache
from ferbench.locks import holder_path, holding
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces


@pytest.fixture
def pack(tmp_path):
    return pack_dataset(synthetic_faces(None, train=14, test=7, size=16), name="synthetic-faces", cache=tmp_path)


def said(cache, level):
    return [one.what for one in check_cache(cache) if one.level == level]


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
