"""Names and directions of metrics."""

from __future__ import annotations

import pytest

from ferbench.metrics.measures import KNOWN, measure
from ferbench.metrics.selection import HIGHER_IS_BETTER


def test_metrics_that_select_epochs_have_the_same_direction_here():
    assert {key: measure(key).higher_is_better for key in HIGHER_IS_BETTER} == HIGHER_IS_BETTER
    assert set(HIGHER_IS_BETTER) <= set(KNOWN)


@pytest.mark.parametrize(
    ("key", "label", "higher"),
    [
        ("macro_f1", "macro-F1", True),
        ("valence_rmse", "valence RMSE", False),
        ("arousal_ccc", "arousal CCC", True),
        ("ece", "ECE", False),
        ("log_loss", "log loss", False),
        ("f1:happy", "happy F1", True),
        ("recall:a:b", "a:b recall", True),
        ("centre_loss", "centre_loss", False),
        ("dominance_mae", "dominance_mae", False),
        ("expression", "expression loss", False),
        ("novel", "novel", True),
        ("glossy", "glossy", True),
    ],
)
def test_a_metric_has_a_label_and_a_direction(key, label, higher):
    assert (measure(key).label, measure(key).higher_is_better) == (label, higher)
