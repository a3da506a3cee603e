"""Ranks from the p-values of all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.statistics.estimates import ranks


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
