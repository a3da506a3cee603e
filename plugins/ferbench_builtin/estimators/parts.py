"""What the built-in estimators are made of, beside scikit-learn's own parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline


class Weighted(Pipeline):
    """A pipeline whose last step is given the weights of samples."""

    def fit(self, X: Any, y: Any, sample_weight: NDArray[np.float64] | None = None) -> Weighted:  # noqa: N803
        """As ``Pipeline.fit``; weights float64[n] are for the last step alone, features are of all samples alike."""
        given = {} if sample_weight is None else {f"{self.steps[-1][0]}__sample_weight": sample_weight}
        super().fit(X, y, **given)
        return self


class _Stateless(TransformerMixin, BaseEstimator):
    """A transformer that nothing is fitted of."""

    def fit(self, X: Any, y: Any = None) -> Any:  # noqa: N803
        """Nothing to learn."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True


class Contrast(_Stateless):
    """Each image with mean 0 and standard deviation 1; one of a single value stays 0."""

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: N803
        """float32[n, D] to the same."""
        centred = X - X.mean(axis=1, keepdims=True)
        deviation = centred.std(axis=1, keepdims=True)
        scaled: NDArray[np.float32] = centred / np.where(deviation > 1e-6, deviation, 1.0)
        return scaled


class Hog(_Stateless):
    """Histograms of oriented gradients (Dalal and Triggs 2005), by ``skimage.feature.hog``.

    Args:
        channels: of the images.
        height: in pixels.
        width: in pixels.
        orientations: bins of a histogram.
        cell: side of a cell in pixels.
        block: side of a block in cells, in which histograms are normalised (L2-Hys).
    """

    def __init__(self, channels: int, height: int, width: int, orientations: int, cell: int, block: int) -> None:
        self.channels = channels
        self.height = height
        self.width = width
        self.orientations = orientations
        self.cell = cell
        self.block = block

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: N803
        """float32[n, C·H·W] to float32[n, F]."""
        from skimage.feature import hog

        images = X.reshape(len(X), self.channels, self.height, self.width)
        rows = [
            hog(
                image if self.channels > 1 else image[0],
                orientations=self.orientations,
                pixels_per_cell=(self.cell, self.cell),
                cells_per_block=(self.block, self.block),
                block_norm="L2-Hys",
                channel_axis=0 if self.channels > 1 else None,
            )
            for image in images
        ]
        return np.asarray(rows, dtype=np.float32)


class LocalBinaryPatterns(_Stateless):
    """Histograms of uniform local binary patterns (Ojala et al. 2002; of faces Shan et al. 2009), by
    ``skimage.feature.local_binary_pattern``: of each cell of a grid, the square roots of its shares.

    Args:
        height: of gray images, in pixels.
        width: in pixels.
        grid: cells along each side.
        points: that a pixel is compared with.
        radius: of the circle that they lie on, in pixels.
    """

    def __init__(self, height: int, width: int, grid: int, points: int, radius: int) -> None:
        self.height = height
        self.width = width
        self.grid = grid
        self.points = points
        self.radius = radius

    def transform(self, X: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: N803
        """float32[n, H·W] to float32[n, F]."""
        from skimage.feature import local_binary_pattern

        bins = self.points * (self.points - 1) + 3
        edges = [np.linspace(0, side, self.grid + 1).round().astype(int) for side in (self.height, self.width)]
        cell = np.zeros((self.height, self.width), dtype=np.int64)
        for place, side in enumerate(edges):
            along = np.searchsorted(side, np.arange(side[-1]), side="right") - 1
            cell += along[:, None] * self.grid if place == 0 else along[None, :]
        count = np.bincount(cell.ravel(), minlength=self.grid**2)
        # Whole numbers, since neighbours between pixels would differ from equal ones by rounding.
        images = np.rint(X.reshape(len(X), self.height, self.width) * 255).astype(np.uint8)
        rows = np.empty((len(X), self.grid**2 * bins), dtype=np.float32)
        for row, image in zip(rows, images, strict=True):
            codes = local_binary_pattern(image, self.points, self.radius, method="nri_uniform").astype(np.int64)
            found = np.bincount((cell * bins + codes).ravel(), minlength=len(row)).reshape(-1, bins)
            row[:] = np.sqrt(found / count[:, None]).ravel()
        return rows


def calibrated(classifier: Any, folds: int) -> CalibratedClassifierCV:
    """A classifier without probabilities, with some: fitted on all samples, and its decisions divided by the one
    temperature that fits those of ``folds`` folds of the training samples best, each by a classifier of the others."""
    return CalibratedClassifierCV(classifier, method="temperature", cv=folds, ensemble=False)
