"""What tests of runs on several devices share: packs, and a run that nothing has happened to."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_runs import DROPOUT, ended, only_run


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def whole(tmp_path_factory, cache) -> Path:
    """`DROPOUT` on two devices, in one go."""
    results = tmp_path_factory.mktemp("whole")
    done = ended([*DROPOUT, "--devices", "2"], results, cache)
    assert done.exit_code == 0, done.output
    return only_run(results)
