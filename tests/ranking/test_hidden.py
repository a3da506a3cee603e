"""Rows that are not shown count: ranks, the leader and adjusted p are those of all rows of a test set."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter

import pytest
from made_records import made_record, write_runs
from made_runs import make_run

from ferbench.ranking import filters
from ferbench.ranking.grouping import group
from ferbench.ranking.hidden import A_SELECTION, among_all, on_the_same
from ferbench.ranking.leaderboard import diverged
from ferbench.ranking.standing import with_standings
from ferbench.runs.index import summaries

SKILLS = {"a": 0.72, "b": 0.66, "c": 0.62, "d": 0.55, "e": 0.5}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Five models with a seed each on one test set, and one on another."""
    path = tmp_path_factory.mktemp("results")
    for name, skill in SKILLS.items():
        make_run(path, name=name, model=name, skill=skill)
    make_run(path, name="away", model="away", test="elsewhere")
    return path


def ranked(results, *conditions, single=False):
    found = summaries(results)
    whole = with_standings(results, group(found, single=single)[0], diverged(found), "macro_f1")
    chosen = group(filters.select(found, filters.parse(conditions)), single=single)[0]
    return whole, among_all(chosen, on_the_same(chosen, whole))


def standings(groups):
    columns = ["rank", "rank_range", "gap", "p", "unranked", "intervals"]
    tables = [one.rows.set_index("name")[columns].astype(object) for one in groups]
    return {name: repr(row) for table in tables for name, *row in table.where(table.notna(), None).itertuples()}


def column(one, key):
    return dict(zip(one.rows["name"], one.rows[key], strict=True))


@pytest.mark.parametrize("conditions", [["model=b,d"], ["name=e"], ["model=a,b,c,d,e"], ["model=*", "name=c,away"]])
def test_a_row_has_the_standing_that_it_has_among_all(results, conditions):
    whole, chosen = ranked(results, *conditions)
    assert standings(chosen).items() <= standings(whole).items()
    assert all(one.hidden == 5 - len(one.rows) for one in chosen if one.rows["name"].iloc[0] != "away")


def test_the_correction_of_two_rows_alone_would_be_weaker(results):
    """Else the test above could not fail."""
    found = [run for run in summaries(results) if run.name in ("a", "d")]
    (alone,) = with_standings(results, group(found)[0], Counter(), "macro_f1")
    assert column(alone, "p")["d"] < column(ranked(results, "model=a,d")[1][0], "p")["d"]


def test_a_hidden_leader_is_named(results):
    (one,) = ranked(results, "model=d,e")[1]
    assert one.hidden_leader.startswith("a (")
    assert (one.rows["gap"] < 0).all()
    assert ranked(results, "model=a,e")[1][0].hidden_leader == ""


def test_a_configuration_whose_seeds_are_hidden_has_no_rank(tmp_path):
    for seed in range(3):
        make_run(tmp_path, name="many", model="many", seed=seed)
    make_run(tmp_path, name="one", model="one")
    for seeds in ("seed=0,2", "seed=0"):
        (one,) = ranked(tmp_path, seeds)[1]
        assert column(one, "unranked") == {"many": A_SELECTION, "one": None}
        assert one.rows["rank"][one.rows["name"] == "many"].isna().all()


@pytest.mark.parametrize("form", ["json", "csv"])
def test_programs_hear_why_a_row_has_no_rank(ferbench_cli, tmp_path, form):
    for seed in range(3):
        make_run(tmp_path, name="many", model="many", seed=seed)
    make_run(tmp_path, name="one", model="one")
    text = ferbench_cli("leaderboard", "--results", tmp_path, "--where", "seed=0", "--format", form).stdout
    rows = json.loads(text)["groups"][0]["rows"] if form == "json" else csv.DictReader(io.StringIO(text))
    assert {row["name"]: row["unranked"] or "" for row in rows} == {"many": A_SELECTION, "one": ""}


def test_single_runs_are_ranked_among_all_single_runs(tmp_path):
    for seed in range(3):
        make_run(tmp_path, name=f"many-{seed}", model="many", seed=seed)
    make_run(tmp_path, name="one", model="one", skill=0.3)
    whole, chosen = ranked(tmp_path, "seed=0", single=True)
    assert standings(chosen).items() <= standings(whole).items()
    assert chosen[0].hidden == 2


def test_hidden_folds_are_counted_and_rank_nothing(tmp_path):
    for place in (1, 2):
        for model in "ab":
            make_run(tmp_path, name=f"{model}{place}", model=model, fold=f"{place}/2", test=f"fold{place}")
    (one,) = ranked(tmp_path, "model=a")[1]
    assert one.hidden == 1
    assert one.rows["rank"].isna().all()
    (one,) = ranked(tmp_path, "data.fold=1/2")[1]
    assert one.hidden == 0


@pytest.mark.parametrize(
    "options", [[], ["--sort", "accuracy"], ["--columns", "name,rank,p"], ["--rank-by", "accuracy"]]
)
@pytest.mark.parametrize("form", ["terminal", "md", "html", "latex"])
def test_every_format_says_how_many_rows_are_hidden(ferbench_cli, results, form, options):
    said = ferbench_cli("leaderboard", "--results", results, "--where", "model=c,d", "--format", form, *options)
    assert said.exit_code == 0, said.stderr
    assert "3 of the 5 rows of this test set are hidden by" in said.stdout
    everything = ferbench_cli("leaderboard", "--results", results, "--format", form, *options).stdout
    assert "hidden by" not in everything


def test_programs_get_the_same_p_and_the_number_of_hidden_rows(ferbench_cli, results):
    asked = ["leaderboard", "--results", results, "--columns", "name,rank,gap,p"]

    def rows(*more):
        return list(csv.DictReader(io.StringIO(ferbench_cli(*asked, "--format", "csv", *more).stdout)))

    chosen = rows("--where", "model=c,d")
    assert len(chosen) == 2
    assert all(row in rows() for row in chosen)
    told = ferbench_cli(*asked, "--format", "csv", "--where", "model=c,d").stderr
    assert "3 of the 5 rows of this test set are hidden by --where" in told
    (document,) = json.loads(ferbench_cli(*asked, "--json", "--where", "model=c,d").stdout)["groups"]
    assert document["hidden"] == 3
    assert document["hidden_leader"].startswith("a (")


def test_ranks_of_few_seeds_are_marked_above_the_table(ferbench_cli, tmp_path):
    def lines(*more):
        return ferbench_cli("leaderboard", "--results", tmp_path, *more).stdout.splitlines()

    for model in "ab":
        make_run(tmp_path, model=model)
    wanted = (
        "Ranks and p compare these trained models, not their configurations: that takes two rows with 2 seeds or more."
    )
    assert lines()[1] == wanted
    make_run(tmp_path, model="a", seed=1)
    assert lines()[1] == wanted
    assert wanted in lines("--where", "model=a")
    make_run(tmp_path, model="b", seed=1)
    assert not any("trained models" in line for line in lines())


def test_seeds_that_failed_are_said_to_be_in_no_mean(ferbench_cli, tmp_path):
    make_run(tmp_path, model="a", seed=0)
    config = summaries(tmp_path)[0].config[3:15]
    make_run(tmp_path, model="a", seed=1, status="failed")
    make_run(tmp_path, model="a", seed=2, status="interrupted")
    shown = ferbench_cli("leaderboard", "--results", tmp_path).stdout
    assert f"Seeds without a result are in no mean: {config} (1 failed, 1 interrupted)." in shown


def test_hidden_seeds_of_rows_that_are_shown_are_counted(tmp_path, ferbench_cli):
    for seed in (0, 1, 2):
        make_run(tmp_path, name=f"same-{seed}", model="same", seed=seed)
        make_run(tmp_path, name=f"other-{seed}", model="other", seed=seed, skill=0.5)
    done = ferbench_cli("leaderboard", "--results", tmp_path, "--where", "seed=1", "--json")
    (one,) = json.loads(done.stdout)["groups"]
    assert (one["hidden"], one["hidden_runs"]) == (0, 4)
    done = ferbench_cli("leaderboard", "--results", tmp_path, "--where", "model=same", "--json")
    (one,) = json.loads(done.stdout)["groups"]
    assert (one["hidden"], one["hidden_runs"]) == (1, 3)


def test_a_fold_is_shown_though_others_of_its_partition_were_measured_on_unlike_samples(tmp_path, ferbench_cli):
    def fold(run, place, test):
        return made_record(run, config=run[0], fold=f"{place}/2", test=test, n=10)

    write_runs(tmp_path, fold("a1", 1, "v1:x"), fold("a2", 2, "v1:y"), fold("b1", 1, "v1:unlike"))
    done = ferbench_cli("leaderboard", "--results", tmp_path, "--where", "run=b100", "--json")
    (one,) = json.loads(done.stdout)["groups"]
    assert (len(one["rows"]), one["hidden"]) == (1, 0)


def test_a_copy_that_is_asked_for_stands_for_its_run(tmp_path, ferbench_cli):
    tested_again = made_record("a")
    tested_again["evaluations"]["e3"] = {**tested_again["evaluations"]["e2"], "options": {"tta": "flip"}}
    write_runs(tmp_path, tested_again)
    (tmp_path / "runs" / "a00000000000").rename(tmp_path / "runs" / "b-copy")
    write_runs(tmp_path, made_record("a"), made_record("d", config="d"))
    done = ferbench_cli("leaderboard", "--results", tmp_path, "--where", "run=b-copy", "--json")
    assert sorted((len(one["rows"]), one["hidden"]) for one in json.loads(done.stdout)["groups"]) == [(2, 1)]
