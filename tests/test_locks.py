"""Who holds a lock, and that nobody writes who has lost it."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from ferbench import locks, storage
from ferbench.errors import UserError
from ferbench.holder import Holder
from ferbench.locks import Held, TakenOver, holder_of, holder_path, holding
from ferbench.staging import end_others, make_staging

FERBENCH = Path(locks.__file__).parent

ELSEWHERE = Holder("elsewhere", 7, "2026-11-23T22:47:02+00:00", "elsewhere", "1 ticks")


@pytest.fixture
def lock(tmp_path):
    return tmp_path / ".thing.lock"


@pytest.fixture
def without_flock(monkeypatch):
    def flock(handle, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks.fcntl, "flock", flock)


def written_by(path, holder, seconds_ago=0.0):
    path.write_bytes(storage.json_bytes(asdict(holder)))
    then = time.time() - seconds_ago
    os.utime(path, (then, then))
    return path


def taken_over(lock):
    """What another host does to a lock whose lease is over, before it does anything else."""
    written_by(holder_path(lock), ELSEWHERE)
    end_others(make_staging(lock))


def claim_of(lock):
    return locks._claim_path(holder_path(lock), holder_path(lock).read_bytes())


@pytest.mark.parametrize(
    "write",
    [
        lambda place: storage.replace_file(place / "new", b"mine"),
        lambda place: storage.replace_json(place / "below" / "new", {}),
        lambda place: storage.append_to_file(place / "there", b"mine"),
        lambda place: storage.remove_file(place / "there"),
        storage.may_write,
    ],
)
def test_who_was_taken_over_writes_nothing_more(tmp_path, lock, write):
    place = tmp_path / "thing"
    place.mkdir()
    match = "the thing was taken over by elsewhere pid 7 since"
    with pytest.raises(TakenOver, match=match), holding(lock, "the thing", guarded=place):
        storage.replace_file(place / "there", b"before")
        written_by(holder_path(lock), ELSEWHERE)
        write(place)
    assert {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()} == {"there": b"before"}
    assert holder_of(lock) == ELSEWHERE  # which is not given up with the lock


def test_who_is_taken_over_while_it_writes_puts_nothing_in_place(tmp_path, lock, monkeypatch):
    sync = os.fsync

    def stopped(handle):
        sync(handle)
        taken_over(lock)

    place = tmp_path / "thing"
    with pytest.raises(TakenOver), holding(lock, "the thing", guarded=place):
        monkeypatch.setattr(os, "fsync", stopped)
        storage.replace_file(place / "new", b"mine")
    assert list(place.iterdir()) == []


def test_other_directories_are_not_guarded(tmp_path, lock):
    with holding(lock, "the thing", guarded=tmp_path / "thing"):
        written_by(holder_path(lock), ELSEWHERE)
        storage.replace_file(tmp_path / "thing-2" / "new", b"mine")


@pytest.mark.parametrize("error", [FileNotFoundError, ValueError])
def test_what_fails_after_a_lock_was_lost_is_said_to_have_lost_it(lock, error):
    with pytest.raises(TakenOver) as raised, holding(lock, "the thing"):
        written_by(holder_path(lock), ELSEWHERE)
        raise error("the other process has removed it")
    assert isinstance(raised.value.__cause__, error)


def test_a_holder_that_was_removed_is_not_believed_to_be_ones_own(tmp_path, lock):
    match = "another process, which has ended"
    with pytest.raises(TakenOver, match=match), holding(lock, "the thing", guarded=tmp_path):
        holder_path(lock).unlink()
        storage.replace_file(tmp_path / "new", b"mine")


def test_who_was_taken_over_does_not_renew_the_others_file(lock, monkeypatch):
    monkeypatch.setattr(locks, "RENEWAL", 0.01)
    with holding(lock, "the thing") as hold:
        written_by(holder_path(lock), ELSEWHERE, seconds_ago=1000)
        hold.keep_renewed(threading.Event())  # returns
    assert holder_of(lock) is None


def test_who_was_stopped_renews_before_it_writes(lock):
    with holding(lock, "the thing") as hold:
        os.utime(holder_path(lock), (1, 1))
        hold.look()
        assert holder_path(lock).stat().st_mtime == 1
        hold.renewed -= locks.RENEWAL + 1
        hold.look()
        assert holder_path(lock).stat().st_mtime > 1


def test_without_locks_of_the_system_one_thread_at_a_time_holds_one(lock, without_flock):
    with holding(lock, "the thing"):
        with pytest.raises(Held, match=f"pid {os.getpid()}"), holding(lock, "the thing"):
            pass
        assert holder_of(lock).pid == os.getpid()
    assert holder_of(lock) is None
    with holding(lock, "the thing"):
        pass


@pytest.mark.parametrize("ago", [locks.LEASE + 1, -3600])
def test_who_is_not_heard_of_elsewhere_is_taken_over(lock, without_flock, ago):
    written_by(holder_path(lock), ELSEWHERE, seconds_ago=ago)
    assert holder_of(lock) is None
    with holding(lock, "the thing"):
        assert holder_of(lock).pid == os.getpid()
    assert list(lock.parent.iterdir()) == [lock]


def test_what_this_process_left_behind_is_no_holder(lock):
    with holding(lock, "the thing"):
        left = holder_path(lock).read_bytes()
    holder_path(lock).write_bytes(left)
    assert holder_of(lock) is None
    with holding(lock, "the thing"):
        pass


def test_a_claim_that_is_being_decided_keeps_others_off(lock):
    written_by(holder_path(lock), ELSEWHERE, seconds_ago=1000)
    claim = written_by(claim_of(lock), ELSEWHERE)
    with pytest.raises(Held), holding(lock, "the thing"):
        pass
    assert claim.exists()


@pytest.mark.parametrize("content", [None, b"", b"[" * 100])
def test_a_claim_of_a_dead_process_is_taken_over(lock, content):
    written_by(holder_path(lock), ELSEWHERE, seconds_ago=1000)
    claim = written_by(claim_of(lock), ELSEWHERE)
    if content is not None:
        claim.write_bytes(content)
    os.utime(claim, (1, 1))
    with holding(lock, "the thing"):
        assert holder_of(lock).pid == os.getpid()
        assert not claim.exists()


def test_files_of_a_lock_are_known_by_name(lock):
    written_by(holder_path(lock), ELSEWHERE)
    for path in (lock, holder_path(lock), claim_of(lock)):
        assert locks.lock_of(path) == lock
    assert [locks.is_claim(path) for path in (lock, holder_path(lock), claim_of(lock))] == [False, False, True]
    assert locks.lock_of(lock.with_name("run.json")) is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[" * 100_000, id="nested"),
        b'{"host": ' + b"[" * 60 + b"]" * 60 + b"}",
        pytest.param(b" " * 2**15, id="large"),
        *(
            json.dumps({**asdict(ELSEWHERE), **wrong}).encode()
            for wrong in ({"pid": True}, {"pid": 0}, {"pid": 2**31}, {"pid": 1.5}, {"host": ["a"]}, {"born": ""})
        ),
        json.dumps(asdict(ELSEWHERE)).replace("7", "1e999", 1).encode(),
        "pipe",
        "link",
    ],
)
def test_what_is_no_holders_file_holds_nothing(lock, content):
    if content == "pipe":
        os.mkfifo(holder_path(lock))
    elif content == "link":
        holder_path(lock).symlink_to("/dev/zero")
    else:
        holder_path(lock).write_bytes(content)
    assert holder_of(lock) is None
    with holding(lock, "the thing"):
        assert holder_of(lock).pid == os.getpid()


def test_a_folder_in_the_place_of_a_holders_file_is_named(lock):
    holder_path(lock).mkdir()
    with pytest.raises(UserError, match="Is a directory"), holding(lock, "the thing"):
        pass


@pytest.mark.parametrize("links", [True, False])
def test_of_those_who_make_a_file_one_succeeds(tmp_path, monkeypatch, links):
    def link(source, target):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:
        monkeypatch.setattr(os, "link", link)
    made = []
    threads = [
        threading.Thread(
            target=lambda number=number: made.append(storage.create_file(tmp_path / "one", b"%d" % number))
        )
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    assert list(tmp_path.iterdir()) == [tmp_path / "one"]


@pytest.mark.parametrize("left", [False, True])
def test_on_a_full_disk_a_lock_can_be_had_to_free_some_space(lock, monkeypatch, left):
    def full(path, content):
        if path == holder_path(lock) and path.exists():
            return False
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    if left:
        written_by(holder_path(lock), ELSEWHERE)
    monkeypatch.setattr(locks, "create_file", full)
    if left:
        with pytest.raises(Held), holding(lock, "the thing", frees=True):
            pass
        os.utime(holder_path(lock), (1, 1))
    with pytest.raises(UserError, match="No space left"), holding(lock, "the thing"):
        pass
    with holding(lock, "the thing", frees=True) as hold:
        hold.look()
    assert list(lock.parent.iterdir()) == [lock]


def test_a_lock_file_of_another_user_is_locked_as_well(lock, monkeypatch):
    real = os.open

    def refuse_writing(path, flags, *rest, **named):
        if Path(path) == lock and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, flags, *rest, **named)

    lock.touch()
    monkeypatch.setattr(os, "open", refuse_writing)
    with holding(lock, "the thing"):
        descriptor = real(lock, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            locks.fcntl.flock(descriptor, locks.fcntl.LOCK_EX | locks.fcntl.LOCK_NB)
        os.close(descriptor)


#: What changes files by itself: a lock that is given up, a run that is removed or trimmed under its fence, and outside
#: of runs what the processes of one are to do.
_BY_THEMSELVES = {"runs/lock.py", "runs/removal.py", "runs/trimming.py", "training/rank_launch.py"}

_CHANGES = re.compile(
    r"os\.(replace|rename|remove|unlink)|\.open\(\"[wax]|\.write_(text|bytes)|\.unlink\(|rmtree|save_file"
)


def test_what_is_written_into_runs_goes_through_the_fence():
    found = {
        path.relative_to(FERBENCH).as_posix()
        for package in ("runs", "training")
        for path in (FERBENCH / package).glob("*.py")
        if _CHANGES.search(path.read_text())
    }
    assert found == _BY_THEMSELVES


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("gone", ["above", "above/thing"])
def test_what_is_gone_is_said_to_be_gone(tmp_path, gone, moved):
    above = tmp_path / "above"
    (above / "thing").mkdir(parents=True)
    with (
        pytest.raises(TakenOver, match=r"the thing is gone: .*thing was removed or renamed") as raised,
        holding(above / "thing.lock", "the thing", guarded=above / "thing"),
    ):
        storage.replace_file(above / "thing" / "old", b"mine")
        (tmp_path / gone).rename(tmp_path / "elsewhere") if moved else shutil.rmtree(tmp_path / gone)
        storage.replace_file(above / "thing" / "new", b"mine")
    assert "give the same command again" in raised.value.remedy
    assert not (tmp_path / gone).exists()
