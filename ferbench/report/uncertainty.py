"""What a report says of probabilities: curves by class, calibration, what is answered at which risk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.calibration import (
    BINS,
    brier_score,
    calibration_metrics,
    fitted_temperature,
    reliability,
    risk_coverage,
    scaled,
)
from ferbench.metrics.measures import measure
from ferbench.metrics.probabilities import log_loss
from ferbench.report.charts import DASHES, LINES, SYMBOLS, Figure, Plotly, axis, layout_of, plain, trace
from ferbench.report.contents import RunView
from ferbench.runs.predictions import Predictions
from ferbench.tables.table import Cell, Column, Table

#: Points of a curve: more than a screen can show make a page heavy.
_POINTS = 200


class Probabilities:
    """The probabilities of a run's result, and the same scaled with a temperature from its validation samples.

    Args:
        run: that has a result.
        given: its predictions.
        validation: those of its validation samples; None where there are none, or they are the result itself.
    """

    def __init__(self, run: RunView, given: Predictions, validation: Predictions | None) -> None:
        self.run, self.scored = run, run.scored
        self.truth = given.truth.astype(np.int64)
        self.raw: NDArray[np.floating] = given.probabilities
        self.temperature = None
        if validation is not None and not certain(validation.probabilities):
            self.temperature = fitted_temperature(validation.truth.astype(np.int64), validation.probabilities)

    @property
    def after(self) -> NDArray[np.float64] | None:
        return None if self.temperature is None else scaled(self.raw, self.temperature)

    def figures(self) -> list[Figure]:
        return [self.reliability(), self.risk(), *self.curves()]

    def table(self) -> Table:
        """Calibration before and after temperature scaling."""
        kinds = [("as the model gives them", self.raw), ("temperature-scaled", self.after)]
        keys = ("ece", "ece_mass", "log_loss", "brier", "entropy", "aurc")
        rows: list[tuple[Cell, ...]] = []
        for name, probabilities in kinds:
            if probabilities is not None:
                values = calibration_metrics(self.truth, probabilities)
                values["log_loss"] = log_loss(self.truth, probabilities)
                values["brier"] = brier_score(self.truth, probabilities)
                rows.append((name, 1.0 if probabilities is self.raw else self.temperature, *(values[k] for k in keys)))
        note = "The temperature has the lowest log loss on the run's validation samples; classes stay what they are."
        return Table(
            id=f"calibration-{self.run.id}",
            caption=f"Calibration of {self.run.label} on {self.scored.title}, n = {self.scored.n:,}.",
            columns=(
                Column("probabilities", "probabilities"),
                Column("temperature", "temperature", "score"),
                *(Column(key, measure(key).label, "score", about=measure(key).about) for key in keys),
            ),
            rows=tuple(rows),
            notes=(note,) if self.temperature is not None else (),
        )

    def reliability(self) -> Figure:
        """Accuracy against confidence in bins of equal width."""
        data = [trace("lines", [0, 1], [0, 1], name="calibrated", line={"dash": "dot", "width": 1.5})]
        for number, (name, probabilities) in enumerate((("raw", self.raw), ("temperature-scaled", self.after))):
            if probabilities is None:
                continue
            bins = reliability(self.truth, probabilities)
            filled = bins.counts > 0
            data.append(
                trace(
                    "lines+markers",
                    bins.confidence[filled].tolist(),
                    bins.accuracy[filled].tolist(),
                    "confidence %{x:.3f}<br>accuracy %{y:.3f}<br>%{customdata:,} samples"
                    "<extra>%{fullData.name}</extra>",
                    name=name,
                    customdata=bins.counts[filled].tolist(),
                    line={"dash": DASHES[number], "width": 2},
                    marker={"symbol": SYMBOLS[number], "size": 7},
                )
            )
        return Figure(
            id=f"reliability-{self.run.id}",
            title="Reliability diagram",
            caption=f"{self.run.label}: share of right answers against confidence, the highest probability, in {BINS} "
            "bins of equal width. Below the dotted line it is too sure of itself, above it not sure enough.",
            spec={"data": data, "layout": _unit(len(data), "confidence", "accuracy")},
            height=380,
            table=f"calibration-{self.run.id}",
        )

    def risk(self) -> Figure:
        """Errors among the answered against the share answered."""
        coverage, risk = risk_coverage(self.truth, self.raw)
        kept = _thin(coverage, risk)
        hover = "answers %{x:.1%}<br>wrong among them %{y:.1%}<extra></extra>"
        line = trace("lines", coverage[kept].tolist(), risk[kept].tolist(), hover, line={"width": 2})
        axes = {"xaxis": axis("coverage", range=[0, 1.02]), "yaxis": axis("risk", rangemode="tozero")}
        return Figure(
            id=f"risk-{self.run.id}",
            title="Risk and coverage",
            caption=f"{self.run.label}: if only the surest share of samples is answered (coverage), what share of the "
            "answers is wrong (risk).",
            spec={"data": [line], "layout": {**layout_of(), **axes}},
            height=380,
            table=f"calibration-{self.run.id}",
        )

    def curves(self) -> list[Figure]:
        """ROC and precision–recall curves of each class against the others; none of more classes than can be told."""
        names = self.scored.class_names
        if len(names) > LINES:
            return []
        roc, recall = [], []
        for k, name in enumerate(names):
            positive, scores = self.truth == k, self.raw[:, k]
            if not positive.any() or positive.all():
                continue
            x, y = roc_points(positive, scores)
            roc.append(_curve(x, y, k, f"{name} ({np.diff(x) @ (y[1:] + y[:-1]) / 2:.3f})", "false", "true"))
            x, y = precision_recall_points(positive, scores)
            recall.append(_curve(x, y, k, f"{name} ({np.diff(x) @ y[1:]:.3f})", "recall", "precision"))
        if not roc:
            return []
        about = f"{self.run.label}: each class against all others, with the area under its curve in brackets."
        made = (
            ("roc", "ROC curves", roc, "false positives", "true positives"),
            ("pr", "Precision–recall curves", recall, "recall", "precision"),
        )
        return [
            Figure(
                id=f"{key}-{self.run.id}",
                title=title,
                caption=about,
                spec={"data": lines, "layout": _unit(len(lines), x_title, y_title)},
                height=420,
                table=f"metrics-{self.run.id}",
            )
            for key, title, lines, x_title, y_title in made
        ]


def certain(probabilities: NDArray[np.floating]) -> bool:
    """Predicted classes written as probabilities of 0 and 1 say nothing of how sure they were."""
    return bool(np.isin(probabilities, (0, 1)).all())


def roc_points(
    positive: NDArray[np.bool_], scores: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rates from (0, 0) to (1, 1), a point for each distinct threshold."""
    hits, taken = _by_threshold(positive, scores)
    positives = int(positive.sum())
    false = (taken - hits) / (len(positive) - positives)
    return np.concatenate([[0.0], false]), np.concatenate([[0.0], hits / positives])


def precision_recall_points(
    positive: NDArray[np.bool_], scores: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and precision, the highest threshold first, from recall 0 with precision 1."""
    hits, taken = _by_threshold(positive, scores)
    return np.concatenate([[0.0], hits / int(positive.sum())]), np.concatenate([[1.0], hits / taken])


def _by_threshold(
    positive: NDArray[np.bool_], scores: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positives and samples above each distinct threshold, the highest first."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    return np.cumsum(positive[order])[last], np.flatnonzero(last) + 1


def _thin(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places of at most `_POINTS` points, evenly along the curve, the ends among them."""
    path = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    return np.unique(np.searchsorted(path, np.linspace(0, path[-1], _POINTS)).clip(0, len(x) - 1))


def _curve(x: NDArray[np.float64], y: NDArray[np.float64], k: int, name: str, across: str, up: str) -> Plotly:
    kept = _thin(x, y)
    return trace(
        "lines",
        np.round(x[kept], 5).tolist(),
        np.round(y[kept], 5).tolist(),
        f"{across} %{{x:.3f}}<br>{up} %{{y:.3f}}<extra>%{{fullData.name}}</extra>",
        name=plain(name),
        line={"dash": DASHES[k % len(DASHES)], "width": 2},
    )


def _unit(entries: int, x: str, y: str) -> Plotly:
    around = [-0.02, 1.02]
    return {**layout_of(entries=entries), "xaxis": axis(x, range=around), "yaxis": axis(y, range=around)}
