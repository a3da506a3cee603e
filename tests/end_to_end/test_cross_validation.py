"""k-fold cross-validation from ``ferbench run`` to the leaderboard."""

from __future__ import annotations

import csv
import io
import json
from statistics import fmean

import pytest

DATA = ("--dataset", "synthetic-faces", "--set", "dataset.size=16", "--set", "dataset.train=121")
QUICK = ("--model", "linear", "--set", "training.epochs=1", "--set", "dataset.test=20", "--quiet")

#: Its model fails on the fold that leaves so many samples for training.
PLUGIN = """
import torch
import ferbench

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("fragile", build="fragile:fragile", image_size=8)

class Fragile(torch.nn.Module):
    def __init__(self, task):
        super().__init__()
        self.broken = sum(task.train_counts) == BROKEN
        self.head = torch.nn.Linear(64, task.num_classes)
    def forward(self, images):
        if self.broken and self.training:
            raise ZeroDivisionError("a bug in the plugin")
        return self.head(images.flatten(1))

def fragile(task):
    return Fragile(task)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(ferbench_cli, tmp_path, cache):
    def call(*args, exit_code=0, quick=QUICK):
        finished = ferbench_cli(
            "run", *DATA, *quick, "--results", tmp_path / "results", "--cache", cache, "--no-report", *args
        )
        assert finished.exit_code == exit_code, finished.stderr
        return finished

    return call


@pytest.fixture
def board(ferbench_cli, tmp_path):
    def call(*args):
        finished = ferbench_cli("leaderboard", "--results", tmp_path / "results", *args)
        assert finished.exit_code == 0, finished.stderr
        return finished.stdout

    return call


def measured(tmp_path):
    """By fold (n, accuracy, macro-F1) as ``run.json`` has it, of finished runs."""
    found = {}
    for path in (tmp_path / "results" / "runs").glob("*/run.json"):
        record = json.loads(path.read_text())
        if record["status"] == "done":
            (one,) = record["evaluations"].values()
            found[record["data"]["fold"]] = (one["n"], one["metrics"]["accuracy"], one["metrics"]["macro_f1"])
    return found


def test_folds_end_with_their_mean_and_are_one_row_of_the_leaderboard(run, board, tmp_path):
    finished = run("--set", "training.folds=3")
    folds = measured(tmp_path)
    assert sorted(folds) == ["1/3", "2/3", "3/3"]
    n, accuracies, f1 = (tuple(several) for several in zip(*folds.values(), strict=True))
    assert sum(n) == 121  # every sample is validated once
    for fold in folds:
        assert f"synthetic-faces × linear × cross-entropy × shuffled, seed 0, fold {fold}" in finished.stdout

    def spread(values):
        return f"{fmean(values):.4f} ({min(values):.4f}–{max(values):.4f})"

    line = f"3 folds: accuracy {spread(accuracies)}, macro-F1 {spread(f1)}, n = 121"
    assert f"synthetic-faces × linear × cross-entropy × shuffled, {line}" in finished.stdout.splitlines()

    again = json.loads(run("--folds", "3", "--json").stdout)
    assert [one["fold"] for one in again] == ["1/3", "2/3", "3/3"]
    assert all(one["reused"] for one in again)
    about = again[0]["cross_validation"]
    assert all(one["cross_validation"] == about for one in again)
    assert (about["folds"], about["seeds"], about["missing"], about["n"]) == (3, [0], [], 121)
    assert about["macro_f1"] == pytest.approx({"mean": fmean(f1), "min": min(f1), "max": max(f1)})

    (row,) = csv.DictReader(io.StringIO(board("--format", "csv")))
    assert (row["protocol"], row["n"], row["folds"], row["seeds"]) == ("generated, 3 folds", "121", "3 of 3", "1")
    assert float(row["accuracy_mean"]) == pytest.approx(fmean(accuracies))
    assert (float(row["macro_f1_min"]), float(row["macro_f1_max"])) == (min(f1), max(f1))
    assert row["rank"] == row["macro_f1_ci_low"] == ""

    (group,) = json.loads(board("--json"))["groups"]
    assert group["folds"] == {
        "of": 3,
        "sizes": {fold[0]: folds[fold][0] for fold in sorted(folds)},
        "mixed": False,
        "tested": False,
    }
    assert [one["fold"] for one in group["rows"][0]["runs"]] == ["1/3", "2/3", "3/3"]
    singles = csv.DictReader(io.StringIO(board("--runs", "--format", "csv")))
    assert {one["fold"]: float(one["accuracy"]) for one in singles} == {k: v[1] for k, v in folds.items()}


def test_a_fold_that_fails_is_named_and_no_mean_is_called_that_of_all(run, board, tmp_path):
    sizes = [one["samples"]["train"] for one in json.loads(run("--folds", "3", "--dry-run", "--json").stdout)]
    broken = next(size for size in sizes if sizes.count(size) == 1)
    (tmp_path / "fragile.py").write_text(PLUGIN.replace("BROKEN", str(broken)))
    lost = f"{sizes.index(broken) + 1}/3"
    quick = ("--model", "fragile", "--plugin", tmp_path / "fragile.py", *QUICK[2:])
    finished = run("--folds", "3", quick=quick, exit_code=1)
    n, accuracies, _ = (tuple(several) for several in zip(*measured(tmp_path).values(), strict=True))
    assert len(n) == 2
    (line,) = [one for one in finished.stdout.splitlines() if "no mean over 3 folds" in one]
    assert f"fold {lost[0]} failed; over the 2 of 3 with a result: accuracy {fmean(accuracies):.4f}" in line
    assert line.endswith(f"n = {sum(n)}")

    outcomes = json.loads(run("--folds", "3", "--json", quick=quick, exit_code=1).stdout)
    about = outcomes[0]["cross_validation"]
    assert about["missing"] == [{"seed": 0, "fold": lost, "status": "failed"}]
    assert about["n"] is about["accuracy"] is about["macro_f1"] is None

    (row,) = csv.DictReader(io.StringIO(board("--format", "csv")))
    assert (row["folds"], row["n"]) == ("2 of 3", str(sum(n)))
    assert row["protocol"].startswith("generated, folds ")


def test_a_dry_run_names_the_folds_and_ids_are_those_of_single_folds(run):
    entries = json.loads(run("--set", "training.folds=3", "--dry-run", "--json").stdout)
    (alone,) = json.loads(run("--set", "data.fold=2/3", "--dry-run", "--json").stdout)
    assert [one["label"].rpartition(", ")[2] for one in entries] == ["fold 1/3", "fold 2/3", "fold 3/3"]
    assert (entries[1]["training_id"], entries[1]["config_id"]) == (alone["training_id"], alone["config_id"])
    text = run("--set", "training.folds=3", "--dry-run").stdout
    assert all(f"seed 0, fold {place}/3" in text for place in (1, 2, 3))


def test_one_fold_alone_has_no_mean(run):
    assert "folds" not in run("--set", "data.fold=2/3").stdout
    (outcome,) = json.loads(run("--set", "data.fold=2/3", "--json").stdout)
    assert "cross_validation" not in outcome


def test_a_search_cannot_use_folds(ferbench_cli, tmp_path):
    finished = ferbench_cli("tune", "--set", "training.folds=3", "--results", tmp_path)
    assert finished.exit_code == 2
    assert "training.folds = 3 has no say here" in finished.stderr
    assert "ferbench run best.toml --folds 5" in finished.stderr
