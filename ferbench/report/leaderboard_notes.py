"""What stands above and below the tables of a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ferbench.experiment.differences import NOISE
from ferbench.ids import short
from ferbench.metrics.measures import measure
from ferbench.ranking.cross_validation import Partition
from ferbench.ranking.leaderboard import Group
from ferbench.ranking.standing import MODELS, WITH_INTERVALS
from ferbench.report.cluster_notes import clusters_note
from ferbench.report.leaderboard_columns import SHARED, alike
from ferbench.runs.partitions import cutting_line
from ferbench.runs.remarks import of_absent
from ferbench.runs.summary import ELSEWHERE, POOLED
from ferbench.runs.symptoms import no_better_than_guessing, only_class
from ferbench.statistics import ENOUGH_SEEDS

if TYPE_CHECKING:
    import pandas as pd


def caption(group: Group) -> str:
    """What a group was measured on, in a line."""
    measured = f", test set {short(group.test_digest)}" if group.test_digest else ""
    text = f"{group.dataset}, {group.protocol}{measured}, n = {group.n:,}, {len(group.class_names)} classes: "
    text += ", ".join(group.class_names)
    return f"SYNTHETIC IMAGES, not comparable with real data: {text}" if group.synthetic else text


def ranking_notes(group: Group, keys: Sequence[str]) -> Iterable[str]:
    """What ranks and intervals in the columns ``keys`` mean, and which rows have no rank, and why."""
    rows = group.rows
    tested = rows["rank"].notna().any() and bool({"rank", "rank_range", "p"} & set(keys))
    known = any(rows["intervals"])
    drawn = {name for ends in rows["intervals"] for name in ends}
    measured = known and any(key.removesuffix("_without") in (*WITH_INTERVALS, *drawn) for key in keys)
    if group.reads is not None and not group.reads.removed_models:
        yield group.reads.line
    if group.plan is not None:
        yield from group.plan.lines(group.ranked_by if tested else "")
    if tested:
        label = measure(group.ranked_by).label
        yield (
            f"Rank: from 1 + the rows that are significantly better in {label} (paired tests of all pairs, Holm's "
            "correction, 5 %) to the rows less those that are significantly worse; what cannot be told apart shares it."
        )
    if tested:
        yield from _luck_lines(group)
    if measured:
        yield (
            "±, or [from, to] where it is uneven: 95 % interval; of one seed that of this trained model over samples, "
            "of several that of the configuration over seeds and samples. Two seeds have one where other rows say how "
            "much seeds vary."
        )
    if (tested or measured) and group.clustered_by is not None:
        yield clusters_note(group.clustered_by, group.unclustered, group.n)
    if POOLED in set(group.members["kind"]) and (line := cutting_line(group.protocol)):
        yield line
    for copy in group.members["copy"].dropna().unique():
        yield f"The data: {copy}; they are another test set, with a table of their own."
    yield from _human_line(group, keys)
    yield from _symptom_lines(group)
    several_absent = (names for place in group.places for names in group.members["absent"].iloc[place])
    absent = dict.fromkeys(name for names in several_absent for name in names)
    if note := of_absent(
        list(absent),
        len(group.class_names),
        "validation" if group.partition is not None and not group.partition.tested else "test",
    ):
        yield f"{note}."
    for why in dict.fromkeys(group.lacking.values()):
        names = [measure(key).label for key, reason in group.lacking.items() if reason == why and key in keys]
        if names:
            yield f"No interval of {', '.join(names)}: {why}."
    noisy = [settings.get(NOISE) for settings in rows["settings"]]
    for share in sorted({share for share in noisy if share}):
        few = [config for config, of in zip(rows["config"], noisy, strict=True) if of == share]
        which = "All rows" if len(few) == len(rows) else several(few)
        yield f"Learnt from labels of which {share:.4g} are wrong on purpose (data.label_noise): {which}."
    refused = rows[rows["unranked"].notna()]
    # A reason that is about the run itself begins with its name.
    causes = [text.removeprefix(f"{run} ") for text, run in zip(refused["unranked"], refused["run"], strict=True)]
    who = refused["config"].where(refused["end"] - refused["start"] > 1, refused["run"])
    for reason, names in refused.assign(cause=causes, who=who).groupby("cause", sort=False)["who"]:
        which = "No row is ranked" if len(names) == len(rows) else f"Not ranked: {several(names.tolist())}"
        yield f"{which}: {reason}."


def _luck_lines(group: Group) -> Iterable[str]:
    """How much of the leader's score may be luck, and its interval without that."""
    label = measure(group.ranked_by).label
    if group.equals > 1 and group.luck is not None:
        better = "lower" if not measure(group.ranked_by).higher_is_better else "higher"
        yield (
            f"Of {group.equals:,} equal ones the best would seem {group.luck:.4f} {better} in {label} than it is, by "
            "chance: it was chosen among them by this very score."
        )
    if group.shrunk and group.won is not None:
        who = group.rows.at[group.leader, "config"]
        how = "whatever the removed ones were" if group.reads and group.reads.gone else "given that it is the best"
        yield f"The interval of {who} in {label} is that of its true value {how} (--shrink)."


def _symptom_lines(group: Group) -> Iterable[str]:
    """Which rows predict one class for everything, and which are no better than guessing."""
    measured = group.measured
    names = [name for name in group.class_names if f"recall:{name}" in measured and f"precision:{name}" in measured]
    if not {"accuracy", "balanced_accuracy"} <= set(measured) or len(names) < 2:
        return
    constant: dict[str, list[str]] = {}
    guessing = []
    called = group.rows["name"].where(group.rows["name"].notna(), group.rows["config"])
    for row, place in zip(called, group.places, strict=True):
        for _, scores in measured.iloc[place].iterrows():
            present = [name for name in names if scores[f"recall:{name}"] == scores[f"recall:{name}"]]
            recalls, precisions = (
                {name: float(scores[f"{which}:{name}"]) for name in present} for which in ("recall", "precision")
            )
            if (only := only_class(recalls, precisions, float(scores["accuracy"]))) is not None:
                constant.setdefault(only, []).append(row)
            elif no_better_than_guessing(float(scores["balanced_accuracy"]), [group.n / len(names)] * len(names)):
                guessing.append(row)
    for name, rows in constant.items():
        yield f"Every sample is predicted as '{name}' by {several(list(dict.fromkeys(rows)))}: nothing else was learnt."
    if guessing:
        yield f"Not told apart from guessing in balanced accuracy: {several(list(dict.fromkeys(guessing)))}."


def _human_line(group: Group, keys: Sequence[str]) -> Iterable[str]:
    """How far the annotators of the test set agree, and which rows are above that."""
    known = group.members[group.members["annotators"].notna()]
    if known.empty:
        return
    line = str(known["annotators"].iloc[0])
    yield f"Annotators: {line}."
    by_class = known["human_of"].iloc[0]
    shown = [name for name in group.class_names if isinstance(by_class.get(name), float) and f"recall:{name}" in keys]
    if shown:
        agreed = ", ".join(f"{name} {100 * by_class[name]:.1f} %" for name in shown)
        yield f"The same by class, beside recall: {agreed}."
    accuracy = group.measured["accuracy"].groupby(group.members["row"]).mean()
    above = group.rows[group.rows.index.map(accuracy) > float(known["human"].iloc[0])]
    if len(above):
        named = several(above["name"].where(above["name"].notna(), above["config"]).tolist())
        yield (
            f"Above one annotator's agreement: {named}. That does not mean better than people: a network learns what "
            "most annotators say and is judged by that, and a single annotator is judged by the others."
        )


def hidden_note(group: Group) -> str:
    """How many rows of a test set are not shown, and that they count; empty where all are."""
    if not group.hidden:
        return ""
    total = group.hidden + len(group.rows)
    be = "is" if group.hidden == 1 else "are"
    text = f"{group.hidden:,} of the {total:,} rows of this test set {be} hidden by --where"
    if group.partition is not None:
        return f"{text}."
    leader = f"; the leader is one of them: {group.hidden_leader}" if group.hidden_leader else ""
    return f"{text}; ranks and adjusted p are among all {total:,}{leader}."


def without_note(group: Group) -> str:
    """How many samples the list of ``--without`` leaves out and why; empty where it leaves out none."""
    if not group.left_out:
        return ""
    why = ", ".join(f"{reason or 'no reason given'} {count:,}" for reason, count in group.left_out_for.items())
    return (
        f"Without: the same without the {group.left_out:,} of {group.n:,} samples "
        f"({group.left_out / group.n:.1%}) that the list names: {why}. Ranks are on all samples."
    )


def fold_notes(partition: Partition, rows: pd.DataFrame, *, single: bool) -> list[str]:
    """What stands below a table of folds.

    Args:
        partition: of the group.
        rows: of the group.
        single: they are single runs.
    """
    if partition.mixed:
        return [
            "Folds are not put together here: runs of one fold were measured on unlike samples, as when the list "
            "behind data.exclude has changed, or the way of cutting between two versions."
        ]
    if single:
        return ["A row is one fold; only rows of the same fold were measured on the same samples."]
    if partition.tested:
        held = ", ".join(f"{config} ({of})" for config, of in zip(rows["config"], rows["folds"], strict=True))
        return [f"Single folds are no result: {held}. All folds of a seed are one, as soon as none is missing."]
    several = len(partition.sizes) > 1
    notes = []
    if several:
        seeds = "over the folds of each seed, then over seeds" if rows["seeds"].max() > 1 else "over folds"
        notes.append(
            f"Metrics are means {seeds}, the lowest and highest fold in brackets. Folds share training samples, so "
            "they are not independent, and their mean has no interval."
        )
    part = rows[~rows["whole"]]
    lacking = [f"{config} ({held})" for config, held in zip(part["config"], part["folds"], strict=True)]
    if lacking:
        notes.append(
            f"Without a mean, since folds are missing: {', '.join(lacking)}. It would be over other samples; see "
            "single folds with --runs."
        )
    return notes


def above(group: Group, keys: Sequence[str]) -> Iterable[str]:
    """What has to be known before the ranks are read."""
    if note := hidden_note(group):
        yield note
    if group.chosen_on is not None:
        yield group.chosen_on.line
    if group.reads is not None and group.reads.removed_models:
        yield group.reads.line
    ranked = int(group.rows["rank"].notna().sum())
    if ranked and ranked + group.hidden > 1 and group.claim == MODELS and {"rank", "rank_range", "p"} & set(keys):
        yield (
            "Ranks and p compare these trained models, not their configurations: that takes two rows with "
            f"{ENOUGH_SEEDS} seeds or more."
        )


def several(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:4])} and {len(names) - 4} more"


def shared(group: Group, keys: Sequence[str]) -> Iterable[str]:
    """A note on the components that all rows share and that are in no column."""
    own = group.rows[group.rows["loss"] != ELSEWHERE]
    hidden = [section for section in SHARED if section not in keys and alike(own, section)]
    named = [f"{section} {name}" for section in hidden if len(own) and (name := own[section].iloc[0])]
    if named:
        where = "rows" if len(own) == len(group.rows) else "rows that were trained here"
        yield f"The same in all {where}: {', '.join(named)}."
