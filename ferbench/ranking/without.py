"""How models do without some samples of their test set: leaked ones that an audit of the data lists."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferbench.data.exclusions import FROM_PREDICTIONS, listed
from ferbench.errors import UserError
from ferbench.ranking.aligned import Samples, read, read_row, with_facts
from ferbench.ranking.cross_validation import over_folds
from ferbench.ranking.leaderboard import Group
from ferbench.ranking.rankable import RANKED_BY
from ferbench.statistics.estimates import interval
from ferbench.statistics.sampling import measure
from ferbench.tables.table import Spread

if TYPE_CHECKING:
    import pandas as pd

_EVERY = "--without: the list names every sample of a test set"
_ONLY_SOME = "list only what is to be left out"


def with_and_without(
    results: Path, groups: Sequence[Group], path: Path, everything: Sequence[Group] = ()
) -> list[Group]:
    """The groups whose rows know their metrics without the samples of a list too.

    Rows whose predictions cannot be read have none. Ranks stay those on all samples.

    Args:
        results: the results directory.
        groups: of the leaderboard.
        path: CSV with a column ``id``, as ``ferbench audit data --write-exclusions`` writes it.
        everything: the same with the rows that are not shown, which may know more of the samples.

    Raises:
        UserError: the list cannot be read, or names no sample that any row was tested on, or all of them; or it names
            some since a model disagrees with their labels.
    """
    reasons = listed(path, "--without")
    tests = {group.rows_digest: list(chain.from_iterable(group.tests)) for group in everything}
    made = [
        _folds(results, group, reasons)
        if group.partition is not None
        else _group(results, group, reasons, tests.get(group.rows_digest, ()))
        for group in groups
    ]
    if groups and not any(group.left_out for group in made):
        raise UserError(
            f"--without: {path} names no sample that the runs were tested on",
            "write the list of this dataset with 'ferbench audit data DATASET --write-exclusions FILE'",
        )
    return made


def _group(results: Path, group: Group, reasons: Mapping[str, str], tests: Iterable[tuple[str, str]]) -> Group:
    ids = np.array(list(reasons))
    base: Samples | None = None
    predicted: dict[int, NDArray[np.int64]] = {}
    for place, of_row in enumerate(group.tests):
        with contextlib.suppress(UserError):
            several, base = read_row(results, of_row, base)
            predicted[place] = np.stack([given.predicted for given in several])
    base = None if base is None else with_facts(results, tests, base)
    without = [_without(base, predicted[place], ids) if place in predicted else {} for place in range(len(group.rows))]
    left_out = [] if base is None else base.ids[np.isin(base.ids, ids)].tolist()
    return _counted(replace(group, rows=group.rows.assign(without=without)), left_out, reasons) if left_out else group


def _counted(group: Group, left_out: Sequence[str], reasons: Mapping[str, str]) -> Group:
    """The group, which says how many samples are left out and why.

    Raises:
        UserError: a model's predictions chose some of them.
    """
    counts = Counter(reasons[sample] for sample in left_out)
    if doubted := sum(counts[reason] for reason in FROM_PREDICTIONS):
        what = "1 sample" if doubted == 1 else f"{doubted:,} samples"
        raise UserError(
            f"--without: the list leaves out {what} of the test set because a model disagrees with the labels, and "
            "models that err like it would gain",
            f"remove the rows with the reason '{FROM_PREDICTIONS[0]}'",
        )
    return replace(group, left_out=len(left_out), left_out_for=dict(counts.most_common()))


def _folds(results: Path, group: Group, reasons: Mapping[str, str]) -> Group:
    """Folds have samples of their own, so that their means are again means over folds, without an interval."""
    left_out: dict[str, list[str]] = {}
    without: list[dict[str, Spread | None]] = [{} for _ in group.places]
    for number, place in enumerate(group.places):
        if group.rows["whole"].iloc[number]:
            with contextlib.suppress(UserError):
                without[number] = _over_folds(results, group.members[place], np.array(list(reasons)), left_out)
    lost = [sample for fold in left_out.values() for sample in fold]
    if len(lost) == group.n:
        raise UserError(_EVERY, _ONLY_SOME)
    return _counted(replace(group, rows=group.rows.assign(without=without)), lost, reasons) if lost else group


def _over_folds(
    results: Path, members: pd.DataFrame, ids: NDArray[np.str_], left_out: dict[str, list[str]]
) -> dict[str, Spread | None]:
    values: dict[str, list[tuple[int, float]]] = {name: [] for name in RANKED_BY}
    each = (members[key] for key in ("run", "evaluation", "fold", "sown"))
    for run, evaluation, fold, seed in zip(*each, strict=True):
        given, samples = read(results, run, evaluation)
        kept = ~np.isin(samples.ids, ids)
        left_out[fold] = samples.ids[~kept].tolist()
        if not kept.any():
            return {}
        design = samples.design(kept)
        for name in RANKED_BY:
            values[name].append((seed, float(measure(name, design, given.predicted[kept][None]).values[0])))
    return {name: over_folds(several) for name, several in values.items()}


def _without(base: Samples | None, predicted: NDArray[np.int64], ids: NDArray[np.str_]) -> dict[str, Spread]:
    assert base is not None
    kept = ~np.isin(base.ids, ids)
    if kept.all():
        return {}
    if not kept.any():
        raise UserError(_EVERY, _ONLY_SOME)
    design = base.design(kept)
    without = {}
    for name in RANKED_BY:
        measured = measure(name, design, predicted[:, kept])
        ends = interval(measured, design)
        without[name] = replace(
            Spread.of(measured.values.tolist()), interval=None if ends is None else (ends.low, ends.high)
        )
    return without
