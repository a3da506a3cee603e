"""Intervals and p-values of several sources against statsmodels and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp
from statsmodels.stats.proportion import proportion_confint

from ferbench.statistics.spread import Source, half_width, p_value, wilson


@given(st.integers(1, 300), st.integers(1, 300))
def test_the_interval_of_a_share_is_wilsons(right, wrong):
    n = right + wrong
    share = right / n
    found = wilson(share, share * (1 - share) / n, 1.959963984540054, n)
    assert found == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-9)


@pytest.mark.parametrize("right", [0, 25])
def test_the_interval_of_all_or_none_has_a_width(right):
    found = wilson(right / 25, 0.0, 1.959963984540054, 25)
    assert found == pytest.approx(proportion_confint(right, 25, method="wilson"), abs=1e-9)


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=30, unique=True))
def test_one_source_is_students_test(sample):
    values = np.round(np.array(sample), 3)
    if values.std() < 1e-2:
        return
    wanted = ttest_1samp(values, 0.0)
    one = Source(values.var(ddof=1) / len(values), len(values) - 1)
    if wanted.pvalue > 1e-50:
        assert p_value(values.mean(), [one]) == pytest.approx(wanted.pvalue, rel=2e-3)
    ends = wanted.confidence_interval(0.95)
    assert half_width([one]) == pytest.approx((ends.high - ends.low) / 2)


def test_interval_and_p_value_of_several_sources_agree():
    several = [Source(0.01, 5000), Source(0.004, 2), Source(0.02, 4)]
    for level in (0.5, 0.9, 0.95, 0.999):
        assert p_value(half_width(several, level), several) == pytest.approx(1 - level, rel=2e-3)


def test_no_difference_is_no_evidence_even_without_any_variance():
    assert p_value([0.0, 0.1], [Source([0.0, 0.0], 10)]) == pytest.approx([1.0, 0.0])
