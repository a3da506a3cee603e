"""Runs that start from the weights of another one, and what is said of them afterwards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_images import draw
from record_files import read_record, write_record
from safetensors import safe_open

from ferbench.cli import cli
from ferbench.runs.directory import RunDirectory
from ferbench.runs.find import find_run
from ferbench.training.interruption import Interrupted
from ferbench.training.saving import RunSaver

SMALL = {
    "model.name": "linear",
    "data.image_size": "8",
    "dataset.size": "16",
    "dataset.train": "60",
    "dataset.test": "20",
    "training.epochs": "3",
    "training.batch_size": "16",
    "training.keep": "epochs",
    "runtime.checkpoint_every": "2",
}


def sets(**changed):
    return [part for key, value in changed.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """``parent``: three epochs of a linear model on rendered faces; and ``short``: the first of them alone."""
    root = tmp_path_factory.mktemp("trained")
    for name, epochs in (("parent", 3), ("short", 1)):
        flags = sets(**{**SMALL, "training.epochs": epochs})
        places = ["--results", str(root / "results"), "--cache", str(root / "cache")]
        done = CliRunner().invoke(cli, ["run", *flags, "--name", name, "--no-report", "--quiet", *places])
        assert done.exit_code == 0, done.output
    return root


@pytest.fixture
def call(ferbench_cli, trained, tmp_path):
    """Commands on a copy of the results."""
    shutil.copytree(trained / "results", tmp_path / "results")

    def run(command, *args):
        more = ["--cache", trained / "cache"] if command in ("run", "resume", "evaluate") else []
        more += ["--no-report"] if command == "run" else []
        return ferbench_cli(command, *args, *more, "--results", tmp_path / "results")

    return run


def answer(finished):
    assert finished.exit_code == 0, finished.stderr
    return json.loads(finished.stdout)


def started(call, *args) -> RunDirectory:
    (outcome,) = answer(call("run", *args, "--json"))
    return RunDirectory(Path(outcome["directory"]))


def predicted(directory, split="test"):
    (short,) = [key for key, one in read_record(directory)["evaluations"].items() if one["split"] == split]
    return directory.predictions(short).probabilities


@pytest.mark.parametrize(("point", "like"), [("@best", "parent"), ("@1", "short"), ("@epoch1", "short")])
def test_weights_of_a_point_untouched_predict_what_the_run_that_ended_there_predicts(point, like, call, tmp_path):
    child = started(call, "--from", f"parent{point}", *sets(**{"training.epochs": 0}))
    other = find_run(tmp_path / "results", like)
    np.testing.assert_array_equal(predicted(child), predicted(other))
    assert read_record(child)["training"]["weights_sha256"] == read_record(other)["training"]["weights_sha256"]


def test_without_a_point_it_starts_from_the_last_epoch(call, tmp_path):
    child = started(call, "--from", "parent", *sets(**{"training.epochs": 0}))
    last = max(find_run(tmp_path / "results", "parent").checkpoints.glob("step-*-end.safetensors"))
    with safe_open(last, "np") as snapshot, safe_open(child.checkpoints / "best.safetensors", "np") as kept:
        theirs = {key: snapshot.get_tensor(key) for key in snapshot.keys()}  # noqa: SIM118
        for name in kept.keys():  # noqa: SIM118
            assert any(np.array_equal(kept.get_tensor(name), one) for one in theirs.values()), name


def test_settings_are_the_parents_but_for_what_is_asked_and_what_changed_is_recorded(call, tmp_path):
    parent = read_record(find_run(tmp_path / "results", "parent"))
    asked = ["--sampler", "weighted", *sets(**{"training.epochs": 2, "optimizer.lr": 0.01})]
    child = read_record(started(call, "--from", "parent@2", *asked))
    assert child["name"] is None
    assert child["recipe"]["data"] == parent["recipe"]["data"]
    assert child["recipe"]["training"] == {**parent["recipe"]["training"], "epochs": 2}
    (entry,) = child["lineage"]["parents"]
    assert (entry["run"], entry["name"], entry["at"], entry["epoch"]) == (
        parent["identity"]["training_id"][3:15],
        "parent",
        "2",
        2,
    )
    assert {key: value for key, value in entry["changed"].items() if key != "sampler.emphasis"} == {
        "sampler": ["shuffled", "weighted"],
        "optimizer.lr": [0.001, 0.01],
        "training.epochs": [3, 2],
    }


def test_the_same_weights_are_the_same_start_and_the_run_is_found_again(call):
    first = started(call, "--from", "parent", *sets(**{"training.epochs": 1}))
    for point in ("@3", "@last"):
        (again,) = answer(call("run", "--from", f"parent{point}", *sets(**{"training.epochs": 1}), "--json"))
        assert again["reused"]
        assert again["run"] == first.path.name
    assert started(call, "--from", "parent@2", *sets(**{"training.epochs": 1})).path != first.path


def test_seeds_continued_alike_are_one_configuration(call):
    answer(call("run", "--from", "parent", "--seed", "1", "--name", "other", "--json"))
    one = read_record(started(call, "--from", "parent@2", *sets(**{"training.epochs": 0})))["identity"]
    again = read_record(started(call, "--from", "parent@2", "--seed", "4", *sets(**{"training.epochs": 0})))["identity"]
    earlier = read_record(started(call, "--from", "parent@1", *sets(**{"training.epochs": 0})))["identity"]
    assert again["config_id"] == one["config_id"]
    assert earlier["config_id"] != one["config_id"]
    assert again["training_id"] != one["training_id"]


def test_a_recipe_can_say_where_it_starts_and_what_it_does_not_say_is_the_parents(call, tmp_path):
    recipe = tmp_path / "child.toml"
    recipe.write_text('name = "child"\nfrom = "parent@2"\n[training]\nepochs = 1\n[sampler]\nname = "balanced"\n')
    child = read_record(started(call, recipe))
    assert (child["name"], child["recipe"]["model"]["name"]) == ("child", "linear")
    (entry,) = child["lineage"]["parents"]
    assert child["recipe"]["from"] == f"{entry['run']}@2"
    assert read_record(started(call, recipe, "--from", "parent@1"))["lineage"]["parents"][0]["at"] == "1"


def test_a_point_that_is_not_there_is_refused_with_those_that_are(call):
    for point in ("7", "step5000"):
        finished = call("run", "--from", f"parent@{point}")
        assert finished.exit_code == 2
        first, second = finished.stderr.splitlines()
        assert f"has no checkpoint at '{point}'" in first
        assert all(f"@{there}" in second for there in ("best", "1", "2", "3"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--from", "parent@noon"], "'noon' in 'parent@noon' is no point of a run"),
        (["--from", "nobody"], "there is no run 'nobody'"),
        (["--from", "parent", "--model", "basic-cnn"], "do not fit the model"),
        (["--from", "parent", "--set", "data.classes=[happy,sad]"], "knows other classes"),
        (
            ["--from", "parent", "--set", "data.classes=[happy,sad,angry,fear,disgust,neutral,surprise]"],
            "has its classes in another order",
        ),
    ],
)
def test_what_cannot_be_started_from_is_refused_in_two_lines_and_leaves_nothing(given, said, call, tmp_path):
    before = sorted((tmp_path / "results" / "runs").glob("*/run.json"))
    finished = call("run", *given, "--quiet")
    assert finished.exit_code == 2
    assert said in finished.stderr
    assert len(finished.stderr.splitlines()) == 2
    assert sorted((tmp_path / "results" / "runs").glob("*/run.json")) == before


def test_initial_weights_beside_a_start_are_refused(call, tmp_path):
    flags = {"model.name": "basic-cnn", "model.width": "4", "training.epochs": "0"}
    answer(call("run", *sets(**{**SMALL, **flags, "data.image_size": "16"}), "--name", "net", "--json"))
    weights = find_run(tmp_path / "results", "net").checkpoints / "best.safetensors"
    finished = call("run", "--from", "net", "--set", f"model.weights={weights}")
    assert finished.exit_code == 2
    assert "both say where the weights come from" in finished.stderr


def test_a_stopped_child_goes_on_without_its_parent_and_ends_with_the_same_bits(call, tmp_path, monkeypatch):
    asked = ["--from", "parent", "--sampler", "adaptive", *sets(**{"training.epochs": 4})]
    whole = started(call, *asked)
    expected = (whole.checkpoints / "best.safetensors").read_bytes(), predicted(whole), read_record(whole)
    shutil.rmtree(whole.path)
    real = RunSaver.epoch_done

    def stop(self, training, improved):
        real(self, training, improved)
        if training.at.epoch == 3:
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "epoch_done", stop)
    assert call("run", *asked).exit_code != 0
    monkeypatch.undo()
    assert read_record(whole)["status"] == "interrupted"
    shutil.rmtree(find_run(tmp_path / "results", "parent").path)
    monkeypatch.chdir(tmp_path)
    finished = call("resume", whole.path.name)
    assert finished.exit_code == 0, finished.stderr
    assert (whole.checkpoints / "best.safetensors").read_bytes() == expected[0]
    np.testing.assert_array_equal(predicted(whole), expected[1])
    record = read_record(whole)
    assert [one["epoch"] for one in record["resumed"]] == [3]
    for key in ("lineage", "identity"):
        assert record[key] == expected[2][key]
    assert record["evaluations"].keys() == expected[2]["evaluations"].keys()


def test_a_child_without_a_checkpoint_cannot_do_without_its_parent(call, tmp_path, monkeypatch):
    def stop(self, training):
        raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "batch_done", stop)
    assert call("run", "--from", "parent", *sets(**{"training.epochs": 1}), "--name", "child").exit_code != 0
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(find_run(tmp_path / "results", "parent").path)
    finished = call("resume", "child", "--quiet")
    assert finished.exit_code == 2
    assert "Traceback" not in finished.stderr


def test_the_lineage_shows_ancestors_and_descendants_with_what_changed(call, tmp_path):
    started(call, "--from", "parent@2", "--sampler", "weighted", "--name", "child")
    started(call, "--from", "child", "--seed", "5", *sets(**{"training.epochs": 1}), "--name", "grandchild")
    answer(call("ensemble", "parent", "child", "--name", "both", "--json"))
    parent, child = (find_run(tmp_path / "results", name).path.name for name in ("parent", "child"))
    lines = call("lineage", "child").stdout.splitlines()
    assert lines[0].startswith(f"parent ({parent})  validation: accuracy ")
    assert "← this run" in next(line for line in lines if child in line)
    assert "from epoch 2: sampler shuffled → weighted" in "\n".join(lines)
    assert "training.epochs 3 → 1, training.seed 0 → 5" in "\n".join(lines)
    found = {one["name"]: one for one in answer(call("lineage", "child", "--json"))}
    assert {name: one["relation"] for name, one in found.items()} == {
        "parent": "ancestor",
        "child": "self",
        "grandchild": "descendant",
        "both": "descendant",
    }
    record = read_record(find_run(tmp_path / "results", "child"))
    (test,) = [one for one in record["evaluations"].values() if one["split"] == "test"]
    assert found["child"]["scores"]["test"]["macro_f1"] == test["metrics"]["macro_f1"]
    shutil.rmtree(find_run(tmp_path / "results", "parent").path)
    assert call("lineage", "child").stdout.splitlines()[0] == f"parent ({parent})  gone"


@pytest.mark.parametrize(
    "parent",
    ["text", {"run": 3}, {"run": "a", "at": "1", "epoch": 1, "changed": {"sampler": ["old"]}}, {"run": "a"}],
)
def test_a_lineage_that_somebody_made_up_is_refused_in_two_lines(parent, call, tmp_path):
    path = find_run(tmp_path / "results", "short").record_path
    record = json.loads(path.read_text())
    record["lineage"]["parents"] = [parent]
    write_record(RunDirectory(path.parent), record)
    finished = call("lineage", path.parent.name)
    assert finished.exit_code == 2
    assert len(finished.stderr.splitlines()) == 2


def test_a_report_and_its_recipe_say_where_a_run_started(call, tmp_path):
    child = started(call, "--from", "parent@2", "--sampler", "weighted", "--name", "child")
    assert call("report", "child", "--output", tmp_path / "page.html").exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    parent = read_record(child)["lineage"]["parents"][0]["run"]
    assert f"Continues: parent ({parent}) from epoch 2: sampler shuffled → weighted" in page
    assert f"from = &#34;{parent}@2&#34;" in page


def test_the_leaderboard_tells_what_started_elsewhere_from_what_did_not(call):
    started(call, "--from", "parent@2", "--name", "child")
    finished = call("leaderboard", "--columns", "name,training.from", "--format", "csv")
    assert "child,parent@2" in finished.stdout
    assert "parent,\n" in finished.stdout.replace("\r", "")


@pytest.fixture
def pictures(tmp_path):
    """Two datasets; one picture of the test part of the first is in the train part of the second."""
    for root, seed in (("first", 0), ("second", 5000)):
        for part, count in (("train", 10), ("test", 5)):
            for k, name in enumerate(("happy", "sad")):
                for i in range(count):
                    number = seed + 100 * k + i + (50 if part == "test" else 0)
                    draw(tmp_path / root / part / name / f"{i}.png", number, (8, 8))
    shutil.copy(tmp_path / "first" / "test" / "sad" / "0.png", tmp_path / "second" / "train" / "sad" / "copy.png")
    return tmp_path


def on(root, data, *args):
    flags = sets(**{"data.image_size": 8, "training.epochs": 1})
    return ["run", "--dataset", "folder", "--data", root / data, "--model", "linear", *flags, *args, "--json"]


def test_a_test_on_pictures_that_the_parent_learnt_is_contaminated(ferbench_cli, pictures):
    here = ["--cache", "c", "--no-report"]
    answer(ferbench_cli(*on(pictures, "second", "--name", "second"), *here))
    (clean,) = answer(ferbench_cli(*on(pictures, "first", "--name", "first"), *here))
    (child,) = answer(ferbench_cli(*on(pictures, "first", "--from", "second", "--name", "child"), *here))
    (grandchild,) = answer(ferbench_cli("run", "--from", "child", "--seed", "7", "--name", "grand", "--json", *here))
    assert "seen" not in clean["evaluations"]["test"]
    for outcome in (child, grandchild):
        seen = outcome["evaluations"]["test"]["seen"]
        assert seen == {"train": {"same": 0, "copies": 1}, "validation": {"same": 0, "copies": 0}, "contaminated": True}
    board = answer(ferbench_cli("leaderboard", "--json"))
    assert sorted(one["name"] for one in board["unranked"] if one["kind"] == "contaminated") == ["child", "grand"]
    both = answer(ferbench_cli("ensemble", "first", "child", "--json"))
    assert both["evaluations"]["test"]["seen"]["contaminated"]
    checked = ferbench_cli("runs", "verify", "child", "grand")
    assert checked.exit_code == 0, checked.stdout
    assert "made from  second (" in ferbench_cli("runs", "show", "child").stdout
    shown = ferbench_cli("run", "--from", "second", *on(pictures, "first")[1:-1], *here)
    assert "CONTAMINATED: the run has seen some of these samples before (1 in train, 0 in validation)" in shown.stdout


def test_a_parent_on_the_same_split_contaminates_nothing(call):
    seen = read_record(started(call, "--from", "parent"))["evaluations"]
    assert [one["seen"]["contaminated"] for one in seen.values()] == [False, False]


def test_a_fold_that_its_parent_learnt_is_contaminated(call):
    child = started(call, "--from", "parent", *sets(**{"data.fold": "1/3", "training.epochs": 1}), "--name", "fold")
    ((entry,),) = [list(read_record(child)["evaluations"].values())]
    assert entry["seen"]["contaminated"]
    assert entry["seen"]["train"]["same"] > 0


def test_of_a_parent_that_does_not_say_what_it_learnt_nothing_is_known(call, tmp_path):
    (find_run(tmp_path / "results", "parent").path / "samples.npz").unlink()
    child = started(call, "--from", "parent", *sets(**{"training.epochs": 1}))
    assert [one["seen"]["contaminated"] for one in read_record(child)["evaluations"].values()] == [None, None]
