"""Classifiers on frozen features, which say what a network knows without training it: scikit-learn's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.classification import confusion_matrix, score
from ferbench.metrics.probabilities import predicted_classes
from ferbench.records.evaluation import UsedProbe

#: float64[n, D] → float64[n, K].
Predict = Callable[[NDArray[np.float64]], NDArray[np.float64]]

#: By name of the probe, what its one number is chosen of: neighbours, and C, the inverse of the penalty.
CANDIDATES: dict[str, tuple[float, ...]] = {
    "knn": (1, 5, 10, 20, 50, 100, 200),
    "linear": (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
}


@dataclass(frozen=True)
class Known:
    """Samples with their features.

    Attributes:
        features: float32[n, D].
        labels: int64[n] class ids.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """A fitted classifier.

    Attributes:
        used: what a record says of it.
    """

    used: UsedProbe
    _predict: Predict

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities float32[n, K] of features float32[n, D]."""
        return self._predict(features.astype(np.float64)).astype(np.float32)


def fitted(name: str, train: Known, validation: Known, classes: int) -> Probe:
    """A probe that was fitted on training samples, its one number that of the highest macro-F1 on validation.

    ``knn`` lets the nearest training samples by cosine vote, each with the inverse of its distance. ``linear`` is
    logistic regression with an L2 penalty on features that have mean 0 and variance 1 over the training samples (a
    linear classifier probe: Alain and Bengio 2016, https://arxiv.org/abs/1610.01644).

    Args:
        name: of `CANDIDATES`.
        train: what it is fitted on.
        validation: what its number is chosen on; of equal ones the first is taken.
        classes: K.
    """
    best: tuple[float, float, Predict] | None = None
    for candidate, predict in (_neighbours if name == "knn" else _linear)(train, classes):
        predicted = predicted_classes(predict(validation.features.astype(np.float64)))
        macro_f1 = score(confusion_matrix(validation.labels, predicted, classes)).summary()["macro_f1"]
        if best is None or macro_f1 > best[1]:
            best = candidate, macro_f1, predict
    assert best is not None
    used = UsedProbe(
        name=name,
        candidates=list(CANDIDATES[name]),
        chosen=best[0],
        value=best[1],
        features=train.features.shape[1],
        fitted=len(train.labels),
        validated=len(validation.labels),
    )
    return Probe(used, best[2])


def _neighbours(train: Known, classes: int) -> Iterator[tuple[float, Predict]]:
    from sklearn.neighbors import KNeighborsClassifier

    for k in CANDIDATES["knn"]:
        if k <= max(len(train.labels), CANDIDATES["knn"][0]):
            model = KNeighborsClassifier(int(k), weights="distance", metric="cosine", algorithm="brute")
            yield k, _over(model.fit(train.features.astype(np.float64), train.labels), classes)


def _linear(train: Known, classes: int) -> Iterator[tuple[float, Predict]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for strength in CANDIDATES["linear"]:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        with warnings.catch_warnings():  # what is not at its minimum after so many steps is a classifier too
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(train.features.astype(np.float64), train.labels)
        yield strength, _over(model, classes)


def _over(model: object, classes: int) -> Predict:
    """Probabilities over all classes of a classifier that may have seen some of them alone."""

    def predict(features: NDArray[np.float64]) -> NDArray[np.float64]:
        made = np.zeros((len(features), classes))
        made[:, model.classes_] = model.predict_proba(features)  # type: ignore[attr-defined]
        return made

    return predict
