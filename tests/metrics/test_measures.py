"""Names and directions of metrics."""

from __future__ import annotations

import pytest

from ferbench.metrics.measures import AFFECT_METRICS, HIGHER_IS_BETTER, measure


def test_epochs_are_selected_by_scores_that_rise_and_by_losses_and_errors_that_fall():
    assert {key for key, rises in HIGHER_IS_BETTER.items() if not rises} == {
        "loss",
        "log_loss",
        "valence_rmse",
        "arousal_rmse",
    }
    assert AFFECT_METRICS == ("valence_rmse", "valence_ccc", "arousal_rmse", "arousal_ccc")


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
