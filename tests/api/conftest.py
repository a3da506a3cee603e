"""Runs that look as if they had been trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import make_run


@pytest.fixture
def results(tmp_path) -> Path:
    """Three good runs, three bad ones, which differ in the seed, and a broken one."""
    for seed in (0, 1, 2):
        make_run(tmp_path, name=f"good-{seed}", model="good", seed=seed, skill=0.8)
        make_run(tmp_path, name=f"bad-{seed}", model="bad", seed=seed, skill=0.3, options={"model.width": 8})
    make_run(tmp_path, name="broken", status="failed")
    return tmp_path
