"""``ferbench import`` from the command line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from made_runs import CLASSES, make_run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "results", name="ours", skill=0.5)


@pytest.fixture
def truth(run):
    (key,) = [key for key, one in run.read()["evaluations"].items() if one["split"] == "test"]
    one = run.predictions(key)
    return one.ids.tolist(), one.truth


def written(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def of_classes(path, truth, right=300, header=("id", "predicted"), spell=str):
    """Predicted classes, the first ``right`` of which are right, in another order of samples."""
    ids, labels = truth
    chosen = [label if place < right else (label + 1) % 7 for place, label in enumerate(labels)]
    rows = [(one, spell(CLASSES[label])) for one, label in zip(ids, chosen, strict=True)]
    return written(path, header, rows[::-1])


def test_predicted_classes_are_ranked_and_compared(ferbench_cli, tmp_path, truth):
    path = of_classes(tmp_path / "theirs.csv", truth, spell=str.upper)
    finished = ferbench_cli("import", path, "--like", "ours", "--json")
    assert finished.exit_code == 0, finished.stderr
    outcome = json.loads(finished.stdout)
    assert outcome["metrics"]["accuracy"] == pytest.approx(300 / 350)
    assert not {"log_loss", "roc_auc", "ece"} & set(outcome["metrics"])
    (group,) = json.loads(ferbench_cli("leaderboard", "--json").stdout)["groups"]
    assert [(row["name"], row["rank"]) for row in group["rows"]] == [("theirs", 1), ("ours", 2)]
    said = ferbench_cli("compare", "theirs", "ours").stdout
    assert said.startswith("theirs is more accurate than ours")
    assert ferbench_cli("report", "theirs", "ours").exit_code == 0
    assert json.loads(ferbench_cli("import", path, "--like", "ours", "--json").stdout)["reused"]


@pytest.mark.parametrize("right", [300, 350])
def test_what_was_imported_is_of_that_kind_whatever_its_numbers(ferbench_cli, tmp_path, truth, right):
    ferbench_cli("import", of_classes(tmp_path / "theirs.csv", truth, right), "--like", "ours")
    for single in ([], ["--runs"]):
        (group,) = json.loads(ferbench_cli("leaderboard", "--json", *single).stdout)["groups"]
        assert {row["name"]: row["kind"] for row in group["rows"]} == {"theirs": "imported", "ours": "measured"}
    ferbench_cli("import", tmp_path / "theirs.csv", "--like", "ours", "--name", "spoilt", "--contaminated", "yes")
    (row,) = json.loads(ferbench_cli("leaderboard", "--json").stdout)["unranked"]
    assert (row["name"], row["kind"]) == ("spoilt", "imported")
    assert json.loads(ferbench_cli("runs", "show", "theirs", "--json").stdout)["kind"] == "imported"
    assert "imported: other software made its predictions" in ferbench_cli("runs", "show", "theirs").stdout
    assert "imported" in ferbench_cli("runs", "list").stdout
    said = ferbench_cli("report", "theirs", "ours", "--output", tmp_path / "page.html")
    assert said.exit_code == 0, said.stderr
    assert "Imported predictions: theirs." in (tmp_path / "page.html").read_text()


def test_probabilities_have_every_metric(ferbench_cli, tmp_path, truth):
    ids, labels = truth
    probabilities = np.full((350, 7), 0.05)
    probabilities[np.arange(350), labels] = 0.7
    order = [6, 5, 4, 3, 2, 1, 0]
    header = ["sample_id", "true", *(f"prob_{CLASSES[k]}" for k in order)]
    rows = [(one, CLASSES[t], *p[order]) for one, t, p in zip(ids, labels, probabilities, strict=True)]
    path = written(tmp_path / "theirs.csv", header, rows)
    outcome = json.loads(ferbench_cli("import", path, "--like", "ours", "--json", "--seed", 3).stdout)
    assert outcome["metrics"]["accuracy"] == 1
    assert outcome["metrics"]["log_loss"] == pytest.approx(-np.log(0.7))


def test_a_declared_contamination_gets_no_rank(ferbench_cli, tmp_path, truth):
    path = of_classes(tmp_path / "theirs.csv", truth)
    ferbench_cli("import", path, "--like", "ours", "--contaminated", "its epoch was chosen on test")
    document = json.loads(ferbench_cli("leaderboard", "--json").stdout)
    assert [len(group["rows"]) for group in document["groups"]] == [1]
    (row,) = document["unranked"]
    assert (row["name"], row["kind"], row["reason"]) == (
        "theirs",
        "imported",
        "declared: its epoch was chosen on test",
    )


def test_seeds_of_one_name_are_one_configuration(ferbench_cli, tmp_path, truth):
    for seed in range(3):
        path = of_classes(tmp_path / f"{seed}.csv", truth, right=290 + seed)
        finished = ferbench_cli("import", path, "--like", "ours", "--name", "theirs", "--seed", seed)
        assert finished.exit_code == 0, finished.stderr
    (group,) = json.loads(ferbench_cli("leaderboard", "--json").stdout)["groups"]
    assert [row["seeds"] for row in group["rows"]] == [3, 1]
    finished = ferbench_cli("import", of_classes(tmp_path / "x.csv", truth, 9), "--like", "ours", "--name", "theirs")
    assert (finished.exit_code, "other predictions of 'theirs', seed 0" in finished.stderr) == (2, True)


def test_a_dataset_gives_the_test_set_without_a_run(ferbench_cli, tmp_path):
    small = ["--set", "dataset.size=24", "--set", "dataset.train=35", "--set", "dataset.test=35"]
    arguments = ["--dataset", "synthetic-faces", *small, "--cache", tmp_path / "cache"]
    ids = [f"test-{i:06d}" for i in range(35)]
    path = written(tmp_path / "theirs.csv", ["id", "predicted"], [(one, "happy") for one in ids])
    finished = ferbench_cli("import", path, *arguments, "--json")
    assert finished.exit_code == 0, finished.stderr
    training = ["--set", "training.epochs=1", "--model", "linear", "--cache", tmp_path / "cache", "--quiet"]
    assert ferbench_cli("run", *small, *training).exit_code == 0
    (group,) = json.loads(ferbench_cli("leaderboard", "--json").stdout)["groups"]
    assert len(group["rows"]) == 2


def change(rows, kind):
    header, *body = rows
    if kind == "missing":
        body = body[1:]
    elif kind == "unknown":
        body = [*body, ("nobody", body[0][1])]
    elif kind == "twice":
        body = [*body, body[0]]
    elif kind == "class":
        body = [(body[0][0], "bored"), *body[1:]]
    elif kind == "number":
        body = [(one, "3") for one, _ in body]
    elif kind == "header":
        header = ("id", "answer")
    elif kind == "no id":
        header = ("file", "predicted")
    elif kind == "shuffled truth":
        header, body = ("id", "predicted", "true"), [(*one, CLASSES[0]) for one in body]
    elif kind == "prefix":
        header, body = ("id", "p_bored"), [(one, "0.5") for one, _ in body]
    elif kind == "some":
        header, body = ("id", "happy"), [(one, "0.5") for one, _ in body]
    elif kind == "logits":
        header, body = ("id", *CLASSES), [(one, *range(7)) for one, _ in body]
    elif kind == "words":
        header, body = ("id", *CLASSES), [(one, *"abcdefg") for one, _ in body]
    elif kind == "short":
        body = [(body[0][0],), *body[1:]]
    elif kind == "empty":
        body = []
    return header, body


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "1 of its samples are missing and 0 ids are unknown (missing 'test-00349')"),
        ("unknown", "0 of its samples are missing and 1 ids are unknown (unknown 'nobody')"),
        ("twice", "line 352: the id 'test-00349' stands there twice"),
        ("class", "has classes that the test set does not have: bored"),
        ("number", "has classes that the test set does not have: 3"),
        ("header", "has neither a column 'predicted' nor one for each class"),
        ("no id", "has no column 'id'; its columns: file, predicted"),
        ("shuffled truth", "true classes are not those of the test set"),
        ("prefix", "column 'p_bored' names no class of the test set"),
        ("some", "has no probability of angry, disgust, fear, neutral, sad, surprise"),
        ("logits", "are no probabilities: rows sum to 21 to 21"),
        ("words", "a probability is no number"),
        ("short", "line 2: it has not 2 fields as the header"),
        ("empty", "has no rows"),
    ],
)
def test_what_does_not_match_is_an_error(ferbench_cli, tmp_path, truth, kind, message):
    path = of_classes(tmp_path / "theirs.csv", truth)
    header, body = change(list(csv.reader(path.open())), kind)
    finished = ferbench_cli("import", written(path, header, body), "--like", "ours")
    assert finished.exit_code == 2
    assert message in finished.stderr
    assert not (tmp_path / "results" / ".tests.json").exists()


def test_the_test_set_must_be_named(ferbench_cli, tmp_path, truth):
    path = of_classes(tmp_path / "theirs.csv", truth)
    assert "which test set are they of?" in ferbench_cli("import", path).stderr


def test_an_imported_run_has_no_weights_to_use(ferbench_cli, tmp_path, truth):
    ferbench_cli("import", of_classes(tmp_path / "theirs.csv", truth), "--like", "ours")
    for command in (["evaluate", "theirs", "--dataset", "synthetic-faces"], ["ensemble", "theirs", "ours"]):
        finished = ferbench_cli(*command)
        assert (finished.exit_code, "was imported" in finished.stderr) == (2, True)


@pytest.mark.parametrize("between", [";", "\t"])
def test_a_spreadsheet_s_semicolons_and_tabs_are_read(ferbench_cli, tmp_path, truth, between):
    path = of_classes(tmp_path / "theirs.csv", truth)
    path.write_text("\ufeff" + path.read_text().replace(",", between), encoding="utf-8")
    finished = ferbench_cli("import", path, "--like", "ours", "--json")
    assert finished.exit_code == 0, finished.stderr
    assert json.loads(finished.stdout)["metrics"]["accuracy"] == pytest.approx(300 / 350)


def test_two_test_sets_at_once_are_refused(ferbench_cli, tmp_path, truth):
    path = of_classes(tmp_path / "theirs.csv", truth)
    refused = ferbench_cli("import", path, "--like", "ours", "--dataset", "fer2013")
    assert refused.exit_code == 2
    assert "--like and --dataset each name a test set" in refused.stderr
