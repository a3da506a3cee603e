"""Features of the built-in estimators, against scikit-image itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("skimage")
from skimage.feature import hog, local_binary_pattern
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from ferbench_builtin.estimators.parts import Contrast, Hog, LocalBinaryPatterns, Weighted, calibrated

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (3, 24, 32)).astype(np.uint8)
ROWS = (IMAGES.reshape(3, -1) / 255).astype(np.float32)


def test_contrast_is_taken_out_of_each_image():
    made = Contrast().transform(ROWS)
    assert np.allclose(made.mean(axis=1), 0, atol=1e-5)
    assert np.allclose(made.std(axis=1), 1, atol=1e-4)
    assert not Contrast().transform(np.full((1, 9), 0.3, np.float32)).any()


def test_gradients_are_those_of_scikit_image():
    made = Hog(1, 24, 32, orientations=8, cell=6, block=2).transform(ROWS)
    for row, image in zip(made, ROWS.reshape(3, 24, 32), strict=True):
        wanted = hog(image, orientations=8, pixels_per_cell=(6, 6), cells_per_block=(2, 2), block_norm="L2-Hys")
        assert np.allclose(row, wanted, atol=1e-5)


def test_gradients_of_colours_are_those_of_scikit_image():
    colours = GENERATOR.random((2, 3, 16, 16)).astype(np.float32)
    made = Hog(3, 16, 16, orientations=9, cell=8, block=1).transform(colours.reshape(2, -1))
    wanted = hog(colours[1], pixels_per_cell=(8, 8), cells_per_block=(1, 1), channel_axis=0)
    assert np.allclose(made[1], wanted, atol=1e-5)


@pytest.mark.parametrize(("grid", "points", "radius"), [(2, 8, 1), (3, 8, 2)])
def test_patterns_are_counted_cell_by_cell_as_scikit_image_finds_them(grid, points, radius):
    made = LocalBinaryPatterns(24, 32, grid, points, radius).transform(ROWS)
    bins = points * (points - 1) + 3
    assert made.shape == (3, grid**2 * bins)
    codes = local_binary_pattern(IMAGES[2], points, radius, method="nri_uniform")
    edges = [list(pairwise(np.linspace(0, side, grid + 1).round().astype(int))) for side in (24, 32)]
    parts = [codes[a:b, c:d].ravel().astype(int) for a, b in edges[0] for c, d in edges[1]]
    wanted = np.concatenate([np.sqrt(np.bincount(part, minlength=bins) / part.size) for part in parts])
    assert np.allclose(made[2], wanted, atol=1e-6)


def test_weights_reach_the_last_step():
    images, labels = GENERATOR.random((40, 6)), np.arange(40) % 2
    weights = np.where(labels == 0, 0.2, 1.8)
    made = Weighted([("classifier", LogisticRegression())]).fit(images, labels, sample_weight=weights)
    wanted = LogisticRegression().fit(images, labels, sample_weight=weights)
    assert np.array_equal(made[-1].coef_, wanted.coef_)


def test_a_calibrated_machine_decides_as_it_does_alone():
    labels = np.arange(90) % 3
    images = GENERATOR.normal(size=(90, 5)) + 1.5 * np.eye(3, 5)[labels]
    made, alone = calibrated(SVC(), 2).fit(images, labels), SVC().fit(images, labels)
    assert np.array_equal(made.predict_proba(images).argmax(axis=1), alone.decision_function(images).argmax(axis=1))
