"""Ranks within a group: who is better than whom, beyond what samples and seeds explain.

What was computed is kept in ``results/.tests.json`` (`ferbench.ranking.kept_standings`), by everything that it depends
on: runs, evaluations, and size and time of the predictions.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.metrics.measures import measure as named
from ferbench.ranking.kept_standings import VERSION, Best, GroupStandings, KeptStandings, Standing
from ferbench.ranking.rankable import RANKED_BY, PluginMetrics
from ferbench.runs.summary import IMPORTED
from ferbench.statistics import ENOUGH_SEEDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ferbench.ranking.aligned import Samples
    from ferbench.ranking.leaderboard import Group
    from ferbench.ranking.metric_rows import RowMetric
    from ferbench.statistics.influences import ModelOutputs
    from ferbench.statistics.sampling import Design, Measured

#: What intervals are known of unasked, beside metrics of plugins.
WITH_INTERVALS = (
    *RANKED_BY,
    "kappa",
    "log_loss",
    "brier",
    "ece",
    "valence_ccc",
    "valence_rmse",
    "arousal_ccc",
    "arousal_rmse",
)
#: What ranks are about.
MODELS = "models"
CONFIGURATIONS = "configurations"
ONE_SEED = "one seed says nothing of others: train more with --seed, or rank trained models with --runs"
TESTS_FILE = ".tests.json"


def with_standings(
    results: Path,
    groups: Sequence[Group],
    diverged: Counter[str],
    metric: str,
    plugins: PluginMetrics | None = None,
) -> list[Group]:
    """The groups with the standing of every row.

    Args:
        results: the results directory, whose cache is used and kept.
        groups: what to rank, each on its own.
        diverged: runs that diverged, by configuration id.
        metric: that `ferbench.ranking.rankable.check_ranking` allows.
        plugins: metrics of plugins among those of the groups; None: there are none.
    """
    cache = KeptStandings(results / TESTS_FILE)
    plugins = plugins or PluginMetrics()
    made = [_ranked(results, group, diverged, metric, cache, plugins) for group in groups]
    cache.save()
    return made


def _ranked(
    results: Path, group: Group, diverged: Counter[str], metric: str, cache: KeptStandings, plugins: PluginMetrics
) -> Group:
    reasons, files = _refusals(group, diverged), []
    for place, score in enumerate(group.metric(metric) if metric not in RANKED_BY else ()):
        if score is None and not reasons[place]:
            reasons[place] = f"not all of its runs have {named(metric).label}"
    unplanned = _unplanned(group)
    claim, single = _claim(group, [reason or why for reason, why in zip(reasons, unplanned, strict=True)])
    beside = dict.fromkeys(single, ONE_SEED)
    beside |= {place: why for place, why in enumerate(unplanned) if why and not reasons[place]}
    for place, tests in enumerate(group.tests):
        marks: list[list[Any]] = []
        if not reasons[place]:
            try:
                marks = [_mark(results, *test) for test in tests]
            except OSError:
                reasons[place] = "predictions are missing"
        files.append(marks)
    chosen = [place for place, reason in enumerate(reasons) if not reason]
    tested = GroupStandings([])
    if chosen:
        own = [name for name in plugins.names if name in group.measured and group.measured[name].notna().any()]
        key = _key(
            metric,
            group.class_names,
            [
                claim,
                sorted(beside.items()),
                _family(group),
                _gone(group),
                [files[place] for place in chosen],
                plugins.sources(own),
            ],
        )
        kept = cache.get(key)
        if kept is None or len(kept.standings) != len(chosen):
            of_chosen = [files[place] for place in chosen]
            kept = _computed(results, group, chosen, metric, claim, beside, of_chosen, plugins, own, cache)
            cache.put(key, kept)
        tested = kept
    known = dict(zip(chosen, tested.standings, strict=True))
    standings = [known.get(place) or Standing(reason=reason) for place, reason in enumerate(reasons)]
    return replace(
        group,
        rows=group.rows.assign(**columns_of(standings)),
        ranked_by=metric,
        claim=claim,
        clustered_by=tested.clustered_by,
        unclustered=tested.unclustered,
        lacking=tested.lacking,
        **({} if tested.best is None else _of_leader(tested.best, group, chosen)),
    )


def _of_leader(best: Best, group: Group, chosen: Sequence[int]) -> dict[str, Any]:
    """What a group says of its leader."""
    leader = group.rows.index[chosen[best.row]]
    return {"luck": best.luck, "equals": best.equals, "leader": int(leader), "won": best.won}


def _family(group: Group) -> int:
    """Rows that the correction of p covers: all that were tested on the test set, whether they are still there, and
    have a rank, or not."""
    if group.plan is not None and group.plan.counts:
        return group.plan.family
    return len(group.rows) if group.reads is None else group.reads.family


def _gone(group: Group) -> int:
    """Rows that were tested and of which nothing is there any more, among which the leader is the best too; those that
    were not planned are no rivals of planned ones."""
    return 0 if group.reads is None or (group.plan is not None and group.plan.counts) else group.reads.gone


def _unplanned(group: Group) -> list[str]:
    """Why each row is not one of those that are ranked, where a plan says which are; empty where it is."""
    if group.plan is None or not group.plan.counts:
        return [""] * len(group.rows)
    return [why if isinstance(why, str) else "" for why in group.rows["unplanned"]]


def shrunk(group: Group) -> Group:
    """The group with the leader's interval, in the metric that ranks, given that it is the best."""
    if group.leader is None or group.won is None:
        return group
    intervals = group.rows["intervals"].copy()
    intervals.at[group.leader] = {**intervals.at[group.leader], group.ranked_by: group.won}
    return replace(group, rows=group.rows.assign(intervals=intervals), shrunk=True)


def columns_of(standings: Sequence[Standing]) -> dict[str, Any]:
    """Standings as columns of the rows of a leaderboard."""
    import pandas as pd

    return {
        "rank": pd.array([of.best for of in standings], dtype="Int64"),
        "rank_range": [of.range for of in standings],
        "gap": [of.gap for of in standings],
        "p": [of.p for of in standings],
        "unranked": [of.reason or None for of in standings],
        "intervals": [of.intervals for of in standings],
    }


def _refusals(group: Group, diverged: Counter[str]) -> list[str]:
    """Why each row cannot be ranked, as far as records tell; empty where it can."""
    if group.partition is not None:
        return [group.partition.unranked] * len(group.rows)
    # Of runs that were tested on their own dataset, whose faulty samples their record counts.
    members = group.members
    own = members["skipped"].set_axis(members["row"])[(members["own"] & (members["kind"] != IMPORTED)).array]
    usual = Counter(own.loc[[row for row in group.rows.index if row in own.index]]).most_common(1)
    most = usual[0][0] if usual else 0
    unlike = own[own != most].groupby("row").first()
    reasons = []
    for row, config, place in zip(group.rows.index, group.rows["config_id"], group.places, strict=True):
        reason = ""
        if lost := diverged[config]:
            reason = a_selection(lost, place.stop - place.start)
        elif gone := int(group.rows.at[row, "removed"]):
            reason = removed_since(gone, place.stop - place.start)
        elif row in unlike.index:
            reason = f"{unlike[row]:,} faulty samples were left out, {most:,} for the others"
        reasons.append(reason)
    return reasons


def _claim(group: Group, reasons: Sequence[str]) -> tuple[str, frozenset[int]]:
    """What the ranks are about, and the places of rows that have none for it.

    Configurations, where two rows have several seeds, or one has and all others have none: ensembles and models from
    elsewhere stand for themselves. A row of one seed has no rank among them. Else these trained models, all of them.
    """
    left = [place for place, reason in enumerate(reasons) if not reason]
    several = {place for place in left if group.places[place].stop - group.places[place].start >= ENOUGH_SEEDS}
    sown = group.rows["seed"].notna().tolist()
    single = frozenset(place for place in left if sown[place] and place not in several)
    if len(several) >= 2 or (several and not single):
        return CONFIGURATIONS, single
    return MODELS, frozenset()


def a_selection(diverged: int, left: int) -> str:
    """Why so many seeds that are left say nothing of their configuration."""
    return f"{diverged} of its {diverged + left} seeds diverged, so that the others are a selection"


def removed_since(gone: int, left: int) -> str:
    """Why so many models that are left say nothing of their configuration."""
    were = "was" if gone == 1 else "were"
    return (
        f"{gone} of its {gone + left} tested runs {were} removed, so that the others are a selection: train with those "
        "seeds again, or rank single runs with --runs"
    )


def _mark(results: Path, run: str, evaluation: str) -> list[Any]:
    file = os.stat(f"{results}/runs/{run}/evaluations/{evaluation}/predictions.npz")  # noqa: PTH116 - a Path is slow
    return [run, evaluation, file.st_size, file.st_mtime_ns]


def _key(metric: str, class_names: Sequence[str], files: Any) -> str:
    return hashlib.sha256(json.dumps([VERSION, metric, list(class_names), files]).encode()).hexdigest()[:24]


@dataclass
class _Read:
    """What the predictions of rows say, by the row's place.

    Attributes:
        samples: that all rows were measured on; None where none can be read.
        predicted: class ids int16[S, n].
        intervals: of the metrics that are no mean of hits, taken at once so that no probabilities need be kept.
        ranking: the metric that ranks, where it is one of these.
        refused: why a row cannot be read, or has no rank in that metric.
        lacking: why there is no interval, by metric of a plugin.
    """

    samples: Samples | None = None
    predicted: dict[int, Any] = field(default_factory=dict)
    intervals: dict[int, dict[str, tuple[float, float]]] = field(default_factory=dict)
    ranking: dict[int, RowMetric] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)


def _computed(
    results: Path,
    group: Group,
    rows: Sequence[int],
    metric: str,
    claim: str,
    beside: Mapping[int, str],
    files: Sequence[Any],
    plugins: PluginMetrics,
    own: Sequence[str],
    cache: KeptStandings,
) -> GroupStandings:
    """The standings of the rows at these places from their predictions.

    Args:
        results: the results directory.
        group: what to rank.
        rows: places of those that can be.
        metric: that ranks.
        claim: `MODELS` or `CONFIGURATIONS`.
        beside: places of rows that have intervals but no rank, and why: those of one seed where the claim is about
            configurations, and those that were not planned.
        files: of each row's predictions.
        plugins: finds the plugins of metrics.
        own: metrics of plugins that the group has.
        cache: of intervals.
    """
    import numpy as np

    from ferbench.statistics.estimates import SeedVariances, all_pairs, interval, mcnemar_pairs, ranks
    from ferbench.statistics.sampling import measure

    of_rows = _read(results, group, rows, metric, files, plugins, own, cache, None)
    base, refused = of_rows.samples, of_rows.refused
    if base is None:
        return GroupStandings([Standing(reason=refused[place]) for place in rows])
    design, places = base.design(), list(of_rows.predicted)
    measured = {name: [measure(name, design, of_rows.predicted[place]) for place in places] for name in RANKED_BY}
    lacking = {name: why for name in WITH_INTERVALS if (why := design.lacks(name))} | of_rows.lacking
    ends: dict[int, dict[str, tuple[float, float]]] = {}
    spreads = {name: SeedVariances.of(of) for name, of in measured.items()}
    shared = sum(measurement.seeds > 1 for measurement in measured[RANKED_BY[0]]) > 2  # and speak of each other's seeds
    for number, place in enumerate(places):
        several = {
            name: interval(measured[name][number], design, seeding=of.alone(number) if shared else None)
            for name, of in spreads.items()
        }
        ends[place] = {name: (of.low, of.high) for name, of in several.items() if of is not None}
        ends[place] |= of_rows.intervals[place]
    standings = {place: Standing(intervals=ends.get(place, {}), reason=reason) for place, reason in refused.items()}
    best: Best | None = None
    if metric in RANKED_BY:
        chosen = dict(zip(places, measured[metric], strict=True))
    else:
        chosen = {place: of.measured for place, of in of_rows.ranking.items()}
        design = next((of.design for of in of_rows.ranking.values()), design)
    for place in [place for place in chosen if place in beside]:
        chosen.pop(place)
        standings[place] = Standing(intervals=ends[place], reason=beside[place])
    for place in [place for place, of in chosen.items() if of.lacks]:
        why = chosen.pop(place).lacks
        instead = "" if "accuracy" in lacking else "; --rank-by accuracy does without"
        standings[place] = Standing(intervals=ends[place], reason=f"{why}{instead}")
    if chosen:
        ranked_places, ranking = list(chosen), list(chosen.values())
        p = all_pairs(ranking, design, over_seeds=claim == CONFIGURATIONS)
        alone = [number for number, measurement in enumerate(ranking) if measurement.seeds == 1]
        if metric == "accuracy" and design.clusters is None and len(alone) > 1:
            right = np.stack([of_rows.predicted[ranked_places[number]][0] == design.truth for number in alone])
            p[np.ix_(alone, alone)] = mcnemar_pairs(right)
        means = np.array([measurement.mean for measurement in ranking])
        better = means if named(metric).higher_is_better else -means
        ranked, leader = ranks(better, p, family=_family(group)), int(better.argmax())
        for number, place in enumerate(ranked_places):
            standings[place] = Standing(
                int(ranked.best[number]),
                int(ranked.worst[number]),
                None if number == leader else float(means[number] - means[leader]),
                None if number == leader else float(ranked.adjusted[number, leader]),
                ends[place],
            )
        best = _best(group, metric, ranking, design, claim, better)
        best = replace(best, row=list(rows).index(ranked_places[best.row]))
    clusters = base.clusters
    by, unknown = (None, 0) if clusters is None else (clusters.by, clusters.unknown)
    return GroupStandings([standings[place] for place in rows], by, unknown, lacking, best)


def _best(
    group: Group,
    metric: str,
    ranking: Sequence[Measured],
    design: Design,
    claim: str,
    better: NDArray[np.float64],
) -> Best:
    """What the leader is worth, and its place among those that are ranked.

    Args:
        group: that is ranked.
        metric: that ranks.
        ranking: what was measured of those with a rank.
        design: of the samples.
        claim: `MODELS` or `CONFIGURATIONS`.
        better: their means, negative where lower is better.
    """
    from ferbench.statistics.winner import errors_of, winner

    about, gone, over_seeds = named(metric), _gone(group), claim == CONFIGURATIONS
    errors, wide = (errors_of(ranking, design, over_seeds=over_seeds, stretched=known) for known in (False, True))
    found = winner(better, errors, wide, gone)
    low, high = (found.low, found.high) if about.higher_is_better else (-found.high, -found.low)
    least, most = (0.0, 1.0) if metric in RANKED_BY else (about.low, about.high)
    low, high = low if least is None else max(low, least), high if most is None else min(high, most)
    return Best(found.row, len(ranking) + gone, found.luck, (float(low), float(high)))


def _read(
    results: Path,
    group: Group,
    rows: Sequence[int],
    metric: str,
    files: Sequence[Any],
    plugins: PluginMetrics,
    own: Sequence[str],
    cache: KeptStandings,
    base: Samples | None,
) -> _Read:
    """What the predictions of rows say. Arguments are those of `_computed`, and the samples as far as known."""
    import numpy as np

    from ferbench.ranking.aligned import read_row
    from ferbench.ranking.metric_rows import plugin_row_metric, row_metric
    from ferbench.statistics.influences import ModelOutputs

    made = _Read()
    first = base
    recorded = group.measured.notna()
    for place, marks in zip(rows, files, strict=True):
        try:
            given, base = read_row(results, group.tests[place], base)
        except UserError as error:
            made.refused[place] = error.message
            continue
        first = first or base
        several = [ModelOutputs(base.truth, of.probabilities, of.affect_truth, of.affect) for of in given]
        made.predicted[place] = np.stack([of.predicted.astype(np.int16) for of in given])
        ends = _other_intervals(base, several, set(recorded.columns[recorded.iloc[group.places[place].start]]))
        made.intervals[place] = ends
        if metric not in (*RANKED_BY, *own):
            made.ranking[place] = row_metric(metric, base, given)
            if (found := made.ranking[place].ends) is not None:
                ends[metric] = found
        for name in own:
            values = group.measured[name].iloc[group.places[place]].tolist()
            if any(value != value for value in values) or (len(values) == 2 and name != metric):
                continue
            key = _key(name, group.class_names, [marks, plugins.sources([name]), base.drawn_digest])
            if name != metric and (kept := cache.interval(key)) is not None:
                ends[name] = kept
                continue
            try:
                of_plugin = plugin_row_metric(plugins.find(name), values, base, given)
            except UserError as error:
                made.lacking[name] = error.message
                if name == metric:
                    made.refused[place] = f"{named(name).label} is not tested: {error.message}"
                continue
            if (found := of_plugin.ends) is not None:
                ends[name] = found
                cache.keep(key, found)
            elif of_plugin.measured.lacks:
                made.lacking[name] = of_plugin.measured.lacks
            if name == metric:
                made.ranking[place] = of_plugin
    if base is not first:  # what is known of the samples came late, and what came before has to know it too
        return _read(results, group, rows, metric, files, plugins, own, cache, base)
    made.samples = base
    return made


def _other_intervals(
    base: Samples, several: Sequence[ModelOutputs], recorded: set[str]
) -> dict[str, tuple[float, float]]:
    from ferbench.statistics.estimates import interval
    from ferbench.statistics.influences import SCALES, measure_outputs

    intervals = {}
    for name in (name for name in SCALES if name in recorded and len(several) != 2):
        labelled = several[0].labelled(name)
        design = base.design(None if labelled.all() else labelled)
        measured = measure_outputs(name, design, several)
        ends = None if measured is None else interval(measured, design, scale=SCALES[name])
        if ends is not None:
            intervals[name] = (ends.low, ends.high)
    return intervals
