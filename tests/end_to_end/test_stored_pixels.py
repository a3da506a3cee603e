"""The same samples, resampled in other ways: ``dataset.size`` and ``dataset.fit`` in runs, evaluations and tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_images import draw
from record_files import read_metrics, read_record, write_record

from ferbench.cli import cli
from ferbench.ids import short
from ferbench.records.evaluation import evaluation_id
from ferbench.runs.directory import all_runs
from ferbench.runs.find import find_run

QUICK = ("--model", "linear", "--set", "data.image_size=8", "--set", "training.epochs=1", "--no-report", "--quiet")
CLASSES = ("angry", "happy", "sad")


def tree(root: Path) -> Path:
    """Wide images, so that every fit gives other pixels."""
    for part, count in (("train", 8), ("test", 4)):
        for k, name in enumerate(CLASSES):
            for i in range(count):
                draw(root / part / name / f"{i}.png", 100 * k + i + (50 if part == "test" else 0), (10, 20))
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs called s8, native and crop."""
    root = tmp_path_factory.mktemp("made")
    data = str(tree(root / "faces"))
    for name, options in (("s8", ["size=8"]), ("native", []), ("crop", ["size=8", "fit='crop'"])):
        sets = [part for option in options for part in ("--set", f"dataset.{option}")]
        args = ["run", "--dataset", "folder", "--data", data, *sets, "--name", name, *QUICK]
        done = CliRunner().invoke(cli, [*args, "--results", str(root / "results"), "--cache", str(root / "c")])
        assert done.exit_code == 0, done.output
    return root


@pytest.fixture
def call(ferbench_cli, made, tmp_path):
    """Commands on a copy of the results, so that no test sees another's evaluations."""
    shutil.copytree(made / "results", tmp_path / "results")

    def run(command, *args):
        places = ["--cache", made / "c"] if command in ("evaluate", "run") else []
        done = ferbench_cli(command, *args, *places, "--results", tmp_path / "results")
        assert done.exit_code == 0, done.stderr
        return done.stdout

    return run


def evaluation(call, *args):
    return json.loads(call("evaluate", *args, "--json"))


def test_each_size_and_fit_is_a_run_of_its_own(made):
    records = [read_record(run) for run in all_runs(made / "results")]
    assert len({one["identity"]["training_id"] for one in records}) == 3
    assert len({one["identity"]["config_id"] for one in records}) == 3
    assert len({one["data"]["pack"] for one in records}) == 3
    assert len({one["data"]["test_digest"] for one in records}) == 1


def test_the_record_says_how_images_were_stored(made):
    assert read_record(find_run(made / "results", "crop"))["data"]["stored"] == {"size": [8, 8], "fit": "crop"}


def options(record):
    return [one["options"] for one in record["evaluations"].values()]


UNION = """
[dataset]
name = "folder+synthetic-faces"
synthetic-faces = {size = 16, train = 30, test = 8}
"""


@pytest.mark.parametrize("args", [("--dataset", "folder", "--set", "dataset.size=16"), ("union.toml",)])
def test_a_runs_own_evaluations_are_marked_by_nothing_where_its_images_have_the_size_already(call, tmp_path, args):
    for file in tree(tmp_path / "faces").rglob("*.png"):
        draw(file, int(file.stem), (16, 16))
    Path("union.toml").write_text(UNION)
    for seed in ("1", "2"):
        call("run", *args, "--data", f"folder={tmp_path / 'faces'}", *QUICK, "--name", f"own-{seed}", "--seed", seed)
    record = read_record(find_run(tmp_path / "results", "own-1"))
    assert record["data"]["stored"] == {"size": [16, 16], "fit": "stretch"}
    assert [one["options"] for one in record["evaluations"].values()] == [{"tta": "none"}] * 2
    call("ensemble", "own-1", "own-2")


def test_an_evaluation_on_the_own_pixels_is_the_runs_own(call):
    assert evaluation(call, "s8")["reused"]


@pytest.mark.parametrize(("option", "said"), [("size=12", "rgb, 12×12 (stretch)"), ("fit='pad'", "rgb, 8×8 (pad)")])
def test_an_evaluation_on_other_pixels_is_another_one(call, option, said):
    own = evaluation(call, "s8")
    for reused in (False, True):
        other = evaluation(call, "s8", "--set", f"dataset.{option}")
        assert other["reused"] is reused
        assert other["evaluation"] != own["evaluation"]
        assert other["rows_digest"] == own["rows_digest"]
        assert other["options"] == {"tta": "none", "stored": said}
    assert "3 whole" in call("runs", "verify")


def test_a_table_tells_evaluations_on_other_pixels_apart(call):
    evaluation(call, "s8", "--set", "dataset.fit='pad'")
    (group,) = json.loads(call("leaderboard", "--json"))["groups"]
    assert len(group["rows"]) == 4
    assert group["n"] == 12


def test_an_ensemble_averages_what_its_members_said_of_their_own_pixels(call, tmp_path):
    other = evaluation(call, "s8", "--set", "dataset.fit='pad'")
    made = json.loads(call("ensemble", "s8", "native", "--json"))
    record = read_record(find_run(tmp_path / "results", made["run"]))
    parents = [
        parent["evaluation"]
        for name in record["evaluations"]
        for parent in read_metrics(find_run(tmp_path / "results", made["run"]), name)["parents"]
    ]
    assert len(parents) == 4
    assert other["evaluation"] not in parents


def test_test_time_augmentation_is_on_the_same_pixels(call):
    flipped = evaluation(call, "crop", "--set", "evaluation.tta=flip")
    assert flipped["options"] == {"tta": "flip"}
    padded = evaluation(call, "crop", "--set", "evaluation.tta=flip", "--set", "dataset.fit='pad'")
    assert padded["evaluation"] != flipped["evaluation"]


def test_an_evaluation_that_does_not_say_its_pixels_is_not_taken_for_one_on_others(call, tmp_path):
    """Older releases gave the evaluation on one size the id of that on another."""
    directory = find_run(tmp_path / "results", "native")
    own = evaluation(call, "native")
    record = read_record(directory)
    for entry in record["evaluations"].values():
        del entry["stored"]
    write_record(directory, record)
    assert evaluation(call, "native")["evaluation"] == own["evaluation"]
    write_record(directory, {**record, "data": {**record["data"], "pack": "v1:of another size"}})
    again = evaluation(call, "native")
    assert not again["reused"]
    assert again["evaluation"] != own["evaluation"]
    assert own["evaluation"] in read_record(directory)["evaluations"]


def test_an_older_evaluation_of_resampled_pixels_is_not_made_again_beside_it(call, tmp_path):
    """Older releases left the stored pixels out of its id; a second one would count the run twice in tables."""
    directory = find_run(tmp_path / "results", "crop")
    record = read_record(directory)
    (place,) = [key for key, entry in record["evaluations"].items() if entry["split"] == "test"]
    entry = record["evaluations"].pop(place)
    del entry["stored"]
    identifier = evaluation_id(record["identity"]["training_id"], entry["rows_digest"], entry["options"])
    record["evaluations"][short(identifier)] = {**entry, "id": identifier}
    (directory.path / "evaluations" / place).rename(directory.path / "evaluations" / short(identifier))
    write_record(directory, record)
    again = evaluation(call, "crop")
    assert (again["evaluation"], again["reused"]) == (short(identifier), True)
    assert not evaluation(call, "crop", "--set", "dataset.fit='pad'")["reused"]


def test_folds_on_other_pixels_are_other_configurations(call):
    for fit in ("stretch", "crop"):
        args = ["--dataset", "folder", "--data", tree(Path("data")), "--set", "dataset.size=8"]
        call("run", *args, "--set", f"dataset.fit='{fit}'", "--folds", "2", "--name", f"fold-{fit}", *QUICK)
    found = json.loads(call("leaderboard", "--json"))["groups"]
    assert sorted(len(group["rows"]) for group in found) == [1, 1, 3]


def test_a_child_on_other_pixels_is_another_child(call):
    plans = [
        json.loads(call("run", "--from", "s8", "--set", f"dataset.fit='{fit}'", "--dry-run", "--json", *QUICK[4:-2]))
        for fit in ("stretch", "crop")
    ]
    assert plans[0][0]["training_id"] != plans[1][0]["training_id"]
