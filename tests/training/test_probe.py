import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_iris

from ferbench.training.probe import CANDIDATES, Known, fitted


@pytest.fixture
def iris():
    """Training, validation and test samples of every class, by three."""
    features, labels = load_iris(return_X_y=True)
    return [Known(features[start::3].astype(np.float32), labels[start::3].astype(np.int64)) for start in range(3)]


def votes(train: Known, features: np.ndarray, k: int) -> np.ndarray:
    """Nearest neighbours by hand: each vote counts as the inverse of the cosine distance."""
    unit = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (train.features.astype(float), features)]
    distances = 1 - unit[1] @ unit[0].T
    shares = np.zeros((len(features), 3))
    for row, away in enumerate(distances):
        for place in np.argsort(away)[:k]:
            shares[row, train.labels[place]] += 1 / away[place]
    return shares / shares.sum(axis=1, keepdims=True)


def test_neighbours_vote_by_cosine(iris):
    train, validation, test = iris
    probe = fitted("knn", train, validation, 3)
    np.testing.assert_allclose(probe(test.features), votes(train, test.features, int(probe.used.chosen)), atol=1e-4)


def test_k_is_the_best_on_validation_and_no_larger_than_the_training_set(iris):
    train, validation, _ = iris
    probe = fitted("knn", train, validation, 3)
    accuracies = {}
    for k in (1, 5, 10, 20, 50):
        # Iris has as many of each class, and its accuracy and macro-F1 agree in their order here.
        accuracies[k] = (votes(train, validation.features, k).argmax(axis=1) == validation.labels).mean()
    assert probe.used.chosen == max(accuracies, key=accuracies.get)
    assert (probe.used.fitted, probe.used.validated, probe.used.features) == (50, 50, 4)
    assert probe.used.candidates == list(CANDIDATES["knn"])


def test_the_linear_probe_is_at_the_minimum_of_the_penalised_likelihood(iris):
    train, validation, test = iris
    probe = fitted("linear", train, validation, 3)
    mean, std = train.features.astype(float).mean(axis=0), train.features.astype(float).std(axis=0)
    x, y = (train.features - mean) / std, np.eye(3)[train.labels]

    def objective(flat):
        weights, bias = flat[:12].reshape(4, 3), flat[12:]
        logits = x @ weights + bias
        return (
            probe.used.chosen * -(y * (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))).sum()
            + (weights**2).sum() / 2
        )

    best = minimize(objective, np.zeros(15), tol=1e-9).x
    logits = ((test.features - mean) / std) @ best[:12].reshape(4, 3) + best[12:]
    expected = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    np.testing.assert_allclose(probe(test.features), expected, atol=2e-3)


@pytest.mark.parametrize("name", list(CANDIDATES))
def test_a_class_that_training_lacks_has_no_share(iris, name):
    train, validation, test = iris
    seen = train.labels != 1
    probe = fitted(name, Known(train.features[seen], train.labels[seen]), validation, 3)
    shares = probe(test.features)
    assert shares.shape == (50, 3)
    assert (shares[:, 1] == 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
