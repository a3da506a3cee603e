"""A run on FER+ from its votes to the human line, on made-up pictures."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ferbench as fb

NAMES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """Pictures whose gray level is their class: the network can know them, where people do not agree."""
    root = tmp_path_factory.mktemp("fer-plus")
    rng = np.random.default_rng(0)
    for folder, each in (("FER2013Train", 12), ("FER2013Valid", 4)):
        (root / folder).mkdir()
        lines = []
        for k in range(8):
            for _ in range(each):
                name = f"fer{len(lines):04d}{'t' if each == 12 else 'v'}.png"
                pixels = rng.integers(0, 8, (48, 48)) + 30 * k
                Image.fromarray(pixels.astype(np.uint8)).save(root / folder / name)
                votes = [0] * 10
                votes[k], votes[(k + 1) % 8], votes[8] = 6, 3, 1  # nobody shares the vote for 'unknown'
                lines.append(",".join([name, '"(0, 0, 48, 48)"', *map(str, votes)]))
        (root / folder / "label.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def results(copy, tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("results")
    for labels in ("majority", "probability"):
        chosen = {
            "dataset.labels": labels,
            "data.protocol": "public-test",
            "data.image_size": 8,
            "training.epochs": 30,
            "optimizer.lr": 0.05,
            "evaluation.metrics": ["vote-cross-entropy", "vote-top-2"],
        }
        places = {"data": copy, "results": results, "cache": results / "cache"}
        fb.run(dataset="fer-plus", model="linear", augmentation="none", name=labels, settings=chosen, **places)
    return results


def records(results: Path) -> dict[str, dict]:
    found = [json.loads(path.read_text()) for path in results.glob("runs/*/run.json")]
    return {record["name"]: record for record in found}


def of_test(record: dict) -> dict:
    return next(entry for entry in record["evaluations"].values() if entry["split"] == "test")


def test_labels_that_are_drawn_are_another_training_and_the_same_test(results):
    plain, drawn = (records(results)[name] for name in ("majority", "probability"))
    assert plain["identity"]["training_id"] != drawn["identity"]["training_id"]
    assert plain["data"]["test_digest"] == drawn["data"]["test_digest"]


def test_the_record_says_how_far_people_agree(results):
    people = of_test(records(results)["majority"])["annotators"]
    assert people["n"] == 32
    assert people["agreement"] == pytest.approx(6 / 9)  # six of nine who voted for a class
    assert people["strict"] == pytest.approx(6 / 10)
    assert people["margin"] == pytest.approx(0, abs=1e-9)
    assert people["per_class"] == pytest.approx(dict.fromkeys(people["per_class"], 6 / 9))
    assert len(people["per_class"]) == 8
    assert people["per_class_n"] == dict.fromkeys(people["per_class"], 4)


def test_metrics_of_votes_compare_with_the_votes_as_they_were_cast(results):
    entry = of_test(records(results)["majority"])
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert entry["metrics"]["vote-cross-entropy"] > entropy
    assert entry["metrics"]["vote-top-2"] >= entry["metrics"]["accuracy"]


def test_votes_go_with_the_predictions(results, ferbench_cli):
    run = next(run for run in fb.load_results(results) if run.name == "majority")
    frame = run.predictions()
    assert [f"votes:{name}" in frame.columns for name in NAMES] == [True] * 10
    assert (frame[[f"votes:{name}" for name in NAMES]].sum(axis=1) == 10).all()
    assert ferbench_cli("runs", "verify", "--results", results).exit_code == 0


def test_a_result_above_the_line_is_marked_by_its_configuration_where_it_has_no_name(copy, ferbench_cli, tmp_path):
    """After enough epochs the network knows the pictures better than the annotators agree on them."""
    chosen = {"data.protocol": "public-test", "data.image_size": 8, "training.epochs": 300, "optimizer.lr": 0.2}
    fb.run(dataset="fer-plus", model="linear", augmentation="none", data=copy, results=tmp_path, settings=chosen)
    (path,) = tmp_path.glob("runs/*/run.json")
    record = json.loads(path.read_text())
    assert of_test(record)["metrics"]["accuracy"] > 2 / 3
    board = ferbench_cli("leaderboard", "--results", tmp_path).stdout
    assert f"Above one annotator's agreement: {record['identity']['config_id'].split(':')[-1][:12]}." in board


def test_leaderboard_and_report_show_the_human_line(results, ferbench_cli, tmp_path):
    entry = of_test(records(results)["majority"])
    board = ferbench_cli("leaderboard", "--results", results).stdout
    assert "Annotators: one annotator agrees with the majority of the others on 66.7 % of 32 of these pictures" in board
    assert ("Above one annotator's agreement" in board) == (entry["metrics"]["accuracy"] > 2 / 3)
    page = tmp_path / "report.html"
    assert ferbench_cli("report", "majority", "--results", results, "-o", page).exit_code == 0
    assert "one annotator agrees with the majority of the others" in page.read_text()


def test_one_annotator_stands_beside_recall_by_class(results, ferbench_cli, tmp_path):
    assert ferbench_cli("report", "majority", "--results", results, "--tables", tmp_path).exit_code == 0
    (path,) = tmp_path.rglob("scores-*.csv")
    rows = {row["class"]: row for row in csv.DictReader(path.read_text().splitlines())}
    assert list(rows["fear"])[:5] == ["class", "precision", "recall", "human", "human_n"]
    assert (float(rows["fear"]["human"]), int(rows["fear"]["human_n"])) == (pytest.approx(2 / 3), 4)
    assert int(rows["macro average"]["human_n"]) == 32
    shown = ferbench_cli("runs", "show", "majority", "--results", results).stdout
    assert "Annotators, test: one annotator agrees" in shown
    assert re.search(r"fear +[01]\.\d{4} +0\.6667 +4\b", shown)
    by_class = ferbench_cli("leaderboard", "--per-class", "--results", results).stdout
    assert "The same by class, beside recall: angry 66.7 %, contempt 66.7 %" in by_class
