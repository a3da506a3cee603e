"""What a report shows of single samples: errors, slices, valence and arousal, and what the sampler looked at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.affect import DIMENSIONS, dimension_scores
from ferbench.metrics.measures import measure
from ferbench.ranking.aligned import Samples
from ferbench.records.epoch import Epoch
from ferbench.report.charts import Figure, axis, class_cells, layout_of, trace
from ferbench.report.cluster_notes import unknown_note
from ferbench.report.contents import RunView
from ferbench.runs.predictions import Predictions
from ferbench.statistics.clusters import coarser
from ferbench.statistics.slices import METRICS, slices
from ferbench.tables.table import Cell, Column, Table, ids_of
from ferbench.wording import few_of

#: Errors that a page lists; the CSV has all.
MOST_ERRORS = 32
_MOST_POINTS = 2_000


def worst_errors(given: Predictions) -> NDArray[np.int64]:
    """Rows of the misclassified samples, those that the model was surest of first; of equally sure ones by id."""
    predicted = given.predicted
    rows = np.flatnonzero(predicted != given.truth)
    return rows[np.lexsort((given.ids[rows], -given.probabilities[rows, predicted[rows]].astype(np.float64)))]


def errors(run: RunView, given: Predictions, most: int | None = MOST_ERRORS) -> Table:
    """The misclassified samples, the most confident mistakes first; ``most`` of them, None: all."""
    names, rows, predicted = run.scored.class_names, worst_errors(given), given.predicted
    shown = rows[:most]
    more = f", the {len(shown)} surest of them" if len(shown) < len(rows) else ""
    return Table(
        id=f"errors-{run.id}",
        caption=f"Misclassified samples of {run.label}: {len(rows):,} of {len(given.ids):,}{more}.",
        columns=(
            Column("id", "sample"),
            Column("true", "true class"),
            Column("predicted", "predicted"),
            Column("probability", "probability", "score", about="of the predicted class"),
            Column("true_probability", "of the true class", "score", about="probability of the true class"),
        ),
        rows=tuple(
            (
                str(given.ids[row]),
                names[given.truth[row]],
                names[predicted[row]],
                float(given.probabilities[row, predicted[row]]),
                float(given.probabilities[row, given.truth[row]]),
            )
            for row in shown.tolist()
        ),
        notes=("All of them are in the CSV that --tables writes.",) if more else (),
    )


def by_slice(run: RunView, given: Predictions, sliced: Mapping[str, NDArray[np.str_]]) -> list[Table]:
    """A table of metrics for each column text[n] that the samples are sliced by."""
    ids = ids_of(sliced)
    return [
        slice_table(name, values, given, len(run.scored.class_names), run.label, f"by-{ids[name]}-{run.id}")
        for name, values in sliced.items()
    ]


def slice_table(
    name: str, values: NDArray[np.str_], given: Predictions, classes: int, label: str, identifier: str
) -> Table:
    """Metrics with intervals by the values of a column, the worst slice and the gap below.

    Args:
        name: of the column.
        values: text[n]; empty where not known.
        given: the predictions.
        classes: K.
        label: whose they are.
        identifier: of the table.
    """
    truth = given.truth.astype(np.int64)
    samples = Samples(given.ids, truth, tuple(map(str, range(classes))), given.columns)
    scored = slices(name, values, given.predicted[None], lambda rows: samples.design(rows, within=name))
    clusters = samples.clusters_without(coarser(name))
    columns = [Column("value", name), Column("n", "n", "count")]
    for key in METRICS:
        columns.append(Column(key, measure(key).label, "score"))
        columns += [Column(f"{key}_ci_low", "from", "score"), Column(f"{key}_ci_high", "to", "score")]
    rows: list[tuple[Cell, ...]] = []
    for part in scored.slices:
        cells: list[Cell] = [part.value, part.n]
        for key in METRICS:
            ends = part.intervals[key]
            cells += [part.means[key], *((ends.low, ends.high) if ends is not None else (None, None))]
        rows.append(tuple(cells))
    notes = []
    if scored.slices:
        worst = scored.worst()
        notes.append(
            f"Worst in accuracy: {worst.value} ({worst.means['accuracy']:.4f}); gap between the best and the worst "
            f"slice {scored.gap():.4f} in accuracy, {scored.gap('macro_f1'):.4f} in macro-F1."
        )
    notes.append(
        "From, to: 95 % interval of this trained model over samples. Macro-F1 is over the classes that a slice has."
    )
    if clusters is not None:
        notes.append(f"Samples of one {clusters.by} err together: intervals draw each as a whole.")
        notes += filter(None, [unknown_note(clusters.by, clusters.unknown, len(clusters.of))])
    for why, lacking in scored.lacking.items():
        notes.append(f"Without an interval: {few_of(lacking)}: {why}.")
    if scored.left_out:
        notes.append(f"{scored.left_out:,} samples have no {name}.")
    return Table(identifier, f"Scores of {label} by {name}.", tuple(columns), tuple(rows), notes=tuple(notes))


def affect_figures(run: RunView, given: Predictions) -> list[Figure]:
    """Predicted against annotated valence and arousal; none where either is not there."""
    if given.affect is None or given.affect_truth is None:
        return []
    figures = []
    for column, dimension in enumerate(DIMENSIONS):
        truth, predicted = given.affect_truth[:, column], given.affect[:, column]
        rows = np.flatnonzero(~np.isnan(truth))
        if not len(rows):
            continue
        ccc = dimension_scores(truth, predicted)["ccc"]
        kept = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_POINTS)).astype(int))]
        dots = trace(
            "markers",
            np.round(truth[kept].astype(float), 4).tolist(),
            np.round(predicted[kept].astype(float), 4).tolist(),
            "annotated %{x:.3f}<br>predicted %{y:.3f}<extra></extra>",
            type="scattergl" if len(kept) > 1000 else "scatter",
            marker={"size": 4, "opacity": 0.5},
        )
        corner = {"showarrow": False, "xref": "paper", "yref": "paper", "x": 0.02, "y": 0.98}
        part = "" if len(kept) == len(rows) else f" ({len(kept):,} shown)"
        figures.append(
            Figure(
                id=f"{dimension}-{run.id}",
                title=f"{dimension.capitalize()}: predicted against annotated",
                caption=f"{run.label}: {dimension} of {len(rows):,} samples{part}, CCC {ccc:.3f}. On the dotted line a "
                "prediction is right.",
                spec={
                    "data": [dots, trace("lines", [-1, 1], [-1, 1], line={"dash": "dot"})],
                    "layout": {
                        **layout_of(),
                        "xaxis": axis("annotated", range=[-1.05, 1.05]),
                        "yaxis": axis("predicted", range=[-1.05, 1.05]),
                        "annotations": [{"text": f"CCC {ccc:.3f}".replace("-", "−"), **corner}],
                    },
                },
                height=380,
                table=f"metrics-{run.id}",
            )
        )
    return figures


def focus(run: RunView) -> Figure | None:
    """The sampler's weight of each class by epoch; None for a sampler that records none."""
    epochs = [epoch.epoch for epoch in run.history]
    weights = [_weights(epoch) for epoch in run.history]
    classes = list(dict.fromkeys(name for by_class in weights for name in by_class))
    if not classes:
        return None
    z = [[by_class.get(name) for by_class in weights] for name in classes]
    text = [["" if v is None else f"{v:.3g}" for v in row] for row in z]
    numbers = {"text": text, "texttemplate": "%{text}"} if len(epochs) <= 20 else {}
    return Figure(
        id=f"focus-{run.id}",
        title="The sampler's focus by epoch",
        caption=f"{run.label}: the weight with which each class was drawn.",
        spec=class_cells(epochs, classes, z, "weight", ".3g", **numbers),
        height=30 * len(classes) + 90,
        least_width=420,
        wide=True,
        table=f"sampling-{run.id}",
    )


def _weights(epoch: Epoch) -> dict[str, float]:
    weights = (epoch.sampler or {}).get("weights")
    several = weights.items() if isinstance(weights, dict) else ()
    return {name: float(weight) for name, weight in several if isinstance(weight, (int, float))}
