"""Which samples are drawn together where not all of them say who they are of."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from made_runs import make_run
from record_files import read_metrics, write_metrics

from ferbench.ranking.aligned import Samples
from ferbench.ranking.grouping import group
from ferbench.ranking.standing import with_standings
from ferbench.runs.index import summaries


def samples(**columns):
    n = len(next(iter(columns.values())))
    return Samples(
        np.array([f"s{i}" for i in range(n)]),
        np.zeros(n, dtype=np.int64),
        ("x", "y"),
        {name: np.array(values) for name, values in columns.items()},
    )


def together(found):
    """Which samples are in one cluster, as sets of their places."""
    return {frozenset(np.flatnonzero(found.of == k).tolist()) for k in range(found.count)}


def test_samples_without_a_subject_stand_alone_and_are_counted():
    found = samples(subject=["a", "a", "", "b", "", "b"]).clusters
    assert together(found) == {frozenset({0, 1}), frozenset({2}), frozenset({3, 5}), frozenset({4})}
    assert (found.by, found.unknown) == ("subject", 2)


def test_a_sample_without_a_subject_belongs_to_its_clip():
    found = samples(subject=["a", "a", "", "", "", ""], clip=["x", "y", "a", "a", "y", ""]).clusters
    assert together(found) == {frozenset({0, 1}), frozenset({2, 3}), frozenset({4}), frozenset({5})}
    assert (found.by, found.unknown) == ("subject or clip", 1)


def test_what_samples_are_called_is_no_cluster():
    """One is called as a cluster is, another as one of another column is."""
    found = replace(samples(subject=["a", "a", ""], clip=["", "", "a"]), ids=np.array(["x", "subjecta", "clipa"]))
    assert together(found.clusters) == {frozenset({0, 1}), frozenset({2})}
    found = replace(samples(subject=["a", "a", "", ""]), ids=np.array(["x", "y", "subjecta", "subject:a"]))
    assert together(found.clusters) == {frozenset({0, 1}), frozenset({2}), frozenset({3})}


@pytest.mark.parametrize("columns", [{"part": ["t", "t"]}, {"subject": ["", ""]}, {"subject": ["a", "b"]}])
def test_there_are_no_clusters_where_no_two_samples_are_known_to_belong_together(columns):
    assert samples(**columns).clusters is None


def test_one_subject_alone_is_one_cluster():
    assert samples(subject=["a", "a", "a"]).clusters.count == 1


def test_facts_are_taken_from_whoever_has_them():
    known = samples(subject=["a", "", ""], part=["t", "t", "t"])
    found = known.with_facts({"subject": np.array(["z", "b", "a"]), "clip": np.array(["p", "q", "q"])})
    assert found.columns["subject"].tolist() == ["a", "b", "a"]
    assert found.columns["clip"].tolist() == ["p", "q", "q"]
    assert known.with_facts(known.columns) is known


def with_people(run, unknown=0, known=10**9):
    """Give a run's predictions a subject for 25 samples each, but for the first ``unknown`` of them."""
    for path in (run.path / "evaluations").glob("*/predictions.npz"):
        one = run.predictions(path.parent.name)
        people = np.array(["" if i < unknown or i >= known else f"p{i // 25}" for i in range(len(one.ids))])
        write_metrics(run, read_metrics(run, path.parent.name), replace(one, columns={"subject": people}))


def board(results):
    (one,) = with_standings(results, group(summaries(results))[0], Counter(), "macro_f1")
    return one


def test_one_missing_subject_hardly_changes_what_is_concluded(tmp_path):
    found = {}
    for unknown in (0, 1):
        runs = [
            make_run(tmp_path / str(unknown), name=name, model=name, skill=s) for name, s in (("a", 0.6), ("b", 0.52))
        ]
        for run in runs:
            with_people(run, unknown)
        found[unknown] = board(tmp_path / str(unknown))
    p = [found[unknown].rows["p"].iloc[1] for unknown in (0, 1)]
    assert p[1] == pytest.approx(p[0], rel=0.3)
    assert [found[unknown].clustered_by for unknown in (0, 1)] == ["subject"] * 2
    assert [found[unknown].unclustered for unknown in (0, 1)] == [0, 1]


def test_the_output_says_how_many_samples_lack_a_subject(ferbench_cli, tmp_path):
    for name in "ab":
        with_people(make_run(tmp_path, name=name, model=name), 3)
    wanted = "3 of 350 samples have no subject and count as one each."
    for _ in ("computed", "kept"):
        assert wanted in ferbench_cli("leaderboard", "--results", tmp_path).stdout
    assert wanted in ferbench_cli("compare", "a", "b", "--results", tmp_path, "--draws", 100).stdout
    assert (
        json.loads(ferbench_cli("leaderboard", "--results", tmp_path, "--json").stdout)["groups"][0]["unclustered"] == 3
    )


def test_what_only_the_last_of_three_runs_knows_is_known_of_all(tmp_path):
    runs = [make_run(tmp_path, name=name, model=name) for name in "abc"]
    plain = board(tmp_path)
    with_people(runs[0], known=175)
    with_people(runs[1], unknown=175)
    found = board(tmp_path)
    assert (found.clustered_by, found.unclustered) == ("subject", 0)
    for run in runs:
        with_people(run)
    again, before, without = (one.rows["intervals"].tolist() for one in (board(tmp_path), found, plain))
    assert again == before != without


def test_a_comparison_asks_a_third_run_for_what_its_two_do_not_know(ferbench_cli, tmp_path):
    runs = {name: make_run(tmp_path, name=name, model=name) for name in "abc"}
    asked = ["compare", "a", "b", "--results", tmp_path, "--json", "--draws", 100]
    assert json.loads(ferbench_cli(*asked).stdout)["clustered_by"] is None
    with_people(runs["c"])
    assert json.loads(ferbench_cli(*asked).stdout)["clustered_by"] == "subject"


def test_a_test_set_of_one_person_ranks_nothing_and_says_why(ferbench_cli, tmp_path):
    for name, skill in (("a", 0.9), ("b", 0.1)):
        run = make_run(tmp_path, name=name, model=name, skill=skill)
        for path in (run.path / "evaluations").glob("*/predictions.npz"):
            one = run.predictions(path.parent.name)
            people = np.full(len(one.ids), "only one")
            write_metrics(run, read_metrics(run, path.parent.name), replace(one, columns={"subject": people}))
    found = board(tmp_path)
    assert found.rows["rank"].isna().all()
    assert {*found.rows["unranked"]} == {"the samples are of 1 subject, and 10 are needed"}
    said = ferbench_cli("compare", "a", "b", "--results", tmp_path, "--draws", 100)
    assert said.exit_code == 0, said.stderr
    assert "cannot be tested" in said.stdout.splitlines()[0]
    assert "p =" not in said.stdout.splitlines()[0]
