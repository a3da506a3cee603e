"""From an audit with a trained run to what is left out, and what that changes, on tiny made-up faces."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("happy", "sad")
QUICK = ("--model", "linear", "--set", "data.image_size=8", "--set", "training.epochs=5", "--quiet", "--name")
FOLDER = ("folder", "--set", "dataset.color=gray")


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """Dark faces are happy and bright ones sad, but one: a bright test image lies among the happy. Two test images are
    in train too, and one is a single gray."""
    root = tmp_path_factory.mktemp("faces")
    generator = np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 20)):
        for k, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                wrong = split == "test" and name == "happy" and i == 3
                pixels = generator.integers(0, 80, (8, 8)) + (175 if wrong else 150 * k)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{split}{i:03d}.png")
    for i in range(2):
        shutil.copy(root / "train" / "sad" / f"train{i:03d}.png", root / "test" / "sad" / f"twin{i}.png")
    Image.fromarray(np.full((8, 8), 20, np.uint8)).save(root / "test" / "happy" / "test004.png")
    return root


@pytest.fixture
def command(ferbench_cli, faces, tmp_path):
    """``command(*args)`` with the data, results and cache of this test; fails where the command does."""

    def call(*args, data=True):
        given = ("--data", faces, "--cache", tmp_path / "cache") if data else ()
        done = ferbench_cli(*args, *given, "--results", tmp_path / "results")
        assert done.exit_code == 0, done.stderr
        return done.stdout

    return call


def test_a_copy_that_is_not_the_real_thing_is_said_everywhere(ferbench_cli, faces, tmp_path):
    """Of another size, few, and of no picture that FER2013 has."""
    copy, results = tmp_path / "fer2013", tmp_path / "results"
    for split, part in (("train", "Training"), ("test", "PublicTest")):
        for k, name in enumerate(CLASSES):
            (copy / split / name).mkdir(parents=True)
            for number, file in enumerate(sorted((faces / split / name).iterdir())):
                shutil.copy(file, copy / split / name / f"{part}_{k}{number}.png")
    what = "not FER2013 as it is known: 0 of 400 reference pictures are there"
    chosen = ("--set", "data.classes=[happy,sad]", "--set", "data.protocol=public-test", "--skip-faulty")
    places = ("--data", copy, "--cache", tmp_path / "cache", "--results", results)
    done = ferbench_cli("run", "--dataset", "fer2013", *chosen, *places, *QUICK[:-2], "--no-report")
    assert done.exit_code == 0, done.stderr
    assert f"warning: fer2013: {what}" in done.stderr
    (record,) = results.glob("runs/*/run.json")
    assert json.loads(record.read_text())["data"]["reference"]["verdict"] == "unknown"
    for command in (("leaderboard",), ("runs", "show", record.parent.name)):
        assert what in ferbench_cli(*command, "--results", results).stdout
    audited = ferbench_cli("audit", "data", "fer2013", *chosen[2:], *places)
    assert f"copy: {what}" in audited.stdout


def listed(path):
    return {row["id"]: row["reason"] for row in csv.DictReader(path.open())}


def test_what_an_audit_finds_is_left_out_of_another_run_and_counted(command, tmp_path):
    command("run", "--dataset", *FOLDER, *QUICK, "all")
    found = json.loads(command("audit", "data", *FOLDER, "--run", "all", "--json"))
    assert found["run"]["judged"] == 42 + 16  # test, and the fifth of train that became validation
    assert found["run"]["accuracy"] > 0.9
    surest = found["mislabelled"][0]
    assert (surest["label"], surest["predicted"]) == ("happy", "sad")
    assert surest["id"].endswith("test003.png")
    said = command("audit", "data", *FOLDER, "--run", "all")
    assert "of the 58 samples not trained on; accuracy there is" in said
    assert "most often: happy as sad 1" in said

    # What the model gets wrong in the test set stays there.
    wanted = ("--exclude", "constant,leak,mislabelled", "--write-exclusions", tmp_path / "x.csv")
    said = command("audit", "data", *FOLDER, "--run", "all", *wanted)
    assert "1 likely mislabelled sample is not listed" in said
    reasons = listed(tmp_path / "x.csv")
    assert surest["id"] not in reasons
    assert sorted(reasons.values()) == ["constant", "leak", "leak"]

    command(
        "run", "--dataset", *FOLDER, "--set", f"dataset.exclude={tmp_path / 'x.csv'}", *QUICK, "left-out", "--seed", "1"
    )
    shown = json.loads(command("runs", "show", "left-out", "--json", data=False))
    assert shown["data"]["excluded"]["test"] == 3
    assert sum(shown["data"]["counts"]["test"].values()) == 42 - 3
    line = f"{len(reasons):,} samples were left out"
    assert line in command("runs", "show", "left-out", data=False)
    command("report", "left-out", "--output", tmp_path / "report.html", data=False)
    assert line in (tmp_path / "report.html").read_text()

    # With the seed that there is already, nothing is trained: the weights are tested on what is left.
    command("run", "--dataset", *FOLDER, "--set", f"data.exclude={tmp_path / 'x.csv'}", *QUICK, "all")
    (again,) = [one for one in entries(tmp_path) if one["run"] == "all" and one.get("excluded")]
    assert (again["split"], again["excluded"], again["n"]) == ("test", 3, 39)

    # The leaderboard says the same of the weights that were tested on everything.
    board = json.loads(command("leaderboard", "--without", tmp_path / "x.csv", "--json", data=False))
    (whole,) = [group for group in board["groups"] if group["n"] == 42]
    assert whole["left_out"] == 3
    for key in ("accuracy", "macro_f1", "balanced_accuracy"):
        assert whole["rows"][0][f"{key}_without"]["mean"] == pytest.approx(again["metrics"][key])
        assert whole["rows"][0][f"{key}_without_ci"][0] < again["metrics"][key]
    people = command("leaderboard", "--without", tmp_path / "x.csv", "--format", "md", data=False)
    assert "without the 3 of 42 samples (7.1%) that the list names: leak 2, constant 1" in people.replace("\\", "")
    assert "accuracy without" in people


@pytest.mark.parametrize("asked", ["run", "fold", "evaluate", "leaderboard"])
def test_what_a_model_gets_wrong_is_never_left_out_of_a_test(command, ferbench_cli, faces, tmp_path, asked):
    command("run", "--dataset", *FOLDER, *QUICK, "all")
    before = {path.name for path in (tmp_path / "results" / "runs").iterdir()}
    sample = "train/sad/train003.png" if asked == "fold" else "test/happy/test003.png"
    path = tmp_path / "doubts.csv"
    path.write_text(f"id,reason\n{sample},Mislabelled\ntest/sad/twin0.png,leak\n")
    left_out = ("--set", f"data.exclude={path}", "--data", faces, "--cache", tmp_path / "cache")
    args = {
        "run": ("run", "--dataset", *FOLDER, *QUICK, "again", "--seed", "1", *left_out),
        "fold": ("run", "--dataset", *FOLDER, *QUICK, "again", "--set", "data.fold=1/2", *left_out),
        "evaluate": ("evaluate", "all", *left_out),
        "leaderboard": ("leaderboard", "--without", path),
    }[asked]
    refused = ferbench_cli(*args, "--results", tmp_path / "results")
    assert refused.exit_code == 2
    what, remedy = refused.stderr.strip().splitlines()[-2:]
    assert "a model disagrees with" in what
    assert "remove the rows with the reason 'mislabelled'" in remedy
    assert {path.name for path in (tmp_path / "results" / "runs").iterdir()} == before


def test_training_samples_may_be_left_out_for_what_a_model_says_of_them(command, tmp_path):
    (tmp_path / "doubts.csv").write_text("id,reason\ntrain/sad/train003.png,mislabelled\nunknown,leak\n")
    command("run", "--dataset", *FOLDER, "--set", f"data.exclude={tmp_path / 'doubts.csv'}", *QUICK, "cleaned")
    shown = json.loads(command("runs", "show", "cleaned", "--json", data=False))
    assert (shown["data"]["excluded"]["train"], shown["data"]["excluded"]["test"]) == (1, 0)
    assert shown["data"]["exclusions"] == {"listed": 2, "found": 1, "missing": ["unknown"]}
    assert "1 of the 2 ids of the list were not found" in command("runs", "show", "cleaned", data=False)


def test_how_much_of_a_list_is_found_is_said(ferbench_cli, faces, tmp_path):
    (tmp_path / "x.csv").write_text("id,reason\ntest/sad/twin0.png,leak\nunknown,leak\n")
    asked = ("--data", faces, "--cache", tmp_path / "cache", "--set", f"data.exclude={tmp_path / 'x.csv'}")
    line = f"data.exclude: {tmp_path / 'x.csv'}: 1 of 2 ids found in folder; not found: 'unknown'"
    assert line in ferbench_cli("run", "--dataset", *FOLDER, *QUICK, "dry", *asked, "--dry-run").stderr.splitlines()
    said = ferbench_cli("audit", "data", *FOLDER, *asked)
    assert line in said.stdout.splitlines()
    assert "test images with a twin in train: 1" in said.stdout
    assert "in no part" not in said.stdout
    found = json.loads(ferbench_cli("audit", "data", *FOLDER, *asked, "--json").stdout)
    assert (found["exclusions"]["listed"], found["exclusions"]["found"]) == (2, 1)
    assert sum(found["counts"]["test"].values()) == 41


def test_ids_that_end_lines_elsewhere_are_left_out_too(command, tmp_path, faces):
    own = tmp_path / "own"
    shutil.copytree(faces, own)
    for i, name in enumerate(("\r", "a\rb", "a\nb", "a,b", '"a', "=a", " a")):
        shutil.copy(own / "train" / "sad" / f"train{i:03d}.png", own / "test" / "sad" / f"{name}.png")
    list_ = tmp_path / "leaks.csv"
    command("audit", "data", *FOLDER, "--data", own, "--write-exclusions", list_, "--exclude", "leak", data=False)
    again = command("audit", "data", *FOLDER, "--data", own, "--set", f"data.exclude={list_}", data=False)
    assert "9 of 9 ids found" in again
    assert "test images with a twin in train: 0" in again


def entries(tmp_path):
    """The evaluations of all records, with the name of their run."""
    for path in (tmp_path / "results" / "runs").glob("*/run.json"):
        record = json.loads(path.read_text())
        yield from ({**one, "run": record["name"]} for one in record["evaluations"].values())


def test_finished_weights_are_tested_without_what_an_audit_lists(command, tmp_path):
    command("run", "--dataset", *FOLDER, *QUICK, "all")
    (tmp_path / "x.csv").write_text("id\ntest/sad/twin0.png\ntest/sad/twin1.png\ntrain/sad/train000.png\n")
    command("evaluate", "all", "--set", f"data.exclude={tmp_path / 'x.csv'}")
    (again,) = [one for one in entries(tmp_path) if one.get("excluded")]
    assert (again["excluded"], again["n"]) == (2, 40)


def test_a_list_that_names_no_tested_sample_is_an_error(command, ferbench_cli, tmp_path):
    command("run", "--dataset", *FOLDER, *QUICK, "all")
    (tmp_path / "x.csv").write_text("id\nsomebody else\n")
    done = ferbench_cli("leaderboard", "--without", tmp_path / "x.csv", "--results", tmp_path / "results")
    assert done.exit_code == 2
    assert "names no sample" in done.stderr
