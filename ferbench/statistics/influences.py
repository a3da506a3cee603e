"""What each sample adds to a metric: the metrics that are no mean of hits, from probabilities, valence and arousal.

A sample's influence is the derivative of a metric by that sample's weight (Hampel, Journal of the American Statistical
Association 1974), as in `ferbench.statistics.measured`. The lowest F1 of all classes has none: which class is the
lowest changes from sample to sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.affect import DIMENSIONS, dimension_scores
from ferbench.metrics.agreement import cohen_kappa
from ferbench.metrics.calibration import brier_score, reliability
from ferbench.metrics.probabilities import SMALLEST, log_loss, predicted_classes
from ferbench.statistics.estimates import Scale
from ferbench.statistics.sampling import Design, Measured

#: Metrics and the scale on which their intervals are even.
SCALES: dict[str, Scale] = {
    "kappa": "correlation",
    "log_loss": "positive",
    "brier": "positive",
    "ece": "share",  # of a gap below its own uncertainty, an interval even in the logarithm would have no bound
    **{f"{dimension}_ccc": "correlation" for dimension in DIMENSIONS},
    **{f"{dimension}_rmse": "positive" for dimension in DIMENSIONS},
}


@dataclass(frozen=True)
class ModelOutputs:
    """What one model says of the samples.

    Attributes:
        truth: int64[n] class ids.
        probabilities: float[n, K].
        affect_truth: float[n, 2] annotated valence and arousal, NaN where missing; None where there are none.
        affect: float[n, 2] predicted; None for a model without that head.
    """

    truth: NDArray[np.int64]
    probabilities: NDArray[np.floating]
    affect_truth: NDArray[np.floating] | None = None
    affect: NDArray[np.floating] | None = None

    def labelled(self, metric: str) -> NDArray[np.bool_]:
        """bool[n]: the samples that a metric is over."""
        if metric not in _OF_AFFECT:
            return np.ones(len(self.truth), np.bool_)
        if self.affect_truth is None or self.affect is None:
            return np.zeros(len(self.truth), np.bool_)
        return ~np.isnan(self.affect_truth[:, _OF_AFFECT[metric][0]])


def measure_outputs(metric: str, design: Design, several: Sequence[ModelOutputs]) -> Measured | None:
    """A metric of what the models of several seeds say of the samples of a design; None where it is not defined.

    Args:
        metric: one of `SCALES`.
        design: of the samples that the metric is over (`ModelOutputs.labelled`).
        several: a model for each seed.
    """
    rows = several[0].labelled(metric)
    if int(rows.sum()) < 2 or not all(np.array_equal(rows, model.labelled(metric)) for model in several):
        return None
    influences = []
    for model in several:
        if metric in _OF_AFFECT:
            column, which = _OF_AFFECT[metric]
            assert model.affect_truth is not None
            assert model.affect is not None
            y, p = (side[rows, column].astype(np.float64) for side in (model.affect_truth, model.affect))
            influences.append(_ccc(y, p) if which == "ccc" else _rmse(y, p))
        else:
            influences.append(_OF_CLASSES[metric](model.truth, model.probabilities))
    values = np.array([value for value, _ in influences])
    if not np.isfinite(values).all():
        return None
    return Measured.of(values, np.stack([parts for _, parts in influences]), design, design.lacks(metric))


_OF_AFFECT = {
    f"{dimension}_{which}": (column, which) for column, dimension in enumerate(DIMENSIONS) for which in ("ccc", "rmse")
}

_Parts = tuple[float, NDArray[np.float64]]  # the value, and float64[n]


def _kappa(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> _Parts:
    classes, n = probabilities.shape[1], len(truth)
    predicted = predicted_classes(probabilities)
    confusion = np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)
    rows, columns = confusion.sum(axis=1) / n, confusion.sum(axis=0) / n
    agreed, chance = np.trace(confusion) / n, float(rows @ columns)
    value = cohen_kappa(confusion)
    if chance >= 1:
        return value, np.zeros(n)
    more_agreed = (truth == predicted) - agreed
    more_chance = columns[truth] + rows[predicted] - 2 * chance
    return value, (more_agreed * (1 - chance) - more_chance * (1 - agreed)) / (1 - chance) ** 2 / n


def _log_loss(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> _Parts:
    own = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return log_loss(truth, probabilities), -np.log(np.clip(own, SMALLEST, 1 - SMALLEST)) / len(truth)


def _brier(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> _Parts:
    apart = probabilities.astype(np.float64)
    apart[np.arange(len(truth)), truth] -= 1
    return brier_score(truth, probabilities), (apart**2).sum(axis=1) / len(truth)


def _ece(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> _Parts:
    """Each bin counts with the sign of its gap, which is taken for given."""
    binned = reliability(truth, probabilities)
    top = predicted_classes(probabilities)
    confidence = probabilities[np.arange(len(truth)), top].astype(np.float64)
    sign = np.sign(np.nan_to_num(binned.accuracy - binned.confidence))
    return binned.error, sign[binned.place] * ((top == truth) - confidence) / len(truth)


def _ccc(y: NDArray[np.float64], p: NDArray[np.float64]) -> _Parts:
    value = float(dimension_scores(y, p)["ccc"])
    from_y, from_p = y - y.mean(), p - p.mean()
    apart = float(y.mean() - p.mean())
    whole = float((from_y**2).mean() + (from_p**2).mean() + apart**2)
    together = float((from_y * from_p).mean())
    if whole == 0:
        return value, np.zeros(len(y))
    more_together = from_y * from_p - together
    more_whole = from_y**2 + from_p**2 + apart**2 + 2 * apart * (from_y - from_p) - whole
    return value, (2 * more_together - 2 * together / whole * more_whole) / whole / len(y)


def _rmse(y: NDArray[np.float64], p: NDArray[np.float64]) -> _Parts:
    value = float(dimension_scores(y, p)["rmse"])
    squares = (p - y) ** 2
    return value, (squares - value**2) / (2 * value * len(y)) if value else np.zeros(len(y))


_OF_CLASSES: dict[str, Callable[[NDArray[np.int64], NDArray[np.floating]], _Parts]] = {
    "kappa": _kappa,
    "log_loss": _log_loss,
    "brier": _brier,
    "ece": _ece,
}
