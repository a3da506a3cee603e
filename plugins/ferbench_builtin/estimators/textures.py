"""Linear support vector machines on descriptions of edges and textures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable, UserError
from ferbench_builtin.estimators.checks import check_folds, check_skimage

if TYPE_CHECKING:
    from ferbench_builtin.estimators.parts import Hog, LocalBinaryPatterns, Weighted

C = Annotated[float, Interval(gt=0, le=1e6), Tunable(0.001, 10.0, log=True)]
Folds = Annotated[int, Interval(ge=2, le=20)]


def hog_svm(
    task: Task,
    *,
    seed: int,
    orientations: Annotated[int, Interval(ge=2, le=100), Tunable(6, 12)] = 9,
    cell: Annotated[int, Interval(ge=2, le=512)] = 6,
    block: Annotated[int, Interval(ge=1, le=16)] = 2,
    c: C = 0.03,
    folds: Folds = 2,
) -> Weighted:
    """A linear support vector machine on histograms of oriented gradients (Dalal and Triggs 2005).

    Args:
        task: the learning problem.
        seed: not needed: the fit draws nothing.
        orientations: bins of a histogram.
        cell: side of a cell in pixels.
        block: side of a block in cells, in which histograms are normalised.
        c: how much a sample on the wrong side costs.
        folds: of the training samples, that probabilities are calibrated on.

    Raises:
        UserError: scikit-image is not installed, an image has no whole block, or a class has fewer samples than folds.
    """
    check_skimage()
    if cell * block > min(task.height, task.width):
        raise UserError(
            f"a block of {block}×{block} cells of {cell} pixels is larger than images of {task.height}×{task.width}",
            "set model.cell or model.block lower",
        )
    from ferbench_builtin.estimators.parts import Hog

    features = Hog(task.channels, task.height, task.width, orientations, cell, block)
    return _linear(task, features, c, folds)


def lbp_svm(
    task: Task,
    *,
    seed: int,
    grid: Annotated[int, Interval(ge=1, le=64), Tunable(4, 8)] = 6,
    points: Annotated[int, Interval(ge=2, le=24)] = 8,
    radius: Annotated[int, Interval(ge=1, le=32), Tunable(1, 3)] = 1,
    c: C = 0.1,
    folds: Folds = 2,
) -> Weighted:
    """A linear support vector machine on local binary patterns (Shan, Gong and McOwan 2009).

    Args:
        task: the learning problem; gray images.
        seed: not needed: the fit draws nothing.
        grid: cells along each side, each with a histogram of uniform patterns.
        points: that a pixel is compared with.
        radius: of the circle that they lie on, in pixels.
        c: how much a sample on the wrong side costs.
        folds: of the training samples, that probabilities are calibrated on.

    Raises:
        UserError: scikit-image is not installed, images are in colour or smaller than the grid, or a class has fewer
            samples than folds.
    """
    check_skimage()
    if task.channels != 1:
        raise UserError("local binary patterns are of gray images", "leave data.channels out, or set it to 1")
    if grid > min(task.height, task.width):
        raise UserError(
            f"model.grid = {grid} has more cells than images of {task.height}×{task.width} have pixels",
            f"set model.grid to {min(task.height, task.width)} or lower",
        )
    from ferbench_builtin.estimators.parts import LocalBinaryPatterns

    return _linear(task, LocalBinaryPatterns(task.height, task.width, grid, points, radius), c, folds)


def _linear(task: Task, features: Hog | LocalBinaryPatterns, c: float, folds: int) -> Weighted:
    from sklearn.svm import LinearSVC

    from ferbench_builtin.estimators.parts import Weighted, calibrated

    check_folds(task, folds)
    machine = LinearSVC(C=c, dual=False, max_iter=10_000)
    return Weighted([("features", features), ("classifier", calibrated(machine, folds))])
