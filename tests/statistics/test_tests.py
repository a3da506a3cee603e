"""McNemar, Holm, intervals and p-values against statsmodels, scipy and published examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from ferbench.statistics.estimates import ranks
from ferbench.statistics.holm import holm
from ferbench.statistics.mcnemar import mcnemar_exact, mcnemar_mid_p
from ferbench.statistics.spread import Source, half_width, p_value, wilson


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_exact_test_is_statsmodels(only_first, only_second):
    wanted = mcnemar([[9, only_first], [only_second, 5]], exact=True).pvalue
    assert mcnemar_exact(only_first, only_second) == pytest.approx(min(1.0, wanted), rel=1e-9)


def test_mid_p_of_the_published_example():
    """Fagerland, Lydersen and Laake (2013), airway hyper-responsiveness before and after transplantation: 1 and 7."""
    assert mcnemar_exact(1, 7) == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar_mid_p(1, 7) == pytest.approx(0.0391, abs=5e-5)


@pytest.mark.parametrize("pair", [(0, 0), (5, 5), (300, 300)])
def test_an_even_split_says_nothing(pair):
    assert mcnemar_mid_p(*pair) == pytest.approx(1.0)


def test_mid_p_takes_arrays():
    assert mcnemar_mid_p([1, 7], [7, 1]) == pytest.approx([10 / 256, 10 / 256])


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


def test_what_was_not_tested_does_not_count():
    assert holm([0.01, np.nan, 0.02]) == pytest.approx([0.02, np.nan, 0.02], nan_ok=True)


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


@pytest.mark.parametrize(("raw", "apart"), [(0.0166, True), (0.0168, False)])
def test_what_is_apart_is_decided_at_five_percent_after_the_correction(raw, apart):
    p = np.ones((3, 3))
    p[0, 2] = p[2, 0] = raw  # times three pairs
    assert ranks(np.array([0.9, 0.8, 0.7]), p).best.tolist() == [1, 1, 2 if apart else 1]


def test_rows_that_cannot_be_separated_share_a_rank():
    p = np.ones((4, 4))
    p[0, 3] = p[3, 0] = p[1, 3] = p[3, 1] = 0.001
    p[0, 2] = p[2, 0] = 0.04  # not after the correction for six pairs
    found = ranks(np.array([0.9, 0.8, 0.7, 0.6]), p)
    assert found.best.tolist() == [1, 1, 1, 3]
    assert found.worst.tolist() == [3, 3, 4, 4]
    assert found.adjusted[0, 2] == pytest.approx(0.16)
