"""Which tests `make quick` chooses."""

from __future__ import annotations

import pytest
import quick


def test_the_tests_of_the_same_name_come_first_and_those_that_import_the_module_follow():
    chosen = quick.choose(["ferbench/data/splits.py"])
    assert chosen[0] == "tests/data/test_splits.py"
    assert "tests/data/test_union.py" in chosen
    assert not any(path.startswith("tests/end_to_end") for path in chosen)


def test_a_changed_test_is_chosen_even_where_it_is_slow():
    assert quick.choose(["tests/end_to_end/test_run.py"])[0] == "tests/end_to_end/test_run.py"


def test_what_a_changed_helper_serves_is_chosen():
    assert "tests/report/test_page.py" in quick.choose(["tests/made_runs.py"])


def test_nothing_is_near_a_page_of_the_documentation():
    assert quick.choose(["docs/tutorial/first-run.md"]) == []


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("ferbench/data/splits.py", "ferbench.data.splits"),
        ("ferbench/data/__init__.py", "ferbench.data"),
        ("plugins/ferbench_builtin/losses/focal.py", "ferbench_builtin.losses.focal"),
        ("plugins/ferbench-mlflow/ferbench_mlflow/tracker.py", None),
        ("docs/pages.py", None),
    ],
)
def test_a_path_names_its_module(path, module):
    assert quick.module_of(path) == module
