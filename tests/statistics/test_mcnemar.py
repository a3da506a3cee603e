"""McNemar's test against statsmodels and a published example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar

from ferbench.statistics.mcnemar import mcnemar_exact, mcnemar_mid_p


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
