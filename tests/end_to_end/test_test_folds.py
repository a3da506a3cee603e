"""Cross-validation that is a test: from ``ferbench run --test-folds`` to the leaderboard."""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

import ferbench
from ferbench.cli import cli
from ferbench.runs.directory import RunDirectory

DATA = ("--dataset", "synthetic-faces", "--set", "dataset.size=16", "--set", "dataset.balance=uniform")
QUICK = ("--model", "linear", "--set", "training.epochs=1", "--set", "optimizer.lr=0.01")
#: 15 people with eight images each, of both parts of the dataset.
PEOPLE = ("--set", "dataset.train=96", "--set", "dataset.test=24")
FEW = ("--set", "dataset.train=24", "--set", "dataset.test=8")
SEEDS = ("--seed", "0", "--seed", "1", "--seed", "2", "--name", "line")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def made(cache, tmp_path_factory):
    """Results with three folds of three seeds."""
    results = tmp_path_factory.mktemp("made") / "results"
    flags = ("--test-folds", "3", *SEEDS, "--quiet", "--no-report", "--cache", str(cache), "--results", str(results))
    done = CliRunner().invoke(cli, ["run", *DATA, *QUICK, *PEOPLE, *flags])
    assert done.exit_code == 0, done.output
    (results.parent / "printed").write_text(done.output)
    return results


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def seeds(made, results):
    """A copy of those, which may be changed."""
    shutil.copytree(made, results)
    return results


@pytest.fixture
def call(ferbench_cli, results):
    def call(command, *args, exit_code=0):
        finished = ferbench_cli(command, *args, "--results", results)
        assert finished.exit_code == exit_code, finished.stderr
        return finished

    return call


@pytest.fixture
def run(call, cache):
    def run(*args, exit_code=0, people=PEOPLE):
        own = ("--quiet", "--no-report", "--cache", cache)
        return call("run", *DATA, *QUICK, *people, *own, *args, exit_code=exit_code)

    return run


def records(results):
    return {path.parent.name: json.loads(path.read_text()) for path in (results / "runs").glob("*/run.json")}


def pooled_of(results):
    return [name for name, record in records(results).items() if record["kind"] == "pooled"]


def test_all_folds_are_one_result_of_every_sample_as_the_run_predicted_it_that_never_saw_its_person(
    made, seeds, run, call
):
    printed = (made.parent / "printed").read_text()
    assert "3 folds by person, seed 1, n = 120; synthetic images" in printed
    assert "over folds, mean ± standard deviation" in printed

    name = next(name for name, record in records(seeds).items() if record["name"] == "line-s1")
    directory = RunDirectory(seeds / "runs" / name)
    record = directory.load()
    assert (record.kind, record.data.protocol, record.seed) == ("pooled", "3 folds by person", 1)
    ((key, entry),) = record.evaluations.items()
    predictions, truth, probabilities, people = directory.predictions(key), [], [], {}
    for place, fold in enumerate(record.pooled.folds, start=1):
        of_fold = RunDirectory(seeds / "runs" / fold.run)
        own = of_fold.load()
        assert (own.name, own.data.test_fold.fold) == (f"line-s1-fold-{place}", f"{place}/3")
        (tested,) = own.own_evaluations("test")
        given = of_fold.predictions(tested)
        truth.append(given.truth)
        probabilities.append(given.probabilities)
        people[place] = set(given.columns["subject"])
    assert sum(map(len, people.values())) == len(set().union(*people.values())) == 15
    truth, predicted = np.concatenate(truth), np.concatenate(probabilities).argmax(1)
    assert entry.n == len(truth) == 120 == len(set(predictions.ids))
    assert entry.metrics["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert entry.metrics["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    stored = directory.load_evaluation(key)
    assert stored.confusion == confusion_matrix(truth, predicted).tolist()

    again = json.loads(run("--test-folds", "3", *SEEDS, "--json").stdout)
    assert [one["test_fold"] for one in again] == ["1/3", "2/3", "3/3"] * 3
    assert all(one["reused"] for one in again)
    ours = [one for one in again if one["pooled"]["run"] == name]
    alone = [one["evaluations"]["test"]["metrics"]["accuracy"] for one in ours]
    spread = ours[0]["pooled"]["evaluation"]["over_folds"]["accuracy"]
    assert spread["mean"] == pytest.approx(np.mean(alone))
    assert spread["deviation"] == pytest.approx(np.std(alone, ddof=1))
    assert (spread["low"], spread["high"]) == (min(alone), max(alone))
    assert "it is tested on fold 2/3" in call("runs", "show", "line-s1-fold-2").stdout
    assert "3 runs, each tested on a fold that it never saw; 15 people" in call("runs", "show", "line-s1").stdout


def test_configurations_are_ranked_together_by_paired_tests_over_people(seeds, call):
    call("ensemble", "line-s0", "line-s1", "line-s2", "--name", "together")
    (group,) = json.loads(call("leaderboard", "--json").stdout)["groups"]
    assert (group["protocol"], group["n"], group["clustered_by"]) == ("3 folds by person", 120, "subject")
    assert group["test_digest"]
    assert group["folds"] is None
    assert sorted(row["seeds"] for row in group["rows"]) == [1, 3]
    assert all(row["rank"] is not None and row["accuracy_ci"] for row in group["rows"])
    singles = json.loads(call("leaderboard", "--runs", "--json").stdout)["groups"]
    assert {one["protocol"] for one in singles} == {"3 folds by person", "3 folds by person, single folds"}
    assert "120" in call("compare", "line-s0", "together").stdout
    assert call("runs", "verify").stdout.endswith("13 runs checked, 13 whole\n")


def test_a_test_that_lacks_folds_is_no_result_and_another_command_completes_it(run, call, results):
    run("--set", "data.test_fold=1/3")
    finished = run("--grid", "data.test_fold=1/3,2/3")
    assert "2 of 2 folds are in no result yet" in finished.stdout
    assert pooled_of(results) == []
    board = call("leaderboard").stdout
    assert "3 folds by person, single folds" in board
    assert "Single folds are no result" in board
    (row,) = csv.DictReader(io.StringIO(call("leaderboard", "--format", "csv").stdout))
    assert (row["folds"], row["rank"], row["accuracy_mean"]) == ("2 of 3", "", "")
    run("--set", "data.test_fold=3/3")
    assert len(pooled_of(results)) == 1
    (row,) = csv.DictReader(io.StringIO(call("leaderboard", "--format", "csv").stdout))
    assert (row["protocol"], row["rank"], row["n"]) == ("3 folds by person", "1", "120")
    alone = call("leaderboard", "--where", "data.test_fold=2/3", "--format", "csv").stdout
    (row,) = csv.DictReader(io.StringIO(alone))  # a part of a result that is there
    assert (row["folds"], row["rank"]) == ("1 of 3", "")


def test_another_way_of_testing_is_another_evaluation_of_the_same_result(run, seeds):
    before = pooled_of(seeds)
    run("--test-folds", "3", "--set", "evaluation.tta=flip")
    assert pooled_of(seeds) == before
    several = [record["evaluations"] for record in records(seeds).values() if record["kind"] == "pooled"]
    evaluations = max(several, key=len).values()
    assert sorted(one["options"]["tta"] for one in evaluations) == ["flip", "none"]


def test_every_person_is_a_fold(run, results):
    run("--test-folds", "person", people=FEW)
    (name,) = pooled_of(results)
    record = records(results)[name]
    assert len(record["pooled"]["folds"]) == record["pooled"]["groups"] == 4


def test_folds_at_random_say_what_they_are_worth(run, call):
    assert "Folds are cut at random" in run("--test-folds", "2", "--set", "data.group_by=none").stdout
    board = call("leaderboard").stdout
    assert "2 folds at random" in board
    assert "Folds are cut at random" in board


def test_a_report_has_the_result_and_its_folds(seeds, call, tmp_path):
    call("report", "line-s0", *(f"line-s0-fold-{place}" for place in (1, 2, 3)), "--output", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "3 runs, each tested on a fold that it never saw" in page
    assert "Over folds, mean ± standard deviation" in page
    assert "the result is that of all folds together" in page
    assert "linear, test fold all" not in page  # its name is enough


def test_pooled_runs_have_no_weights_and_folds_alone_make_no_ensemble(seeds, call):
    assert "has no weights of its own" in call("evaluate", "line-s0", exit_code=2).stderr
    assert "was tested on fold 1/3 alone" in call("ensemble", "line-s0-fold-1", "line-s1-fold-1", exit_code=2).stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--test-folds", "1"), "'1' is no number of folds, 2 or more, nor 'person'"),
        (("--test-folds", "99"), "99 folds of 15 people"),
        (("--test-folds", "3", "--folds", "3"), "it is a test, and data.fold has none"),
        (("--test-folds", "3", "--set", "training.test_folds=3"), "--test-folds is given too"),
    ],
)
def test_what_makes_no_sense_is_refused(run, args, message):
    assert message in run(*args, exit_code=2).stderr


def test_python_returns_the_folds_and_then_the_result(results, cache):
    made = ferbench.run(
        dataset="synthetic-faces",
        model="linear",
        settings={"dataset.size": 16, "dataset.train": 24, "dataset.test": 8, "training.epochs": 1},
        test_folds=2,
        results=results,
        cache=cache,
    )
    assert [one.kind for one in made] == ["trained"] * 2 + ["pooled"]
    assert made[-1].predictions().shape[0] == 32
