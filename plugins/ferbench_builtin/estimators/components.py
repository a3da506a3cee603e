"""Estimators on principal components of the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from ferbench import Inert, Task, Tunable
from ferbench_builtin.estimators.checks import check_components, check_folds

if TYPE_CHECKING:
    from ferbench_builtin.estimators.parts import Weighted

Components = Annotated[int, Interval(ge=1, le=10_000), Tunable(20, 300)]
Contrast = Annotated[bool, Inert()]
C = Annotated[float, Interval(gt=0, le=1e6), Tunable(0.1, 100.0, log=True)]


def eigenfaces_svm(
    task: Task,
    *,
    seed: int,
    components: Components = 100,
    contrast: Contrast = True,
    c: C = 5.0,
    gamma: Annotated[float, Interval(gt=0, le=1e6), Tunable(0.2, 5.0, log=True)] = 1.0,
    folds: Annotated[int, Interval(ge=2, le=20)] = 2,
) -> Weighted:
    """A support vector machine with a Gaussian kernel on eigenfaces (Turk and Pentland 1991).

    Args:
        task: the learning problem.
        seed: of the search for components.
        components: principal components of the pixels, each scaled to variance 1.
        contrast: first bring each image to mean 0 and standard deviation 1.
        c: how much a sample on the wrong side costs.
        gamma: of the kernel exp(−γ/components · distance²): at 1, two images lie 2 · components apart on average.
        folds: of the training samples, that probabilities are calibrated on.

    Raises:
        UserError: more components than there are images or pixels, or fewer samples of a class than folds.
    """
    from sklearn.svm import SVC

    from ferbench_builtin.estimators.parts import calibrated

    check_folds(task, folds)
    machine = SVC(C=c, gamma=gamma / components, cache_size=500)
    return _on_components(task, seed, components, contrast, calibrated(machine, folds))


def logistic(task: Task, *, seed: int, components: Components = 200, contrast: Contrast = True, c: C = 0.1) -> Weighted:
    """Multinomial logistic regression on principal components, by L-BFGS.

    Args:
        task: the learning problem.
        seed: of the search for components.
        components: principal components of the pixels, each scaled to variance 1.
        contrast: first bring each image to mean 0 and standard deviation 1.
        c: inverse of the strength of the L2 penalty.

    Raises:
        UserError: more components than there are images or pixels.
    """
    from sklearn.linear_model import LogisticRegression

    return _on_components(task, seed, components, contrast, LogisticRegression(C=c, max_iter=1000))


def gradient_boosting(
    task: Task,
    *,
    seed: int,
    components: Components = 100,
    contrast: Contrast = True,
    rounds: Annotated[int, Interval(ge=1, le=100_000), Tunable(50, 500)] = 200,
    lr: Annotated[float, Interval(gt=0, le=1), Tunable(0.02, 0.3, log=True)] = 0.1,
    leaves: Annotated[int, Interval(ge=2, le=10_000), Tunable(7, 63)] = 31,
    l2: Annotated[float, Interval(ge=0, le=1e6), Tunable(0.01, 10.0, log=True)] = 1.0,
) -> Weighted:
    """Gradient boosting of trees over histograms, on principal components of the pixels: on the pixels themselves it
    would take many times as long.

    Args:
        task: the learning problem.
        seed: of the search for components.
        components: principal components of the pixels, each scaled to variance 1.
        contrast: first bring each image to mean 0 and standard deviation 1.
        rounds: trees of each class.
        lr: what each tree counts.
        leaves: of a tree, at most.
        l2: penalty on the values of leaves.

    Raises:
        UserError: more components than there are images or pixels.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        max_iter=rounds,
        learning_rate=lr,
        max_leaf_nodes=leaves,
        l2_regularization=l2,
        early_stopping=False,
        random_state=seed,
    )
    return _on_components(task, seed, components, contrast, trees)


def _on_components(task: Task, seed: int, components: int, contrast: bool, classifier: Any) -> Weighted:
    from sklearn.decomposition import PCA

    from ferbench_builtin.estimators.parts import Contrast, Weighted

    check_components(task, components)
    solver = "randomized" if components <= 0.8 * task.channels * task.height * task.width else "full"
    steps = [
        ("contrast", Contrast() if contrast else "passthrough"),
        ("components", PCA(components, whiten=True, svd_solver=solver, random_state=seed)),
        ("classifier", classifier),
    ]
    return Weighted(steps)
