"""Planned rows and exploratory ones, on a leaderboard."""

from __future__ import annotations

import json

import pytest
from made_runs import make_run

from ferbench.api.ranking import leaderboard
from ferbench.ids import short
from ferbench.records.preregistration import PLAN_FILE, PlannedRun, Preregistration
from ferbench.runs.reads import adopt

LATER = "2999-01-01T00:00:00+00:00"
BEFORE = "2000-01-01T00:00:00+00:00"


def planned_run(directory, label):
    record = directory.load()
    (name,) = record.own_evaluations("test")
    entry = record.evaluations[name]
    config, data = record.identity.config_id, record.data
    return PlannedRun(label, config, record.seed, short(entry.id), entry.rows_digest, data.dataset, entry.n)


@pytest.fixture
def runs(tmp_path):
    """By model, two seeds each."""
    return {
        model: [make_run(tmp_path, model=model, seed=seed, skill=skill, n=700) for seed in (0, 1)]
        for model, skill in (("best", 0.75), ("middle", 0.65), ("worst", 0.6))
    }


def register(path, several, *, when=BEFORE, metric="macro_f1", gone=0):
    planned = [planned_run(directory, label) for label, each in several.items() for directory in each]
    planned += [
        PlannedRun("gone", "v1:gone", seed, f"{seed:012x}", planned[0].test_set, "made-up", 700) for seed in range(gone)
    ]
    plan = Preregistration(when, metric, tuple(planned))
    (path / PLAN_FILE).write_text(plan.to_toml())
    return plan


def board(results, **options):
    (group,) = leaderboard(results, **options).groups
    return group


def marks(group):
    return dict(zip(group.rows["model"], group.rows["plan"], strict=True))


def test_rows_of_the_plan_are_ranked_and_others_are_exploratory(runs, tmp_path):
    register(tmp_path, {"ours": runs["middle"], "theirs": runs["worst"]})
    group = board(tmp_path)
    assert marks(group) == {"best": "exploratory", "middle": "planned", "worst": "planned"}
    rows = group.rows.set_index("model")
    assert rows["rank"].notna().to_dict() == {"best": False, "middle": True, "worst": True}
    assert rows.at["best", "unranked"] == "exploratory: it is not in the plan"
    assert "accuracy" in rows.at["best", "intervals"]
    assert rows["gap"].isna().to_dict() == {
        "best": True,
        "middle": True,
        "worst": False,
    }  # the leader of what was planned


def test_the_family_is_that_of_the_plan_whatever_else_was_tested(runs, tmp_path, tmp_path_factory):
    register(tmp_path, {"ours": runs["middle"], "theirs": runs["worst"]})
    (planned,) = board(tmp_path).rows["p"].dropna()
    alone = tmp_path_factory.mktemp("alone")
    for model, skill in (("middle", 0.65), ("worst", 0.6)):
        for seed in (0, 1):
            make_run(alone, model=model, seed=seed, skill=skill, n=700)
    (few,) = board(alone).rows["p"].dropna()
    assert planned == pytest.approx(few, rel=0.3)  # what seeds vary by is known from the planned rows too
    register(tmp_path, {"ours": runs["middle"], "theirs": runs["worst"]}, gone=2)
    (more,) = board(tmp_path).rows["p"].dropna()
    assert more == pytest.approx(min(1.0, 3 * planned))


def test_planned_runs_that_are_missing_are_counted(runs, tmp_path, ferbench_cli):
    register(tmp_path, {"ours": runs["best"]}, gone=3)
    assert board(tmp_path).plan.missing == ("gone, seed 0", "gone, seed 1", "gone, seed 2")
    shown = ferbench_cli("leaderboard", "--results", tmp_path).stdout
    assert "3 of 5 planned runs are missing: gone, seed 0, gone, seed 1, gone, seed 2." in shown
    assert "Not ranked" in shown
    document = json.loads(ferbench_cli("leaderboard", "--json", "--results", tmp_path).stdout)
    assert document["groups"][0]["plan"]["runs"] == 5


def test_a_seed_beyond_the_plan_makes_the_row_exploratory_and_not_its_planned_run(runs, tmp_path):
    register(tmp_path, {"ours": runs["best"][:1], "theirs": runs["worst"]})
    rows = board(tmp_path).rows.set_index("model")
    assert rows.at["best", "plan"] == "exploratory"
    assert "seed 1 is not in the plan" in rows.at["best", "unranked"]
    single = board(tmp_path, single=True).rows
    assert (single["plan"] == "planned").sum() == 3


def test_a_changed_plan_is_said_and_nothing_counts_as_planned(runs, tmp_path, ferbench_cli):
    register(tmp_path, {"ours": runs["best"], "theirs": runs["worst"]})
    path = tmp_path / PLAN_FILE
    path.write_text(path.read_text().replace("macro_f1", "accuracy"))
    group = board(tmp_path)
    assert group.rows["plan"].isna().all()
    assert group.rows["rank"].notna().all()
    assert "was changed after it was registered" in ferbench_cli("leaderboard", "--results", tmp_path).stdout


def test_what_was_read_before_the_plan_is_exploratory(runs, tmp_path):
    adopt(tmp_path)
    register(tmp_path, {"ours": runs["best"], "theirs": runs["worst"]}, when=LATER)
    group = board(tmp_path)
    assert set(marks(group).values()) == {"exploratory"}
    assert len(group.plan.early) == 4


def test_a_hidden_row_is_no_less_planned(runs, tmp_path):
    register(tmp_path, {"ours": runs["middle"], "theirs": runs["worst"]})
    group = board(tmp_path, where=["model=worst"])
    assert marks(group) == {"worst": "planned"}
    assert group.rows["rank"].notna().all()
    assert group.plan == board(tmp_path).plan


def test_ranks_by_another_metric_are_exploratory(runs, tmp_path):
    register(tmp_path, {"ours": runs["middle"], "theirs": runs["worst"]}, metric="accuracy")
    lines = list(board(tmp_path).plan.lines("macro_f1"))
    assert lines[-1] == "The plan compares by accuracy: ranks by macro-F1 are exploratory, whatever rows say."


def test_a_plan_for_another_test_set_leaves_all_as_it_is_and_says_so(runs, tmp_path, tmp_path_factory, ferbench_cli):
    other = tmp_path_factory.mktemp("other")
    register(other, {"ours": [make_run(other, test="elsewhere")]})
    plan = other / PLAN_FILE
    done = ferbench_cli("leaderboard", "--results", tmp_path, "--plan", plan)
    assert "names no test set that is shown" in done.stderr
    assert board(tmp_path, plan=plan).rows["rank"].notna().all()
