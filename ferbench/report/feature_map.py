"""The map of a run's features: where its tested samples stand by what the model gives its classifier of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ferbench.report.charts import SYMBOLS, Figure, axis, layout_of, plain, trace
from ferbench.report.contents import RunView
from ferbench.runs.predictions import Predictions, order_of_samples
from ferbench.tables.table import Column, Table

#: Samples that a page lists; the CSV has all.
MOST_LISTED = 32

_NAMES = {"tsne": "t-SNE", "pca": "PCA"}
_ABOUT = {
    "tsne": "Neighbours of the features are neighbours here; distances between groups say little.",
    "pca": "A projection onto the two directions in which the features vary most.",
}


@dataclass(frozen=True)
class FeatureMap:
    """Samples in two dimensions.

    Attributes:
        method: ``tsne`` or ``pca``.
        seed: of what is random in it.
        ids: str[n] of the samples.
        places: float64[n, 2].
    """

    method: Literal["tsne", "pca"]
    seed: int
    ids: NDArray[np.str_]
    places: NDArray[np.float64]

    @property
    def title(self) -> str:
        return f"{_NAMES[self.method]} of the features"


def map_figure(run: RunView, shown: FeatureMap, given: Predictions) -> Figure:
    """The samples by place, each class in a colour and shape of its own."""
    names, at = run.scored.class_names, shown.places[order_of_samples(given.ids, shown.ids)]
    dots = []
    for k, name in enumerate(names):
        rows = np.flatnonzero(given.truth == k)
        if not len(rows):
            continue
        about = [[plain(str(given.ids[row])), plain(names[given.predicted[row]])] for row in rows.tolist()]
        dots.append(
            trace(
                "markers",
                np.round(at[rows, 0], 3).tolist(),
                np.round(at[rows, 1], 3).tolist(),
                f"%{{customdata[0]}}<br>{plain(name)}, taken for %{{customdata[1]}}<extra></extra>",
                type="scattergl" if len(given.ids) > 1000 else "scatter",
                name=plain(name),
                customdata=about,
                marker={"size": 5, "opacity": 0.6, "symbol": SYMBOLS[k % len(SYMBOLS)]},
            )
        )
    bare: dict[str, Any] = {"showticklabels": False, "zeroline": False}
    return Figure(
        id=f"map-plot-{run.id}",
        title=f"{_NAMES[shown.method]} of the features",
        caption=f"{run.label}: what the model gives its classifier of {len(given.ids):,} samples "
        f"({run.scored.split}), in two dimensions, by true class. {_ABOUT[shown.method]}",
        spec={
            "data": dots,
            "layout": {**layout_of(left=16, entries=len(dots)), "xaxis": axis("", **bare), "yaxis": axis("", **bare)},
        },
        height=520,
        least_width=420,
        table=f"map-{run.id}",
        wide=True,
    )


def map_table(run: RunView, shown: FeatureMap, given: Predictions, most: int | None = MOST_LISTED) -> Table:
    """The samples of a map by id, ``most`` of them; None: all."""
    rows = tuple(_rows(run, shown, given))
    first = rows[:most]
    more = f", the first {len(first)} of them" if len(first) < len(rows) else ""
    return Table(
        id=f"map-{run.id}",
        caption=f"{shown.title} of {run.label}, seed {shown.seed}: {len(rows):,} samples{more}.",
        columns=(
            Column("id", "sample"),
            Column("x", "x", "number"),
            Column("y", "y", "number"),
            Column("true", "true class"),
            Column("predicted", "predicted"),
        ),
        rows=first,
        notes=("All of them are in the CSV that --tables writes.",) if more else (),
    )


def _rows(run: RunView, shown: FeatureMap, given: Predictions) -> Iterator[tuple[str, float, float, str, str]]:
    names, at = run.scored.class_names, shown.places[order_of_samples(given.ids, shown.ids)]
    for row in np.argsort(given.ids, kind="stable").tolist():
        x, y = at[row].tolist()
        yield str(given.ids[row]), x, y, names[given.truth[row]], names[given.predicted[row]]
