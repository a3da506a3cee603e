"""Predictions of several models for the same samples, brought into one order of samples and classes."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.predictions import Predictions, Unlike, aligned
from ferbench.statistics.clusters import Clusters, clusters_of, coarser
from ferbench.statistics.sampling import Design


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
        return clusters_of(self.ids, self.columns, known)

    @cached_property
    def drawn_digest(self) -> str:
        """Of which samples are drawn together; in whatever order they are."""
        clusters, order = self.clusters, np.argsort(self.ids, kind="stable")
        return "" if clusters is None else hashlib.sha256(clusters.of[order].tobytes()).hexdigest()[:24]

    def with_facts(self, columns: Mapping[str, NDArray[np.str_]]) -> Samples:
        """The samples with what a run knows of them, in their order, where nothing was known: who they are of."""
        merged = dict(self.columns)
        for name, theirs in columns.items():
            own = self.columns.get(name)
            merged[name] = theirs if own is None else np.where(own == "", theirs, own)
        new = any(name not in self.columns or (merged[name] != self.columns[name]).any() for name in columns)
        return replace(self, columns=merged) if new else self

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
        distinct, numbers = np.unique(clusters.of[chosen], return_inverse=True)
        if len(distinct) == len(numbers) > 1:
            return alone
        unit = "group" if " " in clusters.by else clusters.by
        return replace(alone, clusters=numbers.astype(np.int64), unit=unit)


def read(results: Path, run: str, evaluation: str, base: Samples | None = None) -> tuple[Predictions, Samples]:
    """The predictions of a run's evaluation, and the samples with what they know of them.

    Args:
        results: the results directory.
        run: the name of the run's directory.
        evaluation: twelve digits of its id.
        base: samples and classes to bring them into the order of; None: they keep their own.

    Raises:
        UserError: there are none, they are damaged, or they are of other samples, truths or classes than ``base``.
    """
    directory = RunDirectory(run_path(results, run))
    given, stored = directory.tested(evaluation)
    names = tuple(directory.load().data.class_names if stored is None else stored.class_names)
    if base is None:
        only = 0 if stored is None or stored.data is None else len(stored.data.only_model)
        return given, Samples(given.ids, given.truth.astype(np.int64), names, given.columns, only)
    try:
        ordered = aligned(base, base.class_names, given, names)
    except Unlike as error:
        raise _refused(error, run, base.class_names, names) from None
    return ordered, base.with_facts(ordered.columns)


def read_row(
    results: Path, tests: Iterable[tuple[str, str]], base: Samples | None
) -> tuple[list[Predictions], Samples]:
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
        given, base = read(results, run, evaluation, base)
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
            _, samples = read(results, run, evaluation, samples)
    return samples


def _refused(error: Unlike, run: str, base: Sequence[str], given: Sequence[str]) -> UserError:
    if error.what == "classes":
        return UserError(
            f"{run} knows the classes {', '.join(given)}; the test set has {', '.join(base)}",
            "choose results on the same classes",
        )
    if error.what == "truth":
        wrong = f"{len(error.missing):,} samples"
        return UserError(
            f"run {run} has another true class than the others for {wrong}", "compare runs on the same labels"
        )
    examples = ", ".join(f"'{sample}'" for sample in [*error.missing[:2], *error.further[:2]])
    return UserError(
        f"{run} has other samples: {len(error.missing):,} are missing, {len(error.further):,} are not in the test set"
        + (f", such as {examples}" if examples else ", or one stands there twice"),
        "choose results on one test set: 'ferbench leaderboard' shows them by test set",
    )
