"""A cache that a group shares: what one packs, another uses, and nobody takes from the other."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from listed import Listed, good, pack

from ferbench.data.pack import Pack
from ferbench.data.pack_cache import lock_path

GROUP, ANNA, BERT = 54321, 54001, 54002

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may act for other users"
)


@pytest.fixture
def cache() -> Iterator[Path]:
    """A directory of a group, where others get to, unlike to those of pytest."""
    path = Path(tempfile.mkdtemp(prefix="ferbench-group-"))
    os.chown(path, 0, GROUP)
    path.chmod(0o2777)
    yield path
    shutil.rmtree(path)


def as_user(user: int, work: Callable[[], Any], umask: int = 0o002) -> str:
    """What a user of the group is given by ``work`` in a process of their own, and what is logged meanwhile."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        said: list[str] = []
        try:
            os.umask(umask)
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(user)
            handler = logging.Handler()
            handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
            logging.getLogger("ferbench.data.pack_cache").addHandler(handler)
            said.append(str(work()))
        except BaseException as error:
            said.append(f"{type(error).__name__}: {error}")
        finally:
            os.write(writing, "\n".join(said).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text


def packed(cache: Path, stamp: str = "first", count: int = 8) -> str:
    dataset = Listed(good(count), stamp=stamp)
    found: Pack = pack(dataset, cache)
    return f"reads {dataset.reads}, {found.path.name}"


def test_what_one_packs_is_as_open_as_their_umask_and_serves_the_other(cache: Path) -> None:
    before = as_user(ANNA, lambda: packed(cache))
    assert before.startswith("reads 1, ")
    for path in [*cache.rglob("*")]:
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (ANNA, GROUP), path
        assert stat.S_IMODE(status.st_mode) == (0o2775 if path.is_dir() else 0o664), path
    assert as_user(BERT, lambda: packed(cache)) == before.replace("reads 1", "reads 0")
    assert as_user(BERT, lambda: packed(cache, "second", 10)).startswith("reads 1, ")
    assert as_user(ANNA, lambda: packed(cache, "second", 10)).startswith("reads 0, ")


def test_a_pack_that_may_not_be_read_is_no_damaged_one(cache: Path) -> None:
    as_user(ANNA, lambda: packed(cache))
    (path,) = (cache / "packs").iterdir()
    path.chmod(0o700)  # as older releases made it
    number = path.stat().st_ino
    for stamp in ("first", "copied"):  # known by its source, or met when the same content has been built
        message, remedy = as_user(BERT, lambda stamp=stamp: packed(cache, stamp)).splitlines()
        assert message == f"UserError: {path} may not be read: Permission denied"
        assert f"chmod -R g+rX {path}" in remedy
        assert "--cache" in remedy
    assert path.stat().st_ino == number
    assert [entry.name for entry in (cache / "packs").iterdir()] == [path.name]


def test_a_damaged_pack_of_another_is_replaced(cache: Path) -> None:
    as_user(ANNA, lambda: packed(cache))
    (path,) = (cache / "packs").iterdir()
    (path / "images.bin").write_bytes(b"short")
    assert "building it again\nreads 1" in as_user(BERT, lambda: packed(cache))
    assert path.stat().st_uid == BERT
    assert [entry.name for entry in (cache / "packs").iterdir()] == [path.name]


def test_what_cannot_be_cleared_away_is_said(cache: Path) -> None:
    as_user(ANNA, lambda: packed(cache))
    left = cache / "packs" / ".building-0123-xyz"
    as_user(ANNA, lambda: [left.mkdir(0o755), (left / "images.bin").write_bytes(b"half")], umask=0o022)
    line, found = as_user(BERT, lambda: packed(cache, "second", 10)).splitlines()
    assert line.startswith(f"{left} is of no use any more and cannot be removed (Permission denied)")
    assert found.startswith("reads 1, ")
    assert as_user(ANNA, lambda: packed(cache, "third", 12)).startswith("reads 1, ")
    assert not left.exists()


def test_a_lock_that_only_its_owner_may_open_is_in_nobodys_way(cache: Path) -> None:
    as_user(ANNA, lambda: packed(cache))
    left, lock = cache / "packs" / ".building-0123-xyz", lock_path(cache, "0123")
    as_user(ANNA, lambda: [left.mkdir(), lock.touch()], umask=0o077)
    line, found = as_user(BERT, lambda: packed(cache, "second", 10)).splitlines()
    assert line.startswith(f"{left} is another user's")
    assert found.startswith("reads 1, ")


def test_a_cache_of_another_that_may_only_be_read_serves(cache: Path) -> None:
    as_user(ANNA, lambda: packed(cache), umask=0o022)
    assert as_user(BERT, lambda: packed(cache)).startswith("reads 0, ")
    message, remedy = as_user(BERT, lambda: packed(cache, "second", 10)).splitlines()
    assert message.startswith("UserError: cannot write to")
    assert "--cache" in remedy
