"""Folds on the leaderboard."""

from __future__ import annotations

import itertools
from collections import Counter
from statistics import fmean

import pytest
from made_records import made_record, write_runs

from ferbench.ranking import filters
from ferbench.ranking.grouping import group
from ferbench.ranking.standing import with_standings
from ferbench.report.board import Board
from ferbench.report.leaderboard_notes import caption
from ferbench.runs.index import summaries
from ferbench.tables.table import Spread

#: Macro-F1 of three folds.
F1 = (0.25, 0.5, 0.625)


def fold(place, of=3, *, config="c", seed=0, value=None, **more):
    """A run on one fold; every fold has its own samples, 10 more than the one before."""
    return made_record(
        f"{config}{seed}{place}{of}",
        **{"config": config, "seed": seed, "test": f"v1:{place}of{of}", "n": 10 * place} | more,
        fold=f"{place}/{of}",
        metrics={"macro_f1": F1[place - 1] if value is None else value, "accuracy": 0.5},
    )


def folds(*records, tmp_path, single=False):
    write_runs(tmp_path, *records)
    groups, _ = group(summaries(tmp_path), single=single)
    return with_standings(tmp_path, groups, Counter(), "macro_f1")


def shown(groups, *, single=False):
    """The first group's table as rows of text by column."""
    board = Board(groups, single=single)
    keys = board.default(groups[:1], people=True, per_class=False)
    table = board.table(groups[0], 1, keys, board.rows(groups[0], None, False))
    return [dict(zip(keys, row, strict=True)) for row in table.shown()], table


def test_the_folds_of_a_configuration_are_one_row_over_all_samples(tmp_path):
    (one,) = folds(*(fold(place) for place in (3, 1, 2)), made_record("t", config="t"), tmp_path=tmp_path)[:1]
    assert one.members["fold"].tolist() == ["1/3", "2/3", "3/3"]
    assert one.metric("macro_f1") == [Spread(fmean(F1), 0.25, 0.625)]
    assert caption(one) == "faces, official, 3 folds, n = 60, 2 classes: happy, sad"
    assert one.test_digest is None


def test_seeds_are_averaged_after_the_folds_of_each(tmp_path):
    several = [fold(place, seed=seed, value=F1[place - 1] / (1 + seed)) for place in (1, 2, 3) for seed in (0, 1)]
    (one,) = folds(*several, tmp_path=tmp_path)
    assert one.rows["seeds"].tolist() == [2]
    assert one.metric("macro_f1") == [Spread(fmean([fmean(F1), fmean(F1) / 2]), 0.125, 0.625)]
    (cells,), table = shown([one])
    assert (cells["seeds"], cells["folds"]) == ("2", "3 of 3")
    assert "over the folds of each seed, then over seeds" in table.notes[1]


def test_a_row_that_lacks_a_fold_has_no_mean_and_stands_last(tmp_path):
    # Its two folds alone are better than the other's three.
    lacking = [fold(place, config="a", value=0.9) for place in (1, 3)]
    (one,) = folds(*lacking, *(fold(place) for place in (1, 2, 3)), tmp_path=tmp_path)
    rows, table = shown([one])
    assert [row["folds"] for row in rows] == ["3 of 3", "2 of 3"]
    assert [row["macro_f1"] for row in rows] == ["0.4583 (0.2500–0.6250)", ""]
    assert any(f"Without a mean, since folds are missing: {rows[1]['config']} (2 of 3)" in note for note in table.notes)


def test_a_seed_that_lacks_a_fold_does_not_spoil_the_others(tmp_path):
    (one,) = folds(*(fold(place) for place in (1, 2, 3)), fold(2, seed=1), tmp_path=tmp_path)
    rows, _ = shown([one])
    assert [(row["seeds"], row["folds"], row["macro_f1"][:6]) for row in rows] == [
        ("1", "3 of 3", "0.4583"),
        ("1", "1 of 3", ""),
    ]


@pytest.mark.parametrize(
    ("places", "title", "n", "mean"),
    [((2,), "fold 2 of 3", 20, 0.5), ((1, 3), "folds 1 and 3 of 3", 40, fmean([0.25, 0.625]))],
)
def test_folds_whose_partners_nobody_has_are_compared_on_what_there_is(tmp_path, places, title, n, mean):
    (one,) = folds(*(fold(place, config=c) for place in places for c in "ab"), tmp_path=tmp_path)
    assert caption(one).startswith(f"faces, official, {title}, n = {n}, ")
    assert [score.mean for score in one.metric("macro_f1")] == [mean, mean]
    assert {*one.rows["folds"]} == {f"{len(places)} of 3"}


@pytest.mark.parametrize(
    "other",
    [
        {"of": 2},
        {"protocol": "folds"},
        {"synthetic": True},
        {"f1": {"happy": 0.5, "angry": 0.25}},
        {"data": {"split_seed": 1}},
        {"data": {"train_limit": 100}},
    ],
    ids=str,
)
def test_folds_of_another_partition_are_never_in_one_row(tmp_path, other):
    several = [fold(place) for place in (1, 2, 3)]
    several += [fold(place, **{"config": "d", "test": f"v1:other{place}"} | other) for place in (1, 2)]
    groups = folds(*several, tmp_path=tmp_path)
    assert sorted(len(tests) for one in groups for tests in one.tests) == [2, 3]
    assert len(groups) == 2


def test_where_one_fold_is_two_sets_of_samples_no_folds_are_put_together(tmp_path):
    unlike = fold(2, config="d", test="v1:elsewhere")
    groups = folds(*(fold(place) for place in (1, 2, 3)), unlike, tmp_path=tmp_path)
    assert len(groups) == 4
    assert {folds for one in groups for folds in one.rows["folds"]} == {"1 of 3"}
    assert [one.protocol for one in groups] == [f"official, fold {place} of 3" for place in (1, 2, 2, 3)]
    assert all("Folds are not put together here" in shown([one])[1].notes[1] for one in groups)


def test_single_runs_stand_in_the_order_of_their_folds(tmp_path):
    several = [
        fold(place, config=c, value=v) for (c, v), place in itertools.product([("a", 0.3), ("b", 0.6)], (3, 1, 2))
    ]
    groups = folds(*several, tmp_path=tmp_path, single=True)
    rows, table = shown(groups, single=True)
    assert [row["fold"] for row in rows] == ["1/3", "1/3", "2/3", "2/3", "3/3", "3/3"]
    assert [row["macro_f1"] for row in rows] == ["0.6000", "0.3000"] * 3
    assert "data.fold" not in rows[0]
    assert any("only rows of the same fold" in note for note in table.notes)


def test_folds_have_neither_ranks_nor_intervals_and_notes_say_why(tmp_path):
    (one,) = folds(*(fold(place, config=c) for c in "ab" for place in (1, 2, 3)), tmp_path=tmp_path)
    rows, table = shown([one])
    assert one.rows["rank"].isna().all()
    assert all(score.interval is None for score in one.metric("macro_f1"))
    assert "rank_range" not in rows[0]
    notes = "\n".join(table.notes)
    assert "No row is ranked: a fold is measured on the samples that its epoch was chosen on." in notes
    assert "Folds share training samples, so they are not independent, and their mean has no interval." in notes


def test_the_order_in_which_runs_are_found_changes_nothing(tmp_path):
    several = [fold(place, of, config=c) for c in "ab" for of in (2, 3) for place in range(1, of + 1)]
    write_runs(tmp_path, *several)
    found = summaries(tmp_path)
    wanted, _ = group(found)
    assert [one.protocol for one in wanted] == ["official, 3 folds", "official, 2 folds"]
    for turned in (found[::-1], found[5:] + found[:5]):
        for found_group, one in zip(group(turned)[0], wanted, strict=True):
            assert (found_group.protocol, found_group.tests) == (one.protocol, one.tests)
            assert found_group.rows["config"].tolist() == one.rows["config"].tolist()
            assert found_group.metric("macro_f1") == one.metric("macro_f1")


def test_rows_differ_in_their_settings_and_not_in_their_folds(tmp_path):
    several = [fold(place, config=c, optimizer={"lr": lr}) for c, lr in (("a", 0.1), ("b", 0.2)) for place in (1, 2, 3)]
    (one,) = folds(*several, tmp_path=tmp_path)
    assert one.varied == ["optimizer.lr"]
    assert all("data.fold" not in settings for settings in one.rows["settings"])


def test_both_the_id_of_the_row_and_that_of_a_fold_are_found(tmp_path):
    (one,) = folds(*(fold(place, config=c) for c in "ab" for place in (1, 2, 3)), tmp_path=tmp_path)
    for condition, count in ((f"config={one.rows['config'].iloc[0]}", 3), ("config=a20000000000", 1)):
        assert len(filters.select(summaries(tmp_path), filters.parse([condition]))) == count


def test_an_ensemble_on_a_fold_shares_its_configuration_with_nobody(tmp_path):
    ensemble = fold(1, config="e")
    ensemble["identity"]["covers"] = {"members": []}
    (one,) = folds(*(fold(place) for place in (1, 2, 3)), ensemble, tmp_path=tmp_path)
    assert one.rows["folds"].tolist() == ["3 of 3", "1 of 3"]
    assert one.rows["config"].iloc[1] == "e10000000000"
