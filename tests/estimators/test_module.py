"""A fitted estimator as a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ferbench import UserError
from ferbench.estimators.module import EstimatorModule, as_rows
from ferbench.estimators.stored import to_bytes

IMAGES = torch.rand(60, 3, 4, 5, generator=torch.Generator().manual_seed(0))
LABELS = np.arange(60) % 2 * 2  # of three classes, one that is not there


def module() -> EstimatorModule:
    return EstimatorModule(LogisticRegression(), 3, (), "some")


@pytest.fixture
def fitted():
    estimator = LogisticRegression().fit(IMAGES.numpy().reshape(60, -1), LABELS)
    made = module()
    made.load_state_dict({"skops": torch.frombuffer(bytearray(to_bytes(estimator)), dtype=torch.uint8)})
    return made, estimator


def test_a_row_is_an_image_channel_by_channel_whatever_its_memory():
    lasting = IMAGES.contiguous(memory_format=torch.channels_last)
    assert np.array_equal(as_rows(lasting)[7], IMAGES[7].numpy().ravel())


def test_the_softmax_of_its_logits_are_the_estimators_probabilities(fitted):
    made, estimator = fitted
    given = torch.softmax(made(IMAGES).logits, dim=1).numpy()
    assert np.allclose(given[:, [0, 2]], estimator.predict_proba(as_rows(IMAGES)), atol=1e-6)


def test_a_class_that_it_was_not_fitted_on_has_no_chance(fitted):
    assert torch.softmax(fitted[0](IMAGES).logits, dim=1)[:, 1].max() < 1e-30


def test_its_state_is_that_of_what_is_fitted(fitted):
    made, other = fitted[0], module()
    other.load_state_dict(made.state_dict())
    assert torch.equal(other(IMAGES).logits, made(IMAGES).logits)


@pytest.mark.parametrize("state", [{}, {"skops": torch.zeros(9, dtype=torch.uint8)}, {"skops": torch.zeros(2, 2)}])
def test_another_state_is_refused(state):
    with pytest.raises(RuntimeError):
        module().load_state_dict(state)


def test_probabilities_of_another_shape_are_refused():
    class Odd:
        classes_ = (0, 1)

        def predict_proba(self, images):
            return np.ones((len(images), 3))

    with pytest.raises(UserError, match="model 'odd' gives no probabilities"):
        EstimatorModule(Odd(), 3, (), "odd")(IMAGES)
