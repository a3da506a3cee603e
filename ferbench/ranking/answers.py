"""What several models say of the same samples, brought into one order of samples and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.class_mapping import order_of_classes
from ferbench.errors import UserError
from ferbench.metrics.probabilities import predicted_classes
from ferbench.runs.directory import Predictions, RunDirectory, run_path
from ferbench.statistics.sampling import Design

#: Columns of the samples that say which of them are drawn together, the first that is known counts.
CLUSTERS = ("subject", "clip")


@dataclass(frozen=True)
class Samples:
    """The samples that everything is brought into the order of.

    Attributes:
        ids: text[n].
        truth: int64[n] class ids.
        class_names: K names.
        columns: what else is known of them, text[n] by name.
    """

    ids: NDArray[np.str_]
    truth: NDArray[np.int64]
    class_names: tuple[str, ...]
    columns: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    @property
    def clustered_by(self) -> str | None:
        """The column that says which samples belong together; None where none does, or says that none do."""
        for name in CLUSTERS:
            values = self.columns.get(name)
            if values is not None and (values != "").all() and 1 < len(np.unique(values)) < len(values):
                return name
        return None

    def with_clusters_of(self, given: Predictions) -> Samples:
        """These samples, in their order, with what a run says of which belong together, where nothing is known of that.

        Raises:
            UserError: the run has other samples.
        """
        here, there = (any(name in columns for name in CLUSTERS) for columns in (self.columns, given.columns))
        if here or not there:
            return self
        order = same_samples(self.ids, given.ids, "a run")
        return replace(self, columns={name: values[order] for name, values in given.columns.items()})

    def design(self, rows: NDArray[Any] | None = None) -> Design:
        """How the samples, or those of a mask bool[n], would be drawn again."""
        chosen = slice(None) if rows is None else rows
        by, clusters = self.clustered_by, None
        if by is not None:
            found, clusters = np.unique(self.columns[by][chosen], return_inverse=True)
            clusters = clusters if len(found) > 1 else None
        return Design(self.truth[chosen], len(self.class_names), clusters)


@dataclass(frozen=True)
class Answers:
    """The predictions of one run.

    Attributes:
        samples: whose order they have.
        probabilities: float32[n, K].
        predictions: as the run has them, in its own order.
        affect_truth: float[n, 2] annotated valence and arousal; None where there are none.
        affect: float[n, 2] predicted; None for a model without that head.
    """

    samples: Samples
    probabilities: NDArray[np.float32]
    predictions: Predictions
    affect_truth: NDArray[np.floating] | None = None
    affect: NDArray[np.floating] | None = None

    @property
    def predicted(self) -> NDArray[np.int64]:
        return predicted_classes(self.probabilities)


def read(results: Path, run: str, evaluation: str, base: Samples | None = None) -> Answers:
    """The predictions of a run's evaluation.

    Args:
        results: the results directory.
        run: the name of the run's directory.
        evaluation: twelve digits of its id.
        base: samples and classes to bring them into the order of; None: they keep their own.

    Raises:
        UserError: there are none, they are damaged, or they are of other samples, truths or classes than ``base``.
    """
    directory = RunDirectory(run_path(results, run))
    given = directory.predictions(evaluation)
    stored = directory.evaluation(evaluation) or {}
    names = tuple(stored.get("class_names") or directory.read()["data"]["class_names"])
    if base is None:
        samples = Samples(given.ids, given.truth.astype(np.int64), names, given.columns)
        return Answers(samples, given.probabilities, given, given.affect_truth, given.affect)
    order = same_samples(base.ids, given.ids, run)
    columns = same_classes(base.class_names, names, run)
    # columns[k]: where the run has class k; its own ids are the inverse of that.
    truth = np.argsort(columns)[given.truth[order]]
    if wrong := int((truth != base.truth).sum()):
        raise UserError(
            f"run {run} has another true class than the others for {wrong:,} samples", "compare runs on the same labels"
        )
    affects = (None if one is None else one[order] for one in (given.affect_truth, given.affect))
    return Answers(base, given.probabilities[order][:, columns], given, *affects)


def same_samples(base: NDArray[np.str_], given: NDArray[np.str_], what: str) -> NDArray[np.int64]:
    """int64[n]: where ``given`` has each id of ``base``.

    Raises:
        UserError: they are not the same samples.
    """
    lacking, extra = np.setdiff1d(base, given), np.setdiff1d(given, base)
    if len(lacking) or len(extra) or len(base) != len(given):
        examples = ", ".join(f"'{one}'" for one in [*lacking[:2], *extra[:2]])
        raise UserError(
            f"{what} has other samples: {len(lacking):,} are missing, {len(extra):,} are not in the test set"
            + (f", such as {examples}" if examples else ", or one stands there twice"),
            "choose results on one test set: 'ferbench leaderboard' shows them by test set",
        )
    places = np.argsort(given, kind="stable")
    return places[np.searchsorted(given, base, sorter=places)].astype(np.int64)


def same_classes(base: Sequence[str], given: Sequence[str], what: str) -> NDArray[np.int64]:
    """int64[K]: where ``given`` has each class of ``base``.

    Raises:
        UserError: they are not the same classes.
    """
    order = order_of_classes(base, given)
    if order is None:
        raise UserError(
            f"{what} knows the classes {', '.join(given)}; the test set has {', '.join(base)}",
            "choose results on the same classes",
        )
    return order
