"""Holm's correction against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from ferbench.statistics.holm import holm


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


def test_what_was_not_tested_does_not_count():
    assert holm([0.01, np.nan, 0.02]) == pytest.approx([0.02, np.nan, 0.02], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.integers(0, 20))
def test_tests_that_nothing_is_known_of_count_as_ones(p, more):
    with_ones = holm([*p, *[1.0] * more])[: len(p)]
    assert holm(p, len(p) + more).tolist() == pytest.approx(with_ones.tolist())
