"""The epoch that is kept, and early stopping."""

from __future__ import annotations

import math

import pytest

from ferbench.training.scores import Scores
from ferbench.training.stopping import BestEpoch, EarlyStopping


def last_epoch(values, metric="macro_f1", **settings) -> int | None:
    stopping = EarlyStopping(metric, **settings)
    for epoch, value in enumerate(values, start=1):
        if stopping.stops(Scores(epoch, {metric: value}, {})):
            return epoch
    return None


@pytest.mark.parametrize(("patience", "epoch"), [(1, 3), (2, 6), (3, 7), (4, None)])
def test_it_waits_for_patience_epochs_after_the_last_gain(patience, epoch):
    assert last_epoch([0.1, 0.5, 0.4, 0.6, 0.6, 0.5, 0.6], patience=patience) == epoch


def test_a_loss_gains_by_falling():
    assert last_epoch([3.0, 2.0, 1.0, 1.5, 2.0], metric="loss", patience=2) == 5


def test_gains_are_measured_from_the_last_gain_not_from_the_best():
    # 0.54 is better than 0.5, but not by more than 0.05; 0.56 is.
    assert last_epoch([0.5, 0.54, 0.56, 0.5], patience=2, min_gain=0.05) is None
    assert last_epoch([0.5, 0.54, 0.54], patience=2, min_gain=0.05) == 3


def test_an_undefined_metric_is_no_gain_and_any_number_beats_it():
    assert last_epoch([math.nan, math.nan], patience=2) == 2
    assert last_epoch([math.nan, 0.1, math.nan], patience=2) is None


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
