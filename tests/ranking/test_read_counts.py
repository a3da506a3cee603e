"""How often a test set was read, and what the ranks of those that are left owe to those that are gone."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from made_runs import make_run

from ferbench.api.ranking import leaderboard
from ferbench.ranking.standing import removed_since
from ferbench.records.ledger import read_ledger
from ferbench.runs.reads import adopt
from ferbench.runs.removal import remove


def board(results, **options):
    (group,) = leaderboard(results, **options).groups
    return group


@pytest.fixture
def results(tmp_path):
    """Three configurations of two seeds each, in the ledger."""
    for model, skill in (("best", 0.75), ("middle", 0.65), ("worst", 0.6)):
        for seed in (0, 1):
            make_run(tmp_path, model=model, seed=seed, skill=skill, n=700)
    adopt(tmp_path)
    return tmp_path


def of_model(group, results, model):
    from ferbench.runs.directory import RunDirectory

    (row,) = group.rows.index[group.rows["model"] == model]
    return [RunDirectory(results / "runs" / run) for run in group.rows.at[row, "runs"].split()]


def test_readings_configurations_and_models_are_counted(results):
    reads = board(results).reads
    assert (reads.reads, reads.configurations, reads.models, reads.family) == (6, 3, 6, 3)
    assert (reads.removed, reads.removed_models) == (0, 0)
    assert reads.kinds == {"trained": 6}
    assert board(results, single=True).reads.family == 6


def test_without_a_ledger_records_are_counted(tmp_path):
    make_run(tmp_path)
    reads = board(tmp_path).reads
    assert (reads.reads, reads.found, reads.configurations) == (1, 1, 1)
    assert not read_ledger(tmp_path).reads


def test_a_removed_configuration_is_still_counted(results):
    for run in of_model(board(results), results, "middle"):
        remove(results, run)
    after = board(results)
    assert (after.reads.configurations, after.reads.removed, after.reads.family) == (3, 1, 3)
    assert board(results, where=["model=best"]).reads == after.reads


def test_p_of_the_last_pair_is_corrected_for_all_that_were_tested(results, tmp_path_factory):
    for run in of_model(board(results), results, "middle"):
        remove(results, run)
    alone = tmp_path_factory.mktemp("alone")
    for model, skill in (("best", 0.75), ("worst", 0.6)):
        for seed in (0, 1):
            make_run(alone, model=model, seed=seed, skill=skill, n=700)
    (few,), (many,) = board(alone).rows["p"].dropna(), board(results).rows["p"].dropna()
    assert many == pytest.approx(min(1.0, 3 * few))


def test_a_configuration_with_removed_seeds_is_a_selection(results):
    gone, _ = of_model(board(results), results, "best")
    remove(results, gone)
    rows = board(results).rows.set_index("model")
    assert rows.at["best", "unranked"] == removed_since(1, 1)
    assert rows["rank"].notna().sum() == 2
    single = board(results, single=True)
    assert single.rows["rank"].notna().all()
    assert single.reads.family == 6


def test_a_seed_that_is_trained_again_is_no_longer_removed(results):
    gone, _ = of_model(board(results), results, "best")
    content = json.loads(gone.record_path.read_text())
    remove(results, gone)
    make_run(results, model="best", seed=content["recipe"]["training"]["seed"], skill=0.75, n=700)
    assert board(results).rows["unranked"].isna().all()
    assert board(results).reads.removed_models == 0


def test_the_leaderboard_says_it_in_every_form(results, ferbench_cli):
    for run in of_model(board(results), results, "middle"):
        remove(results, run)
    line = (
        "The test set was read 6 times, by 3 configurations (6 models); 1 configuration is removed since, and "
        "corrections cover all that were tested; 6 readings are known from records alone, not noted in time."
    )
    assert line in ferbench_cli("leaderboard", "--results", results).stdout
    document = json.loads(ferbench_cli("leaderboard", "--json", "--results", results).stdout)
    assert document["groups"][0]["test_reads"]["removed"] == 1
    head, first, *_ = ferbench_cli("leaderboard", "--format", "csv", "--results", results).stdout.splitlines()
    about = next(csv.DictReader([head, first]))
    assert (about["test_reads"], about["tested"], about["removed"]) == ("6", "3", "1")


def test_folds_read_no_test_set(tmp_path):
    for place in (1, 2):
        make_run(tmp_path, fold=f"{place}/2", test=f"part{place}")
    assert all(group.reads is None for group in leaderboard(tmp_path).groups)


def test_ranks_of_a_family_are_those_with_rows_that_nothing_is_known_of():
    from ferbench.statistics.estimates import ranks

    means, p = np.array([0.9, 0.8, 0.7]), np.array([[1, 0.01, 0.001], [0.01, 1, 0.04], [0.001, 0.04, 1]])
    adjusted = ranks(means, p, family=5).adjusted  # 10 pairs, of which 3 are known
    assert adjusted[0].tolist() == pytest.approx([1, 0.09, 0.01])
    assert adjusted[1, 2] == pytest.approx(0.32)


def test_the_best_of_several_is_said_to_be_lucky_and_shrunk_on_request(results, ferbench_cli):
    plain, narrow = board(results), board(results, shrink=True)
    best = plain.leader
    assert plain.equals == 3
    assert 0 < plain.luck < 0.02
    assert narrow.rows.at[best, "intervals"]["macro_f1"] == plain.won
    assert plain.rows.at[best, "intervals"]["macro_f1"] != plain.won
    others = [row for row in plain.rows.index if row != best]
    assert plain.rows["intervals"][others].tolist() == narrow.rows["intervals"][others].tolist()
    said = f"Of 3 equal ones the best would seem {plain.luck:.4f} higher in macro-F1 than it is, by chance"
    shown = ferbench_cli("leaderboard", "--results", results).stdout
    assert said in shown
    assert "--shrink" not in shown
    assert "(--shrink)" in ferbench_cli("leaderboard", "--shrink", "--results", results).stdout


def test_the_best_is_that_of_all_rows_whichever_are_shown(results):
    whole = board(results)
    part = board(results, where=["model=best"], shrink=True)
    assert (part.luck, part.equals, part.won) == (whole.luck, whole.equals, whole.won)
    assert part.rows.at[part.leader, "model"] == "best"
    assert board(results, where=["model=worst"], shrink=True).leader is None


def test_removed_rows_are_among_the_equal_ones(results):
    before = board(results)
    for run in of_model(before, results, "worst"):
        remove(results, run)
    after = board(results)
    assert (after.equals, after.reads.gone) == (3, 1)
    mean = after.measured["macro_f1"].groupby(after.members["row"]).mean()[after.leader]
    assert sum(after.won) / 2 == pytest.approx(mean)
