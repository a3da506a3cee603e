"""Temperature scaling and logit adjustment, against hand calculations and another optimiser."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ferbench import Task, UserError
from ferbench.experiment.postprocessing import log_probabilities
from ferbench_builtin.postprocessing.logit_adjustment import logit_adjustment
from ferbench_builtin.postprocessing.temperature import HIGHEST, LOWEST, Temperature

TASK = Task(("a", "b", "c"), channels=1, height=8, width=8, train_counts=(10, 30, 60))


def fitted(logits, labels) -> Temperature:
    made = Temperature(TASK)
    made.fit(np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64))
    return made


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sureness", [0.2, 1.0, 5.0])
def test_the_temperature_is_where_another_optimiser_finds_the_least_likelihood(seed, sureness):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, 400)
    logits = generator.normal(0, 1, (400, 3))
    logits[np.arange(400), labels] += 1.0
    logits = log_softmax(sureness * logits, axis=1)

    def likelihood(log_temperature: float) -> float:
        scaled = log_softmax(logits / math.exp(log_temperature), axis=1)
        return -scaled[np.arange(400), labels].mean()

    found = minimize_scalar(likelihood, bounds=(-4, 4), method="bounded", options={"xatol": 1e-10})
    assert fitted(logits, labels).temperature == pytest.approx(math.exp(found.x), rel=1e-5)


def test_a_temperature_that_can_be_found_by_hand():
    """Two classes whose logits differ by d, right in 3 of 4: the likelihood is least where sigmoid(d / T) = 3/4."""
    logits = np.log(np.array([[0.9, 0.1]] * 4))
    assert fitted(logits, [0, 0, 0, 1]).temperature == pytest.approx(math.log(9) / math.log(3))  # 2


@pytest.mark.parametrize(("labels", "temperature"), [([0, 0, 0], LOWEST), ([1, 1, 1], HIGHEST)])
def test_validation_without_an_optimum_ends_at_a_bound(labels, temperature):
    logits = log_probabilities(np.array([[1.0, 0.0, 0.0]] * 3, dtype=np.float32))
    made = fitted(logits, labels)
    assert made.temperature == pytest.approx(temperature)
    assert np.isfinite(made(logits)).all()


def test_predictions_that_say_nothing_leave_the_temperature_alone():
    assert fitted(np.full((4, 3), math.log(1 / 3)), [0, 1, 2, 0]).temperature == 1.0


def test_a_temperature_changes_no_class_and_is_kept():
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]))
    first = fitted(logits, [0, 1])
    again = Temperature(TASK)
    again.load_state_dict(first.state_dict())
    assert again.temperature == first.temperature
    assert (again(logits).argmax(axis=1) == [0, 2]).all()


def test_logit_adjustment_by_hand():
    """Probabilities over the shares 0.1, 0.3 and 0.6, made to sum to 1: 0.2/0.1 : 0.3/0.3 : 0.5/0.6 = 12 : 6 : 5."""
    adjusted = np.exp(log_softmax(logit_adjustment(TASK)(np.log([[0.2, 0.3, 0.5]])), axis=1))
    assert adjusted[0] == pytest.approx([12 / 23, 6 / 23, 5 / 23])
    half = np.exp(log_softmax(logit_adjustment(TASK, tau=0.5)(np.log([[0.1, 0.3, 0.6]])), axis=1))
    roots = np.sqrt([0.1, 0.3, 0.6])
    assert half[0] == pytest.approx(roots / roots.sum())
    assert (logit_adjustment(TASK, tau=0.0)(np.log([[0.2, 0.3, 0.5]])) == np.log([[0.2, 0.3, 0.5]])).all()


def test_logit_adjustment_needs_samples_of_every_class():
    with pytest.raises(UserError, match="every class, and there is none of 'b'"):
        logit_adjustment(Task(("a", "b"), 1, 8, 8, (5, 0)))
