"""Tests are found by name: those of ``ferbench/ranking/filters.py`` are ``tests/ranking/test_filters.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: What is tried of a package, or of everything, as a whole.
WHOLE = {
    "api/test_front_door_whole.py",
    "cli/test_fitting.py",
    "cli/test_lightness.py",
    "cli/test_main.py",
    "cli/test_names.py",
    "records/test_made_by_0_1.py",
    "report/test_figures.py",
    "report/test_in_browser.py",
    "statistics/test_error_rates.py",
    "test_api.py",
    "test_distributions.py",
    "test_findable.py",
    "test_isolation.py",
    "test_no_pickle.py",
    "test_quick.py",
    "training/test_spoiling.py",
    "tuning/test_dashboard.py",
    "tuning/test_hosts.py",
    "tuning/test_made_before.py",
}

#: Folders of tests that mirror no package of ferbench.
ELSEWHERE = {"builtin", "docs", "end_to_end", "faults"}

TESTS = [
    path.as_posix()
    for path in sorted(path.relative_to(ROOT / "tests") for path in ROOT.glob("tests/**/test_*.py"))
    if path.parts[0] not in ELSEWHERE and path.as_posix() not in WHOLE
]


@pytest.mark.parametrize("test", TESTS)
def test_a_test_is_named_for_its_module(test):
    path = Path(test)
    name = path.stem.removeprefix("test_")
    modules = {module.stem for module in (ROOT / "ferbench" / path.parent).glob("*.py")}
    assert any(name == module or name.startswith(f"{module}_") for module in modules), (
        f"rename {test} to test_MODULE.py or test_MODULE_TOPIC.py, with a module of ferbench/{path.parent}"
    )


def test_what_is_tried_as_a_whole_is_there():
    assert {test for test in WHOLE if not (ROOT / "tests" / test).exists()} == set()
