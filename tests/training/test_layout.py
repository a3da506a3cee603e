import numpy as np
import pytest
from sklearn.datasets import load_iris

from ferbench import UserError
from ferbench.training.layout import layout

IRIS = load_iris().data.astype(np.float32)


def test_pca_is_the_projection_onto_the_first_two_eigenvectors_of_the_covariance():
    centred = IRIS - IRIS.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(centred.T))
    expected = centred @ vectors[:, [-1, -2]]
    made = layout(IRIS, "pca", 0)
    signs = np.sign((made * expected).sum(axis=0))
    np.testing.assert_allclose(made, expected * signs, atol=1e-4)


def test_tsne_keeps_a_class_that_is_apart_together_and_depends_on_nothing_but_the_seed():
    made = layout(IRIS, "tsne", 3)
    np.testing.assert_array_equal(made, layout(IRIS, "tsne", 3))
    distances = np.linalg.norm(made[:, None] - made[None], axis=2) + np.diag(np.full(len(made), np.inf))
    nearest = load_iris().target[distances.argmin(axis=1)]
    assert (nearest[:50] == 0).all()  # setosa


@pytest.mark.parametrize("shape", [(4, 2), (5, 80)])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_few_samples_have_a_map_too(shape, method):
    features = np.random.default_rng(0).random(shape, dtype=np.float32)
    assert np.isfinite(layout(features, method, 0)).all()


@pytest.mark.parametrize("shape", [(3, 5), (9, 1)])
def test_too_few_are_refused(shape):
    with pytest.raises(UserError, match="make no map"):
        layout(np.ones(shape, dtype=np.float32), "pca", 0)
