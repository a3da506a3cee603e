"""Predictions of several models for the same samples, brought into one order of samples and classes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data.class_mapping import order_of_classes
from ferbench.errors import UserError
from ferbench.metrics.probabilities import predicted_classes
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.predictions import Predictions
from ferbench.statistics.sampling import Design

#: Columns of the samples that say which of them are drawn together; of each sample the first that is known counts.
CLUSTERS = ("subject", "clip")


def coarser(column: str) -> tuple[str, ...]:
    """A column of clusters and those that it is a part of: samples with one value of it are alike in all of them."""
    return CLUSTERS[: CLUSTERS.index(column) + 1] if column in CLUSTERS else ()


@dataclass(frozen=True)
class Clusters:
    """Which samples err together, and are drawn as a whole.

    Attributes:
        by: the column that says so: ``subject``, ``clip``, or ``subject or clip`` where it depends on the sample.
        of: int64[n], the cluster of each sample, numbered from 0.
        unknown: samples without a value in any of these columns, each of which is a cluster of its own.
    """

    by: str
    of: NDArray[np.int64]
    unknown: int

    @property
    def count(self) -> int:
        return int(self.of.max()) + 1


@dataclass(frozen=True)
class Samples:
    """The samples that everything is brought into the order of.

    Attributes:
        ids: text[n].
        truth: int64[n] class ids.
        class_names: K names; first those that the dataset knows, then what only the models know.
        columns: what else is known of them, text[n] by name.
        only_models: how many classes only the models know: no sample is of them, and macro averages leave them out.
    """

    ids: NDArray[np.str_]
    truth: NDArray[np.int64]
    class_names: tuple[str, ...]
    columns: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    only_models: int = 0

    @property
    def scored(self) -> tuple[str, ...]:
        """The classes that the dataset knows."""
        return self.class_names[: len(self.class_names) - self.only_models]

    @cached_property
    def clusters(self) -> Clusters | None:
        """Which samples belong together; None where nothing is known of that, or no two of them do."""
        return self.clusters_without(())

    @property
    def clustered_by(self) -> str | None:
        """The column that says so; None where none does."""
        clusters = self.clusters
        return None if clusters is None else clusters.by

    def clusters_without(self, known: Sequence[str]) -> Clusters | None:
        """The same where the samples at hand are alike in some of the columns, which then tell none of them apart."""
        keys, unknown, used = self.ids, np.ones(len(self.ids), np.bool_), []
        for name in CLUSTERS:
            values = self.columns.get(name)
            if name in known or values is None or not (tells := unknown & (values != "")).any():
                continue
            # What a column calls a value, no other column means by it.
            keys = np.where(tells, np.char.add(f"{name}:", values), keys)
            unknown = unknown & ~tells
            used.append(name)
        if not used:
            return None
        found, numbers = np.unique(np.where(unknown, np.char.add("alone:", self.ids), keys), return_inverse=True)
        if len(found) == len(self.ids) > 1:
            return None
        return Clusters(" or ".join(used), numbers.astype(np.int64), int(unknown.sum()))

    def with_facts_of(self, given: Predictions) -> Samples:
        """These samples, in their order, with what a run knows of them where nothing was known: who they are of.

        Raises:
            UserError: the run has other samples.
        """
        lacking = [name for name in given.columns if name not in self.columns or (self.columns[name] == "").any()]
        if not lacking:
            return self
        order = same_samples(self.ids, given.ids, "a run")
        columns = dict(self.columns)
        for name in lacking:
            theirs, own = given.columns[name][order], self.columns.get(name)
            columns[name] = theirs if own is None else np.where(own == "", theirs, own)
        changed = any(name not in self.columns or (columns[name] != self.columns[name]).any() for name in lacking)
        return replace(self, columns=columns) if changed else self

    def design(self, rows: NDArray[Any] | None = None, within: str = "") -> Design:
        """How the samples would be drawn again.

        Args:
            rows: a mask bool[n] of some of them; None: all.
            within: the column whose value the samples of the mask share: it and what it is a part of draw nothing.
        """
        chosen = slice(None) if rows is None else rows
        clusters = self.clusters_without(coarser(within)) if within else self.clusters
        alone = Design(self.truth[chosen], len(self.class_names), scored=len(self.scored))
        if clusters is None:
            return alone
        found, numbers = np.unique(clusters.of[chosen], return_inverse=True)
        if len(found) == len(numbers) > 1:
            return alone
        unit = "group" if " " in clusters.by else clusters.by
        return replace(alone, clusters=numbers.astype(np.int64), unit=unit)


@dataclass(frozen=True)
class Aligned:
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


def read(results: Path, run: str, evaluation: str, base: Samples | None = None) -> Aligned:
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
    stored = directory.load_evaluation(evaluation)
    names = tuple(directory.load().data.class_names if stored is None else stored.class_names)
    if base is None:
        only = 0 if stored is None or stored.data is None else len(stored.data.only_model)
        samples = Samples(given.ids, given.truth.astype(np.int64), names, given.columns, only)
        return Aligned(samples, given.probabilities, given, given.affect_truth, given.affect)
    order = same_samples(base.ids, given.ids, run)
    columns = same_classes(base.class_names, names, run)
    # columns[k]: where the run has class k; its own ids are the inverse of that.
    truth = np.argsort(columns)[given.truth[order]]
    if wrong := int((truth != base.truth).sum()):
        raise UserError(
            f"run {run} has another true class than the others for {wrong:,} samples", "compare runs on the same labels"
        )
    affects = (None if one is None else one[order] for one in (given.affect_truth, given.affect))
    return Aligned(base, given.probabilities[order][:, columns], given, *affects)


def read_row(results: Path, tests: Iterable[tuple[str, str]], base: Samples | None) -> tuple[list[Aligned], Samples]:
    """The predictions of several runs, and the samples with what they know of them.

    Args:
        results: the results directory.
        tests: run and evaluation of each, at least one.
        base: as in `read`; None: the first one's.

    Raises:
        UserError: as in `read`.
    """
    several = []
    for run, evaluation in tests:
        given = read(results, run, evaluation, base)
        base = (base or given.samples).with_facts_of(given.predictions)
        several.append(given)
    assert base is not None
    return several, base


def with_facts(results: Path, tests: Iterable[tuple[str, str]], samples: Samples) -> Samples:
    """The samples with what other runs say of them, where those at hand say nothing, as predictions of older releases
    and of other software may.

    Args:
        results: the results directory.
        tests: run and evaluation of whoever was tested on these samples.
        samples: as they are known so far.
    """
    for run, evaluation in tests:
        if "part" in samples.columns:  # which every run says that says anything
            break
        with contextlib.suppress(UserError):
            samples = samples.with_facts_of(RunDirectory(run_path(results, run)).predictions(evaluation))
    return samples


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
