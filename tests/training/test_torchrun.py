"""``--devices``, and what ``torchrun`` says."""

from __future__ import annotations

import os
import signal

import pytest

from ferbench.errors import UserError
from ferbench.training import rank_meeting
from ferbench.training.torchrun import Place, asked_devices, place


@pytest.fixture
def torchrun(monkeypatch):
    """``torchrun(rank, count, here)`` makes this process one that it has started; afterwards it is as it was."""
    started = []
    blocked, streams = signal.pthread_sigmask(signal.SIG_BLOCK, ()), [os.dup(1), os.dup(2)]
    monkeypatch.setattr(rank_meeting, "serve", lambda place: started.append(("serves", place.index)))
    monkeypatch.setattr(rank_meeting, "begin_leading", lambda place: started.append(("leads", place.index)))

    def start(rank: int, count: int, here: int, role: str = "default_role") -> list:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
        monkeypatch.setenv("ROLE_NAME", role)
        monkeypatch.setenv("LOCAL_RANK", str(rank % here))
        for name, value in (("RANK", rank), ("WORLD_SIZE", count), ("LOCAL_WORLD_SIZE", here)):
            monkeypatch.setenv(name, str(value))
        return started

    yield start
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def test_without_torchrun_it_is_what_is_given(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # of some other launcher
    assert asked_devices(None) is None
    assert asked_devices(3) == 3
    assert place() is None


@pytest.mark.parametrize(("given", "here"), [(None, 2), (4, 2), (None, 4)], ids=["hosts", "said again", "one host"])
def test_the_first_of_torchruns_processes_has_as_many_devices(given, here, torchrun):
    assert torchrun(0, 4, here) == []
    assert asked_devices(given) == 4
    assert torchrun(0, 4, here) == [("leads", 0)]
    assert place() == Place(0, 4, 0, here)


def test_the_others_follow_it(torchrun):
    started = torchrun(3, 4, 2)
    asked_devices(None)
    assert started[0] == ("serves", 3)
    assert place() == Place(3, 4, 1, 2)
    # What ends a run is for the first to hear.
    assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_another_number_is_refused(torchrun):
    torchrun(0, 2, 2)
    with pytest.raises(UserError, match="torchrun has started 2 processes, but --devices is 3"):
        asked_devices(3)


def test_of_a_single_process_nobody_is_led(torchrun):
    started = torchrun(0, 1, 1)
    assert asked_devices(None) == 1
    assert started == []


def test_what_a_rank_of_ferbenchs_own_starts_is_no_rank(torchrun):
    torchrun(1, 2, 2, "ferbench")
    assert asked_devices(None) is None
    assert place().launched
