"""Grouping finished runs, and the seeds of a configuration."""

from __future__ import annotations

import json
from collections import Counter
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_record, write_runs
from made_runs import make_run

from ferbench.errors import UserError
from ferbench.ranking.grouping import group
from ferbench.ranking.leaderboard import contaminated, ordered
from ferbench.ranking.standing import with_standings
from ferbench.report.board import Board
from ferbench.runs.index import summaries
from ferbench.tables.table import Spread


def board(results, *records):
    write_runs(results, *records)
    return group(summaries(results))


def scores(group, key="macro_f1"):
    return [score.mean for score in group.metric(key)]


def sizes(group):
    """How many runs each row is over."""
    return [len(tests) for tests in group.tests]


def test_configurations_on_one_test_set_are_sorted_by_macro_f1(tmp_path):
    made = [made_record(c, config=c, metrics={"macro_f1": f1}) for c, f1 in (("a", 0.4), ("b", 0.6), ("c", 0.5))]
    (one,), unfinished = board(tmp_path, *made)
    assert scores(one) == [0.6, 0.5, 0.4]
    assert one.n == 7
    assert unfinished == []


def test_the_seeds_of_a_configuration_are_one_row(tmp_path):
    made = [
        made_record(run, config="c", seed=seed, metrics={"macro_f1": f1}, f1={"happy": f1, "sad": 0.0})
        for run, seed, f1 in (("a", 2, 0.25), ("b", 0, 0.5), ("d", 1, 0.75))
    ]
    (one,), _ = board(tmp_path, *made)
    assert one.members["seed"].tolist() == [0, 1, 2]
    assert one.members["run"].str[0].tolist() == ["b", "d", "a"]
    assert one.metric("macro_f1") == one.metric("f1:happy") == [Spread(0.5, 0.25, 0.75)]
    assert one.rows["config"].tolist() == ["c00000000000"]


def test_single_runs_are_rows_of_their_own_on_demand(tmp_path):
    write_runs(tmp_path, *(made_record(run, seed=seed) for seed, run in enumerate("ab")))
    (one,), _ = group(summaries(tmp_path), single=True)
    assert [[run[0] for run, _ in tests] for tests in one.tests] == [["a"], ["b"]]


def test_a_metric_that_one_seed_lacks_has_no_mean(tmp_path):
    with_loss = made_record("a", seed=0, metrics={"macro_f1": 0.5, "loss": 1.0})
    without = made_record("b", seed=1, metrics={"macro_f1": 0.5, "loss": None})
    ((one,), _) = board(tmp_path, with_loss, without)
    assert one.metric("loss") == [None]
    assert one.metrics[:2] == ["macro_f1", "loss"]


def test_a_copy_of_a_run_is_no_other_seed(tmp_path):
    write_runs(tmp_path, made_record("a"))
    (tmp_path / "runs" / "a00000000000").rename(tmp_path / "runs" / "b-copy")
    (one,), unfinished = board(tmp_path, made_record("a"))
    assert sizes(one) == [1]
    assert [(row.run, row.status) for row in unfinished] == [("b-copy", "copy")]


def test_unlike_test_sets_classes_and_protocols_are_never_in_one_group(tmp_path):
    groups, _ = board(
        tmp_path,
        made_record("a", config="a"),
        made_record("b", config="b", test="v1:t2"),
        made_record("c", config="c", f1={"happy": 0.5, "angry": 0.5}),
        made_record("d", config="d", protocol="merged"),
        made_record("e", config="e"),
    )
    assert sorted(len(one.rows) for one in groups) == [1, 1, 1, 2]


def test_a_dataset_alone_and_joined_with_another_one_meet_on_their_test_set(tmp_path):
    joined = made_record("b", config="b")
    joined["data"]["dataset"] = "faces+more"
    (only,), _ = board(tmp_path, made_record("a", config="a"), joined)
    assert only.dataset == "faces, faces+more"
    assert "trained_on" in Board([only], single=False).default([only], people=True, per_class=False)
    assert len(only.rows) == 2


def test_weights_tested_in_another_way_are_a_row_of_their_own(tmp_path):
    twice = made_record("a")
    plain = twice["evaluations"]["e2"]
    twice["evaluations"]["e2"] = {**plain, "options": {"tta": "none"}}
    twice["evaluations"]["e3"] = {**plain, "options": {"tta": "flip"}}
    (only,), _ = board(tmp_path, twice, made_record("b", seed=1))
    tested = [settings.get("evaluation.tta") for settings in only.rows["settings"]]
    assert dict(zip(sizes(only), tested, strict=True)) == {1: "flip", 2: None}
    assert only.varied == ["evaluation.tta"]
    assert "evaluation.tta" in Board([only], single=False).default([only], people=True, per_class=False)


def test_one_configuration_on_two_test_sets_stands_in_both(tmp_path):
    groups, _ = board(tmp_path, made_record("a"), made_record("b", seed=1, test="v1:t2"))
    assert [sizes(one) for one in groups] == [[1], [1]]


def test_synthetic_results_come_last_and_are_marked(tmp_path):
    made = [made_record(run, config=run, synthetic=True) for run in "ab"]
    groups, _ = board(tmp_path, *made, made_record("c", test="v1:t2"))
    assert [one.synthetic for one in groups] == [False, True]


def test_what_did_not_finish_is_listed_with_its_reason(tmp_path):
    groups, unfinished = board(tmp_path, made_record("a", status="failed"), made_record("b", status="diverged"))
    assert groups == []
    assert [(one.status, one.reason) for one in unfinished] == [("failed", "it broke"), ("diverged", "it broke")]


def test_a_damaged_record_does_not_hide_the_others(tmp_path):
    write_runs(tmp_path, made_record("a"))
    for name, content in (("b", json.dumps({"schema": 1, "status": "done"})), ("c", "{")):
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "run.json").write_text(content)
    groups, unfinished = group(summaries(tmp_path))
    assert [len(one.rows) for one in groups] == [1]
    assert [one.status for one in unfinished] == ["damaged", "damaged"]


def test_no_results_directory_is_an_empty_board(tmp_path):
    assert group(summaries(tmp_path / "none")) == ([], [])


def test_a_group_names_what_its_configurations_differ_in(tmp_path):
    made = [
        made_record(c, config=c, optimizer={"lr": rate}, data={"path": c, "train_limit": limit})
        for c, rate, limit in (("a", 0.1, None), ("b", 0.2, 50), ("c", 0.2, 50))
    ]
    (one,), _ = board(tmp_path, *made)
    assert one.varied == ["data.train_limit", "optimizer.lr"]
    assert {of["optimizer.lr"] for of in one.rows["settings"]} == {0.1, 0.2}


def test_rows_without_a_value_come_last_either_way(tmp_path):
    made = [made_record("a", config="a"), made_record("b", config="b", metrics={"macro_f1": 0.2, "kappa": 0.1})]
    made.append(made_record("c", config="c", metrics={"macro_f1": 0.1, "kappa": 0.3}))
    (one,), _ = board(tmp_path, *made)
    for descending, order in ((True, "cba"), (False, "bca")):
        rows = ordered(one.rows, one.metric("kappa"), descending=descending)
        assert "".join(rows["config"].str[0]) == order


@pytest.mark.parametrize("values", [[0.1] * 3, [0.1] * 10, [0.7] * 7])
def test_the_mean_of_equal_values_is_that_value(values):
    assert Spread.of(values) == Spread(values[0], values[0], values[0])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_a_spread_is_the_mean_between_the_lowest_and_the_highest(values):
    found = Spread.of(values)
    assert found.low == sorted(values)[0] <= found.mean <= sorted(values)[-1] == found.high
    assert found.mean == pytest.approx(fmean(values), abs=1e-9)


def test_of_many_names_the_first_two_are_shown(tmp_path):
    made = [made_record(f"{seed}a", seed=seed, name=f"n{seed}") for seed in range(5)]
    ((one,), _) = board(tmp_path, *made)
    assert one.rows["name"].tolist() == ["n0, n1, 3 more"]


def test_people_read_metrics_before_the_size_of_the_run(tmp_path):
    (one,), _ = board(tmp_path, made_record())
    keys = Board([one], single=False).default([one], people=True, per_class=False)
    assert keys.index("macro_f1") < keys.index("train")


def test_people_see_what_a_row_cost_and_how_it_was_selected(tmp_path):
    make_run(tmp_path)
    (one,), _ = group(summaries(tmp_path))
    keys = Board([one], single=False).default([one], people=True, per_class=False)
    wanted = ["train", "epochs", "best_epoch", "select", "parameters", "flops", "images_per_second", "seconds", "kind"]
    assert [key for key in keys if key in wanted] == wanted


def test_components_that_all_rows_share_stand_in_a_note(tmp_path):
    for loss in ("cross-entropy", "focal"):
        make_run(tmp_path, loss=loss)
    (one,), _ = group(summaries(tmp_path))
    board = Board([one], single=False)
    keys = board.default([one], people=True, per_class=False)
    assert "loss" in keys
    assert not {"sampler", "augmentation", "optimizer", "schedule"} & set(keys)
    notes = board.table(one, 1, keys, one.rows).notes
    assert (
        notes[0] == "The same in all rows: sampler shuffled, augmentation standard, optimizer adam, schedule constant."
    )
    every = board.default([one], people=False, per_class=False)
    assert not any(note.startswith("The same") for note in board.table(one, 1, every, one.rows).notes)


def test_notes_speak_of_the_columns_that_are_shown(tmp_path):
    for loss in ("cross-entropy", "focal"):
        make_run(tmp_path, loss=loss)
    (one,) = with_standings(tmp_path, group(summaries(tmp_path))[0], Counter(), "macro_f1")
    board = Board([one], single=False)

    def said(*keys):
        return [note.split(":")[0] for note in board.table(one, 1, keys, one.rows).notes]

    *_, rank, luck, interval = said("loss", "rank_range", "accuracy")
    assert (rank, interval) == ("Rank", "±, or [from, to] where it is uneven")
    assert luck.startswith("Of 2 equal ones the best would seem ")
    assert said("loss", "accuracy")[-1] == "±, or [from, to] where it is uneven"
    assert "Rank" not in said("loss", "accuracy")
    assert said("loss", "seconds") == ["The same in all rows"]


def test_a_protocol_that_was_named_is_no_difference_to_one_that_was_not(tmp_path):
    records = [made_record("a", config="c1"), made_record("b", config="c2")]
    records[1]["recipe"]["data"]["protocol"] = "official"
    ((one,), _) = board(tmp_path, *records)
    assert "data.protocol" not in one.varied


def test_classes_stand_in_the_order_of_their_task(tmp_path):
    few = made_record("a", test="v1:few", f1={"sad": 0.5, "happy": 0.5})
    more = [made_record(run, f1={"happy": 0.5, "sad": 0.5, "fear": 0.5}, config=run) for run in "bd"]
    groups, _ = board(tmp_path, few, *more)
    chosen = Board(groups, single=False).default([groups[0]], people=True, per_class=True)
    assert [key for key in chosen if key.startswith("f1:")] == ["f1:happy", "f1:sad", "f1:fear"]
    chosen = Board(groups, single=False).default([groups[1]], people=True, per_class=True)
    assert [key for key in chosen if key.startswith("f1:")] == ["f1:sad", "f1:happy"]


def with_a_test_elsewhere(record, *, classes=("sad", "happy"), contaminated=False, rows="v1:t9", **data):
    """A record with an evaluation as ``ferbench evaluate`` adds it."""
    seen = {split: {"same": 2, "copies": 2} for split in ("train", "validation")}
    record["evaluations"]["e3"] = {
        **record["evaluations"]["e2"],
        "rows_digest": rows,
        "data": {"dataset": "others", "protocol": "official", "synthetic": False, "class_names": list(classes), **data},
        "seen": {**seen, "contaminated": contaminated},
    }
    return record


def test_a_test_elsewhere_stands_beside_runs_that_were_trained_there(tmp_path):
    away = with_a_test_elsewhere(made_record("a", config="a"))
    home = made_record("b", config="b", test="v1:t9")
    groups, _ = board(tmp_path, away, home)
    assert sorted(len(group.rows) for group in groups) == [1, 2]


def test_a_test_elsewhere_goes_by_its_own_dataset_protocol_and_images(tmp_path):
    away = with_a_test_elsewhere(made_record("a"), protocol="public", synthetic=True)
    (home, group), _ = board(tmp_path, away)
    assert (group.dataset, group.protocol, group.synthetic) == ("others", "public", True)
    assert (home.dataset, home.synthetic) == ("faces", False)


def test_scores_of_classes_that_the_test_set_does_not_know_are_left_out(tmp_path):
    (_, away), _ = board(tmp_path, with_a_test_elsewhere(made_record("a"), classes=("happy",)))
    assert "f1:happy" in away.metrics
    assert "f1:sad" not in away.metrics


def test_a_contaminated_test_is_in_no_group_but_is_told(tmp_path):
    groups, unfinished = board(tmp_path, with_a_test_elsewhere(made_record("a"), contaminated=True))
    assert (len(groups), unfinished) == (1, [])
    (why,) = contaminated(summaries(tmp_path))["contaminated"]
    assert "2 in train" in why


def test_it_shows_that_contamination_is_not_known(tmp_path):
    (_, away), _ = board(tmp_path, with_a_test_elsewhere(made_record("a"), contaminated=None))
    assert away.rows["settings"].iloc[0]["evaluation.seen"] == "unknown"


def test_columns_of_classes_with_commas_in_their_names_can_be_chosen(tmp_path):
    make_run(tmp_path, classes=("happy, surprised", "happy", "a,b,c"))
    shown = Board(group(summaries(tmp_path))[0], single=False)
    asked = "model,f1:happy, surprised, f1:a,b,c ,f1:happy,seeds"
    assert shown.chosen(asked) == ["model", "f1:happy, surprised", "f1:a,b,c", "f1:happy", "seeds"]
    with pytest.raises(UserError, match="there is no column 'f1:a'"):
        shown.chosen("f1:a,model")
