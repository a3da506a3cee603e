"""What the user has said before is in a folder that nobody else may write into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ferbench.experiment.known import is_known, remember


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ferbench" / "said"


def test_what_was_said_is_known_and_nothing_else(home):
    remember("data", "path", "/faces")
    assert is_known("data", "path", "/faces")
    assert not is_known("data", "path", "/other")
    assert not is_known("data", "path")
    assert b"faces" not in b"".join(path.name.encode() + path.read_bytes() for path in home.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="modes")
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_into_knows_nothing(home, mode):
    remember("data", "path", "/faces")
    home.chmod(mode)
    assert not is_known("data", "path", "/faces")


def test_a_link_in_its_place_knows_nothing(home, tmp_path):
    remember("data", "path", "/faces")
    home.rename(tmp_path / "theirs")
    home.symlink_to(tmp_path / "theirs")
    assert not is_known("data", "path", "/faces")


def test_where_nothing_can_be_written_nothing_is_known(home, monkeypatch, tmp_path):
    Path(tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    remember("data", "path", "/faces")
    assert not is_known("data", "path", "/faces")
