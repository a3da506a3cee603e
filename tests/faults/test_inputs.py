"""Damaged datasets, recipes, images and run directories; a part of what ``python tests/faults/full.py`` does."""

from __future__ import annotations

import pytest
from foreign_runs import Elsewhere
from inputs import kinds, tried

pytestmark = pytest.mark.slow

#: Mutations of each kind; the command makes 10,000.
COUNT = 200


def test_a_mutated_input_is_refused_or_taken_for_what_it_states(tmp_path):
    for kind in kinds(tmp_path):
        found = tried(kind, COUNT)
        assert found.wrong == [], kind.what
        assert found.count >= COUNT * 0.9, kind.what
        assert found.accepted, kind.what


def test_no_command_fails_on_a_run_directory_that_somebody_changed(whole, tmp_path):
    found = Elsewhere(tmp_path / "elsewhere", whole).tried(60)
    assert found.wrong == []
