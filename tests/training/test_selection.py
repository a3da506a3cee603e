"""Which epoch is kept."""

from __future__ import annotations

import pytest

from ferbench.training.scores import Scores
from ferbench.training.selection import BestEpoch


def scores(epoch: int, macro_f1: float, loss: float) -> Scores:
    return Scores(epoch, {"macro_f1": macro_f1, "loss": loss}, {"fear": 1 - macro_f1}, {"fear": loss})


EPOCHS = [scores(1, 0.2, 0.9), scores(2, 0.5, 0.7), scores(3, 0.5, 0.8), scores(4, 0.4, 0.7)]


@pytest.mark.parametrize(
    ("metric", "epoch", "value"),
    [("macro_f1", 2, 0.5), ("loss", 2, 0.7), ("f1:fear", 1, 0.8), ("recall:fear", 1, 0.9)],
)
def test_the_best_epoch_is_the_first_of_equals(metric, epoch, value):
    best = BestEpoch(metric)
    improved = [e.epoch for e in EPOCHS if best.improves(e)]
    assert best.epoch == improved[-1] == epoch
    assert best.value == pytest.approx(value)
