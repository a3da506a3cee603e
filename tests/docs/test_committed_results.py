"""The figures on the page of results are those of its table."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@pytest.fixture(scope="module")
def samplers():
    spec = importlib.util.spec_from_file_location("compare_samplers", RESULTS / "compare_samplers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("part", ["means", "differences"])
def test_the_page_has_each_row_that_the_script_prints(samplers, part):
    lines = (RESULTS / "README.md").read_text(encoding="utf-8").splitlines()
    rows = getattr(samplers, part)()
    assert len(rows) in (4, 5)
    assert [row for row in rows if f"| {row} |" not in lines] == []
