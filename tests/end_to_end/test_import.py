"""``ferbench import`` from the command line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import CLASSES, make_run
from record_files import read_record

from ferbench.metrics.probabilities import predicted_classes, with_predicted
from ferbench.runs.find import find_run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "results", name="ours", skill=0.5)


@pytest.fixture
def truth(run):
    (key,) = [key for key, one in read_record(run)["evaluations"].items() if one["split"] == "test"]
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
    elif kind == "column twice":
        header, body = ("id", "predicted", "predicted"), [(one, what, "sad") for one, what in body]
    elif kind == "column twice, with blanks":
        header, body = ("id", "predicted", " predicted "), [(one, what, "sad") for one, what in body]
    elif kind == "two predictions":
        header, body = ("id", "predicted", "Pred"), [(one, what, "sad") for one, what in body]
    elif kind == "two truths":
        header, body = ("id", "predicted", "true", "label"), [(one, what, "sad", "sad") for one, what in body]
    elif kind == "two ids":
        header, body = ("id", "predicted", "ID"), [(one, what, "1") for one, what in body]
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
        ("column twice", "column 'predicted' is there twice"),
        ("column twice, with blanks", "column 'predicted' is there twice"),
        ("two predictions", "columns 'predicted' and 'Pred' say the same thing"),
        ("two truths", "columns 'true' and 'label' say the same thing"),
        ("two ids", "columns 'id' and 'ID' say the same thing"),
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


def of_truth(results, path, classes, header=("id", "predicted"), spell=str):
    """A run on a test set with these classes, and a file with the true class of each of its samples."""
    run = make_run(results, name="ours", classes=classes, n=60)
    (key,) = [key for key, one in read_record(run)["evaluations"].items() if one["split"] == "test"]
    test = run.predictions(key)
    rows = [(one, spell(classes[label])) for one, label in zip(test.ids.tolist(), test.truth, strict=True)]
    return test, written(path, header, rows)


COLLIDING = [
    ("happy", "happiness", "sad"),
    ("HAPPY", "Happy", "sad"),
    ("straße", "STRASSE", "sad"),
    ("3", "03", "3.0"),
    ("caf\u00e9", "cafe\u0301", "sad"),
]


@pytest.mark.parametrize("classes", COLLIDING)
def test_classes_that_mean_the_same_are_told_apart_by_their_spelling(ferbench_cli, tmp_path, classes):
    test, path = of_truth(tmp_path / "results", tmp_path / "perfect.csv", classes)
    finished = ferbench_cli("import", path, "--like", "ours", "--json")
    assert json.loads(finished.stdout)["metrics"]["accuracy"] == 1
    one_hot = np.eye(len(classes))[test.truth]
    rows = [(one, *values) for one, values in zip(test.ids.tolist(), one_hot, strict=True)]
    for prefix in ("", "p_"):
        header = ["id", *(f"{prefix}{name}" for name in classes)]
        path = written(tmp_path / f"perfect{prefix}.csv", header, rows)
        outcome = json.loads(ferbench_cli("import", path, "--like", "ours", "--json").stdout)
        assert outcome["metrics"]["accuracy"] == 1


@pytest.mark.parametrize(("classes", "spelled"), list(zip(COLLIDING[:3], ("joy", "happy", "Strasse"), strict=True)))
def test_a_spelling_that_two_classes_could_be_is_refused(ferbench_cli, tmp_path, classes, spelled):
    _, path = of_truth(tmp_path / "results", tmp_path / "theirs.csv", classes, spell=lambda name: spelled)
    finished = ferbench_cli("import", path, "--like", "ours")
    assert finished.exit_code == 2
    assert f"class '{spelled}' may be '{classes[0]}' or '{classes[1]}'" in finished.stderr


TAKEN = ("id", "true", "label", "predicted")


def test_classes_called_as_columns_are_no_columns_of_predicted_classes(ferbench_cli, tmp_path):
    _, path = of_truth(tmp_path / "results", tmp_path / "perfect.csv", TAKEN)
    assert json.loads(ferbench_cli("import", path, "--like", "ours", "--json").stdout)["metrics"]["accuracy"] == 1


def test_probabilities_of_classes_called_as_columns_have_a_prefix(ferbench_cli, tmp_path):
    test, _ = of_truth(tmp_path / "results", tmp_path / "unused.csv", TAKEN)
    rows = [(one, *values) for one, values in zip(test.ids.tolist(), np.eye(4)[test.truth], strict=True)]
    path = written(tmp_path / "perfect.csv", ["id", *(f"prob_{name}" for name in TAKEN)], rows)
    assert json.loads(ferbench_cli("import", path, "--like", "ours", "--json").stdout)["metrics"]["accuracy"] == 1
    path = written(tmp_path / "bare.csv", ["id", "prob_id", "true", "prob_label", "prob_predicted"], rows)
    finished = ferbench_cli("import", path, "--like", "ours")
    assert finished.exit_code == 2
    assert "call the column of the class's probability prob_true" in finished.stderr


def test_a_stated_class_that_ties_for_the_highest_probability_stays(ferbench_cli, tmp_path, truth):
    ids, labels = truth
    rows = []
    for one, label in zip(ids, labels, strict=True):
        values = ["0.4" if k in (label, 0, label - 1) else "0" for k in range(7)]
        rows.append((one, CLASSES[label], *values))
    rows = [(*row[:2], *(str(float(v) / sum(map(float, row[2:]))) for v in row[2:])) for row in rows]
    path = written(tmp_path / "right.csv", ["id", "predicted", *CLASSES], rows)
    outcome = json.loads(ferbench_cli("import", path, "--like", "ours", "--json").stdout)
    assert outcome["metrics"]["accuracy"] == 1
    directory = find_run(tmp_path / "results", "right")
    stored = directory.predictions(outcome["evaluation"])
    assert np.array_equal(stored.predicted, stored.truth)
    assert ferbench_cli("runs", "verify", "right").exit_code == 0
    differences = json.loads(ferbench_cli("compare", "right", "ours", "--json").stdout)["metrics"]
    assert next(one["first"] for one in differences if one["metric"] == "accuracy") == 1


def test_what_only_double_precision_tells_apart_stays_the_prediction(ferbench_cli, tmp_path, truth):
    ids, labels = truth
    low, high = "0.49999999999", "0.50000000001"
    rows = []
    for one, label in zip(ids, labels, strict=True):
        other = 0 if label else 1
        rows.append((one, *(high if k == label else low if k == other else "0" for k in range(7))))
    path = written(tmp_path / "right.csv", ["id", *CLASSES], rows)
    assert json.loads(ferbench_cli("import", path, "--like", "ours", "--json").stdout)["metrics"]["accuracy"] == 1


def test_a_stated_class_that_is_clearly_less_probable_is_refused(ferbench_cli, tmp_path, truth):
    ids, labels = truth
    values = np.full((350, 7), 0.1)
    values[np.arange(350), labels] = 0.4
    rows = [(one, CLASSES[(k + 1) % 7], *p) for one, k, p in zip(ids, labels, values, strict=True)]
    finished = ferbench_cli(
        "import", written(tmp_path / "x.csv", ["id", "predicted", *CLASSES], rows), "--like", "ours"
    )
    assert finished.exit_code == 2
    assert "in 350 rows the predicted class is not the most probable one" in finished.stderr


@settings(max_examples=200)
@given(st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), min_size=3, max_size=3), min_size=1), st.data())
def test_any_of_the_most_probable_classes_can_be_the_prediction(rows, data):
    probabilities = np.array(rows, dtype=np.float32)
    chosen = np.array([data.draw(st.sampled_from(np.flatnonzero(one == one.max()).tolist())) for one in probabilities])
    raised = with_predicted(probabilities, chosen)
    assert predicted_classes(raised).tolist() == chosen.tolist()
    assert np.abs(raised - probabilities).max() <= 1.2e-7


def test_classes_without_a_sample_are_counted_below_the_table(ferbench_cli, tmp_path):
    run = make_run(tmp_path / "results", name="ours", classes=("happy", "sad", *(f"class {k}" for k in range(40))), n=9)
    (key,) = [key for key, one in read_record(run)["evaluations"].items() if one["split"] == "test"]
    test = run.predictions(key)
    absent = 42 - len(np.unique(test.truth))
    path = written(tmp_path / "theirs.csv", ["id", "predicted"], [(one, "happy") for one in test.ids.tolist()])
    said = f"{absent} of 42 classes have no test sample"
    assert said in ferbench_cli("import", path, "--like", "ours").stdout
    for command in (["leaderboard"], ["compare", "theirs", "ours"], ["report", "theirs", "-o", "page.html"]):
        finished = ferbench_cli(*command)
        assert finished.exit_code == 0, finished.stderr
        assert said in finished.stdout or said in (tmp_path / "page.html").read_text()
