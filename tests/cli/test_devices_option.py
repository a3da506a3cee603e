"""``--devices``, and what ``torchrun`` says."""

from __future__ import annotations

import pytest

from ferbench.cli.devices import asked_devices
from ferbench.errors import UserError


@pytest.fixture
def torchrun(monkeypatch):
    def start(rank: int, count: int, here: int) -> None:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
        for name, value in (("RANK", rank), ("WORLD_SIZE", count), ("LOCAL_WORLD_SIZE", here)):
            monkeypatch.setenv(name, str(value))

    return start


def test_without_torchrun_it_is_what_is_given(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # of some other launcher
    assert asked_devices(None) is None
    assert asked_devices(3) == 3


@pytest.mark.parametrize("given", [None, 2])
def test_the_first_of_torchruns_processes_starts_as_many(given, torchrun):
    torchrun(0, 2, 2)
    assert asked_devices(given) == 2


def test_the_others_leave_at_once(torchrun):
    torchrun(1, 2, 2)
    with pytest.raises(SystemExit) as left:
        asked_devices(None)
    assert left.value.code == 0


@pytest.mark.parametrize(("place", "given"), [((0, 4, 2), None), ((0, 2, 2), 3)], ids=["hosts", "number"])
def test_what_torchrun_was_given_has_to_fit(place, given, torchrun):
    torchrun(*place)
    with pytest.raises(UserError):
        asked_devices(given)
