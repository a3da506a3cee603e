"""A part of what ``python tests/faults/injection.py`` does in full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from injection import FAULTS, prepare, trial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork") or not Path("/proc/self/fd").is_dir(), reason="needs fork and /proc"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole")
    expected, places = prepare(directory)
    assert places > 100
    return directory, expected, places


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("share", [0.07, 0.31, 0.55, 0.74, 0.93])
def test_a_run_survives_a_fault_and_ends_with_the_same_bits(whole, tmp_path, fault, share):
    directory, expected, places = whole
    assert trial(tmp_path / "trial", directory / "cache", round(share * places), fault, expected) is None
