"""A random forest on the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier


def random_forest(
    task: Task,
    *,
    seed: int,
    trees: Annotated[int, Interval(ge=1, le=100_000), Tunable(50, 300)] = 200,
    leaf: Annotated[int, Interval(ge=1, le=10**6), Tunable(1, 20)] = 5,
    features: Annotated[float, Interval(gt=0, le=1), Tunable(0.005, 0.1, log=True)] = 0.02,
) -> RandomForestClassifier:
    """A random forest (Breiman 2001) on the pixels.

    Args:
        task: the learning problem.
        seed: of the samples and pixels that trees are grown from.
        trees: how many.
        leaf: training samples of a leaf, at least.
        features: share of the pixels that each split looks at.
    """
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, min_samples_leaf=leaf, max_features=features, random_state=seed)
