"""Fitting an estimator on a split."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from ferbench import UserError
from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.estimators.fitting import _interruptible, fit, rows_of
from ferbench.estimators.module import EstimatorModule

PIXELS = np.random.default_rng(0).integers(0, 256, (50, 1, 6, 6)).astype(np.uint8)
LABELS = np.arange(40) % 2
SHAPE = InputShape(1, (6, 6), (0.5,), (0.25,))


def batches() -> Batches:
    return Batches(PIXELS, np.arange(40)[::-1].copy(), Truth(LABELS), SHAPE, torch.device("cpu"))


def fitted(estimator, weights=None):
    module = EstimatorModule(estimator, 2, (), "some")
    lines = []
    fit(module, batches(), weights, 1, lines.append)
    return module, lines


def test_rows_are_the_splits_images_as_the_models_input():
    wanted = (PIXELS[:40][::-1].reshape(40, -1) / np.float32(255) - 0.5) / 0.25
    assert np.allclose(rows_of(batches()), wanted, atol=1e-6)


def test_it_is_fitted_as_scikit_learn_fits_the_same_arrays():
    module, _ = fitted(LogisticRegression())
    rows = rows_of(batches())
    assert np.array_equal(module.estimator.coef_, LogisticRegression().fit(rows, LABELS).coef_)


def test_weights_are_passed_on():
    weights = np.linspace(0.5, 1.5, 40)
    module, _ = fitted(GaussianNB(), weights)
    wanted = GaussianNB().fit(rows_of(batches()), LABELS, sample_weight=weights)
    assert np.array_equal(module.estimator.theta_, wanted.theta_)


def test_one_that_takes_no_weights_is_refused_them():
    with pytest.raises(UserError, match="takes no sample weights"):
        fitted(make_pipeline(GaussianNB()), np.ones(40))


def test_what_cannot_be_kept_is_said_before_the_fit():
    class Slow(GaussianNB):
        def fit(self, *_):
            raise AssertionError("it is fitted")

    with pytest.raises(UserError, match="cannot be kept without pickle"):
        fitted(Slow())


def test_warnings_are_one_line_each():
    _, lines = fitted(LogisticRegression(max_iter=1))
    assert len(lines) == 1
    assert lines[0].startswith("ConvergenceWarning: ")
    assert "\n" not in lines[0]


def test_a_fit_is_not_waited_for_when_a_signal_comes(monkeypatch):
    release, join = threading.Event(), threading.Thread.join

    def interrupted(self, timeout=None):
        join(self, 0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _interruptible(lambda: release.wait(30) and None)
    release.set()
    assert time.monotonic() - began < 10


def test_what_a_fit_raises_is_raised():
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        _interruptible(fail)
