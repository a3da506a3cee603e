"""What a process changes that is stopped, taken over, and goes on: nothing, wherever it was stopped."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

import pytest
from test_locks import ELSEWHERE, taken_over, written_by

from ferbench import locks, staging, storage
from ferbench.errors import UserError
from ferbench.locks import TakenOver, holder_of, holder_path, holding
from ferbench.staging import end_others, make_staging, staging_path

CHANGES = {
    "replace": lambda place: storage.replace_file(place / "there", b"mine"),
    "make": lambda place: storage.replace_json(place / "below" / "deeper" / "new", {}),
    "append": lambda place: storage.append_to_file(place / "there", b"mine"),
    "remove": lambda place: storage.remove_file(place / "there"),
    "move": lambda place: storage.move_directory(place / "folder", place / "moved"),
    "move all": lambda place: storage.move_directory(place, place.with_name("moved")),
}

_CALLS = ("open", "replace", "rename", "unlink", "mkdir", "fsync")


@pytest.fixture
def lock(tmp_path):
    return tmp_path / ".thing.lock"


def tree(directory):
    return {path: path.read_bytes() if path.is_file() else None for path in directory.rglob("*")}


def before_calls(monkeypatch, do):
    """Have ``do`` called before each call that may change the disk."""

    def watched(real):
        def call(*given, **named):
            do()
            return real(*given, **named)

        return call

    for name in _CALLS:
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    monkeypatch.setattr(storage, "open", watched(open), raising=False)


def changed(directory, change, monkeypatch, at):
    """A change in whose course another host takes over, before call number ``at``.

    Returns:
        What is there then, what is there in the end, and whether the process was told; None: there are fewer calls.
    """
    lock, place, seen, told = directory / ".thing.lock", directory / "thing", [0], False
    before = None
    (place / "folder").mkdir(parents=True)
    (place / "folder" / "file").write_bytes(b"in it")
    (place / "there").write_bytes(b"before")

    def call():
        nonlocal before
        seen[0] += 1
        if seen[0] == at:
            taken_over(lock)
            before = {path: content for path, content in tree(directory).items() if lock.stem not in path.name}

    try:
        with holding(lock, "the thing", guarded=place), monkeypatch.context() as patch:
            before_calls(patch, call)
            change(place)
    except TakenOver:
        told = True
    if before is None:
        return None
    assert holder_of(lock) == ELSEWHERE
    return before, {path: content for path, content in tree(directory).items() if lock.stem not in path.name}, told


@pytest.mark.parametrize("name", CHANGES)
def test_whoever_is_taken_over_changes_nothing_wherever_it_was_stopped(tmp_path, monkeypatch, name):
    told = at = 0
    while (found := changed(tmp_path / str(at := at + 1), CHANGES[name], monkeypatch, at)) is not None:
        before, after, was_told = found
        assert after == before, at
        told += was_told
    assert told
    assert at > 2


def test_whoever_is_taken_over_as_it_gives_a_lock_up_leaves_it_to_the_other(lock, monkeypatch):
    real = os.rename

    def rename(source, target):
        if source == holder_path(lock):  # whose content was looked at before
            taken_over(lock)
        real(source, target)

    with holding(lock, "the thing", guarded=lock.with_name("thing")):
        monkeypatch.setattr(os, "rename", rename)
        monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.undo()
    assert holder_of(lock) == ELSEWHERE


def test_what_a_dead_process_left_half_written_is_removed_by_the_next(lock):
    left = make_staging(lock)
    (left / "file").write_bytes(b"half")
    (left / "folder").mkdir()
    (left.parent / "link").symlink_to(lock.parent)
    written_by(holder_path(lock), ELSEWHERE, seconds_ago=1000)
    with holding(lock, "the thing", guarded=lock.with_name("thing")) as hold:
        assert list(staging_path(lock).iterdir()) == [hold.staging]
    assert list(lock.parent.iterdir()) == [lock]


@pytest.mark.parametrize(("names", "gives_in"), [([".nfs0001"], True), ([".nfs0001", "new"], False)])
def test_what_nfs_keeps_of_an_open_file_keeps_nobody_off(lock, monkeypatch, names, gives_in):
    def rmtree(path, ignore_errors=False):
        if not ignore_errors:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(path))

    left = make_staging(lock)
    for name in names:
        (left / name).touch()
    monkeypatch.setattr(staging, "rmtree", rmtree)
    given = contextlib.nullcontext() if gives_in else pytest.raises(UserError, match="Directory not empty")
    with given, holding(lock, "the thing", guarded=lock.with_name("thing")):
        pass
    assert not holder_path(lock).exists()


def test_of_two_that_begin_one_is_left(lock):
    first, second = make_staging(lock), make_staging(lock)
    assert end_others(second)
    assert not end_others(first)
    assert not end_others(first)
    assert list(staging_path(lock).iterdir()) == [second]


@pytest.mark.parametrize("lost", ["staging", "holder"])
def test_who_loses_something_to_another_that_begins_or_ends_begins_again(lock, monkeypatch, lost):
    real, clock, claimed = locks._claim, time.monotonic, []

    def claim(*given):
        found = real(*given)
        if not claimed:
            end_others(make_staging(lock)) if lost == "staging" else holder_path(lock).unlink()
        claimed.append(found)
        return found

    monkeypatch.setattr(locks, "_claim", claim)
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 60 * len(claimed))  # it was stopped meanwhile
    with holding(lock, "the thing", guarded=lock.with_name("thing")):
        storage.replace_file(lock.with_name("thing") / "new", b"mine")
    assert claimed == [None, None]
    assert sorted(path.name for path in lock.parent.iterdir()) == [lock.name, "thing"]


def test_a_link_in_the_place_of_the_staging_is_refused(tmp_path, lock):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    staging_path(lock).symlink_to(elsewhere)
    with pytest.raises(UserError, match="Not a directory"), holding(lock, "the thing", guarded=tmp_path / "thing"):
        pass
    assert [path.name for path in Path(elsewhere).iterdir()] == ["file"]
    assert not holder_path(lock).exists()
