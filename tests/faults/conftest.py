"""One whole run for all tests of faults; the others are held against it."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from small_run import Whole, prepare


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Whole:
    if not hasattr(os, "fork") or not Path("/proc/self/fd").is_dir():
        pytest.skip("needs fork and /proc")
    return prepare(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def draw(request) -> random.Random:
    """Random numbers that are the same each time."""
    return random.Random(request.node.name)
