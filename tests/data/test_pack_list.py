"""The packs of a cache, and ``ferbench cache``, which lists and removes them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from listed import Listed, good, pack

from ferbench.data.pack_list import kept_packs


@pytest.fixture
def cache(tmp_path):
    pack(Listed(good()), tmp_path / "cache")
    return tmp_path / "cache"


def test_a_list_has_the_dataset_and_what_it_takes(cache, ferbench_cli):
    (one,) = json.loads(ferbench_cli("cache", "list", "--json", "--cache", str(cache)).stdout)
    path = Path(one["path"])
    assert one["bytes"] == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert one["rows"] == len(good())
    (name,) = one["datasets"]
    shown = ferbench_cli("cache", "list", "--cache", str(cache)).stdout
    assert name in shown
    assert one["pack"] in shown


def test_rm_says_what_goes_and_the_dataset_is_packed_again(cache, ferbench_cli):
    (one,) = kept_packs(cache)
    for named in (one.datasets[0], one.path.name[:6]):
        assert (
            "would be removed: 1 pack" in ferbench_cli("cache", "rm", named, "--dry-run", "--cache", str(cache)).stdout
        )
    assert "removed: 1 pack" in ferbench_cli("cache", "rm", one.path.name, "--yes", "--cache", str(cache)).stdout
    assert kept_packs(cache) == []
    assert not list((cache / "packs").iterdir())
    again = pack(Listed(good()), cache)
    assert again.path == one.path


def test_rm_of_unused_ones_leaves_what_was_read_lately(cache, ferbench_cli):
    rm = ("cache", "rm", "--all", "--unused", "30", "--yes", "--cache", str(cache))
    assert "nothing to remove" in ferbench_cli(*rm).stdout
    (one,) = kept_packs(cache)
    old = time.time() - 31 * 86_400
    for file in one.path.rglob("*"):
        os.utime(file, (old, old))
    assert "removed: 1 pack" in ferbench_cli(*rm).stdout


def test_a_damaged_pack_can_go_too(cache, ferbench_cli):
    (one,) = kept_packs(cache)
    (one.path / "pack.json").write_text("{")
    assert "damaged" in ferbench_cli("cache", "list", "--cache", str(cache)).stdout
    assert ferbench_cli("cache", "rm", one.path.name, "--yes", "--cache", str(cache)).exit_code == 0
    assert kept_packs(cache) == []


@pytest.mark.parametrize("wrong", [(), ("--all", "name"), ("unknown",), ("abc",)])
def test_nothing_goes_that_was_not_meant(cache, ferbench_cli, wrong):
    assert ferbench_cli("cache", "rm", *wrong, "--yes", "--cache", str(cache)).exit_code == 2
    assert len(kept_packs(cache)) == 1
