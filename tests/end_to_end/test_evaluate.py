"""``ferbench evaluate`` and ``ferbench ensemble`` on runs that were trained for it."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from made_images import draw
from PIL import Image, ImageOps
from record_files import read_metrics, read_record, write_record
from sklearn.metrics import f1_score

import ferbench as fb
from ferbench.cli import cli
from ferbench.runs.find import find_run
from ferbench.runs.verify import Verification

CLASSES = ("angry", "happy", "sad")


def tree(root, classes, seed, *, train=12, test=6):
    for part, count in (("train", train), ("test", test)):
        for k, name in enumerate(classes):
            for i in range(count):
                draw(root / part / name / f"{i}.png", seed + 100 * k + i + (50 if part == "test" else 0), (8, 8))
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two seeds of a linear model on three classes, and some data that it was not trained on."""
    root = tmp_path_factory.mktemp("made")
    tree(root / "home", CLASSES, 0)
    tree(root / "abroad", ("Contempt", "Happiness", "Sadness"), 1000)
    tree(root / "few", ("sad", "happy"), 2000)
    shutil.copytree(root / "home", root / "mixed")
    shutil.copy(root / "home" / "train" / "sad" / "0.png", root / "mixed" / "test" / "sad" / "copy.png")
    args = ["run", "--dataset", "folder", "--data", str(root / "home"), "--model", "linear", "--name", "lin"]
    args += ["--set", "data.image_size=8", "--set", "training.epochs=2", "--seed", "0", "--seed", "1", "--quiet"]
    done = CliRunner().invoke(
        cli, [*args, "--no-report", "--results", str(root / "results"), "--cache", str(root / "c")]
    )
    assert done.exit_code == 0, done.output
    return root


@pytest.fixture
def call(ferbench_cli, made, tmp_path):
    """Commands on a copy of the results, so that no test sees another's evaluations."""
    shutil.copytree(made / "results", tmp_path / "results")

    def run(command, *args):
        places = ["--cache", made / "c"] if command == "evaluate" else []
        return ferbench_cli(command, *args, *places, "--results", tmp_path / "results")

    return run


def answer(finished):
    assert finished.exit_code == 0, finished.stderr
    return json.loads(finished.stdout)


def stored(tmp_path, outcome):
    directory = find_run(tmp_path / "results", outcome["run"])
    return directory.predictions(outcome["evaluation"]), read_metrics(directory, outcome["evaluation"])


def test_another_dataset_is_scored_by_class_name_without_what_the_model_does_not_know(call, made, tmp_path):
    outcome = answer(call("evaluate", "lin-s0", "--dataset", "folder", "--data", made / "abroad", "--json"))
    assert outcome["n"] == 12
    assert outcome["left_out"] == {"Contempt": 6}
    predictions, metrics = stored(tmp_path, outcome)
    names = metrics["class_names"]
    assert names == ["Happiness", "Sadness", "angry"]
    folders = [next(part for part in str(one).split("/") if part in names) for one in predictions.ids]
    assert [names[k] for k in predictions.truth] == folders
    predicted = predictions.probabilities.argmax(axis=1)
    wanted = f1_score(predictions.truth, predicted, labels=[0, 1], average="macro", zero_division=0)
    assert outcome["metrics"]["macro_f1"] == pytest.approx(wanted)


def test_probabilities_are_those_that_predict_gives_for_the_same_pictures(call, made, tmp_path):
    outcome = answer(call("evaluate", "lin-s0", "--dataset", "folder", "--data", made / "few", "--json"))
    predictions, metrics = stored(tmp_path, outcome)
    told = answer(call("predict", "lin-s0", made / "few" / "test", "--format", "json"))
    by_picture = {tuple(one["image"].split("/")[-2:]): one["probabilities"] for one in told}
    for sample, row in zip(predictions.ids, predictions.probabilities, strict=True):
        folder, name = str(sample).split("/")[-2:]
        given = by_picture[folder, name if name.endswith(".png") else f"{name}.png"]
        np.testing.assert_allclose([given[one] for one in metrics["class_names"]], row, atol=1e-6)


def test_strict_refuses_samples_that_cannot_be_scored(call, made):
    finished = call("evaluate", "lin-s0", "--dataset", "folder", "--data", made / "abroad", "--strict")
    assert finished.exit_code == 2
    assert "6 samples of classes that the model does not know: Contempt 6" in finished.stderr


def test_what_was_evaluated_before_is_reused_and_nothing_is_overwritten(call, tmp_path):
    run = find_run(tmp_path / "results", "lin-s0")
    before = read_record(run)
    first = answer(call("evaluate", "lin-s0", "--set", "evaluation.tta=flip", "--json"))
    after = read_record(run)
    again = answer(call("evaluate", "lin-s0", "--set", "evaluation.tta=flip", "--json"))
    assert (first["reused"], again["reused"]) == (False, True)
    assert first["metrics"] == again["metrics"]
    assert read_record(run) == after
    assert set(after["evaluations"]) - set(before["evaluations"]) == {first["evaluation"]}
    grows = ("evaluations", "files", "own")
    assert {**after, **{key: before[key] for key in grows}} == before
    assert before["files"].items() < after["files"].items()
    assert Verification.of(run).verdict == "whole"


def test_flipped_views_are_averaged_with_the_pictures_as_they_are(call, made, tmp_path):
    mirrored = shutil.copytree(made / "few", tmp_path / "mirrored")
    for file in mirrored.rglob("*.png"):
        ImageOps.mirror(Image.open(file)).save(file)
    found = []
    for data, tta in ((made / "few", "none"), (mirrored, "none"), (made / "few", "flip")):
        args = ("--dataset", "folder", "--data", data, "--set", f"evaluation.tta={tta}", "--json")
        predictions, _ = stored(tmp_path, answer(call("evaluate", "lin-s0", *args)))
        found.append(dict(zip(predictions.ids.tolist(), predictions.probabilities, strict=True)))
    plain, turned, flipped = found
    assert list(plain) == list(turned) == list(flipped)
    for sample in plain:
        np.testing.assert_allclose(flipped[sample], (plain[sample] + turned[sample]) / 2, atol=1e-6)
    assert not np.allclose(list(plain.values()), list(turned.values()), atol=1e-3)


def test_the_same_samples_among_more_classes_are_another_evaluation(call, made, tmp_path):
    """Macro averages are over the classes that model and dataset both know, be there samples of them or not."""
    more = shutil.copytree(made / "few", tmp_path / "more")
    shutil.copytree(made / "home" / "train" / "angry", more / "train" / "angry")
    two, three = (
        answer(call("evaluate", "lin-s0", "--dataset", "folder", "--data", data, "--json"))
        for data in (made / "few", more)
    )
    assert not three["reused"]
    assert [stored(tmp_path, one)[1]["data"]["class_names"] for one in (two, three)] == [
        ["happy", "sad"],
        ["angry", "happy", "sad"],
    ]
    assert two["n"] == three["n"]
    assert two["metrics"]["accuracy"] == three["metrics"]["accuracy"]
    assert three["metrics"]["macro_f1"] == pytest.approx(two["metrics"]["macro_f1"] * 2 / 3)


def test_the_runs_own_test_is_the_runs_own_evaluation(call, tmp_path):
    run = read_record(find_run(tmp_path / "results", "lin-s0"))
    for split in ("test", "validation"):
        outcome = answer(call("evaluate", "lin-s0", "--split", split, "--json"))
        assert outcome["reused"]
        assert run["evaluations"][outcome["evaluation"]]["split"] == split


def test_samples_that_were_trained_on_contaminate_a_test(call):
    finished = call("evaluate", "lin-s0", "--split", "all")
    assert finished.exit_code == 0
    assert "CONTAMINATED" in finished.stdout
    document = answer(call("leaderboard", "--json"))
    assert [one["kind"] for one in document["unranked"]] == ["contaminated"]
    assert [group["n"] for group in document["groups"]] == [18]


@pytest.mark.parametrize("color", ["gray", "rgb"])
@pytest.mark.parametrize("trained", ["gray", "rgb"])
def test_pictures_that_were_trained_on_are_known_again_in_gray_and_in_colour(
    ferbench_cli, made, tmp_path, trained, color
):
    places = ["--results", tmp_path / "results", "--cache", made / "c"]
    args = ["run", "--dataset", "folder", "--data", made / "home", "--set", f"dataset.color={trained}", "--quiet"]
    args += ["--model", "linear", "--set", "data.image_size=8", "--set", "training.epochs=1", "--name", "one"]
    assert ferbench_cli(*args, "--no-report", *places).exit_code == 0
    shutil.copytree(made / "few", tmp_path / "few")
    picture = Image.open(made / "home" / "train" / "sad" / "0.png")
    (picture.convert("L") if color == "gray" else picture).save(tmp_path / "few" / "test" / "sad" / "again.png")
    args = ["evaluate", "one", "--dataset", "folder", "--data", tmp_path / "few", "--set", f"dataset.color={color}"]
    outcome = answer(ferbench_cli(*args, "--split", "all", "--json", *places))
    assert outcome["seen"]["contaminated"] is True
    assert outcome["seen"]["train"]["copies"] + outcome["seen"]["validation"]["copies"] == 1


def test_copies_within_a_datasets_own_protocol_are_counted_only(call, made):
    outcome = answer(call("evaluate", "lin-s0", "--dataset", "folder", "--data", made / "mixed", "--json"))
    assert outcome["n"] == 19
    assert outcome["seen"]["contaminated"] is False
    assert outcome["seen"]["train"]["copies"] + outcome["seen"]["validation"]["copies"] == 1


def test_a_run_that_does_not_say_what_it_learnt_leaves_contamination_open(call, made, tmp_path):
    (find_run(tmp_path / "results", "lin-s0").path / "samples.npz").unlink()
    finished = call("evaluate", "lin-s0", "--dataset", "folder", "--data", made / "few")
    assert "is not known" in finished.stdout
    (_, away) = answer(call("leaderboard", "--json", "--columns", "all"))["groups"]
    assert away["rows"][0]["evaluation.seen"] == "unknown"


def test_a_test_elsewhere_meets_the_runs_that_were_trained_there(call, ferbench_cli, made, tmp_path):
    for run in ("lin-s0", "lin-s1"):
        answer(call("evaluate", run, "--dataset", "folder", "--data", made / "few", "--json"))
    args = ["--dataset", "folder", "--data", made / "few", "--model", "linear", "--set", "data.image_size=8", "--quiet"]
    args += ["--set", "training.epochs=1", "--no-report", "--cache", made / "c", "--results", tmp_path / "results"]
    assert ferbench_cli("run", *args).exit_code == 0
    groups = answer(call("leaderboard", "--json"))["groups"]
    assert sorted((group["n"], [row["seeds"] for row in group["rows"]]) for group in groups) in (
        [(12, [1, 2]), (18, [2])],
        [(12, [2, 1]), (18, [2])],
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--set", "training.epochs=3"], "[training] has no say"),
        (["--set", "data.image_size=16"], "the run's record says"),
        (["--set", "evaluation.tta=twice"], "evaluation.tta"),
        (["--set", "data.protocol=none"], "no protocol 'none'"),
    ],
)
def test_mistakes_are_named(call, args, message):
    finished = call("evaluate", "lin-s0", *args)
    assert finished.exit_code == 2
    assert message in finished.stderr


def test_a_report_lists_every_evaluation_and_is_judged_by_the_runs_own(call, made, tmp_path):
    answer(call("evaluate", "lin-s0", "--dataset", "folder", "--data", made / "abroad", "--json"))
    call("report", "lin-s0", "--output", tmp_path / "page.html", "--tables", tmp_path / "tables")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "folder, test (n = 12)" in page
    assert "left out: 6 samples of classes that the model does not know: Contempt 6" in page
    (scores,) = (tmp_path / "tables").glob("scores-*.csv")
    assert "angry" in scores.read_text()


def test_an_ensemble_stands_beside_its_members(call, tmp_path):
    made = answer(call("ensemble", "lin-s0", "lin-s1", "--weights", "1,2", "--name", "both", "--json"))
    members = [answer(call("evaluate", run, "--json")) for run in ("lin-s0", "lin-s1")]
    tables = [stored(tmp_path, one)[0] for one in members]
    own = find_run(tmp_path / "results", "both").predictions(made["evaluations"]["test"]["evaluation"])
    np.testing.assert_array_equal(tables[0].ids, tables[1].ids)
    rows = dict(zip(own.ids, own.probabilities, strict=True))
    wanted = (tables[0].probabilities + 2 * tables[1].probabilities) / 3
    np.testing.assert_allclose([rows[sample] for sample in tables[0].ids], wanted, atol=1e-6)
    (group,) = answer(call("leaderboard", "--json"))["groups"]
    assert sorted(row["model"] for row in group["rows"]) == ["ensemble", "linear"]
    assert answer(call("ensemble", "lin-s1", "lin-s0", "--weights", "2,1", "--json"))["reused"]


@pytest.mark.parametrize("command", [["predict", "both", "results"], ["evaluate", "both"]])
def test_an_ensemble_has_no_weights_to_use(call, command, tmp_path):
    answer(call("ensemble", "lin-s0", "lin-s1", "--name", "both", "--json"))
    draw(tmp_path / "results" / "a.png", 1, (8, 8))
    finished = call(*command)
    assert finished.exit_code == 2
    assert "is an ensemble" in finished.stderr


def test_an_ensemble_of_unlike_settings_is_refused_as_one(call, made):
    """Where its members differ in a setting, its record has a word in that setting's place."""
    args = ["--dataset", "folder", "--data", made / "home", "--model", "linear", "--name", "all", "--no-report"]
    args += ["--set", "data.image_size=8", "--set", "training.epochs=1", "--set", f"data.classes={list(CLASSES)}"]
    answer(call("run", *args, "--cache", made / "c", "--json"))
    answer(call("ensemble", "lin-s0", "all", "--name", "unlike", "--json"))
    finished = call("evaluate", "unlike")
    assert finished.exit_code == 2
    assert "is an ensemble: it has no weights" in finished.stderr
    assert "use its members" in finished.stderr


def test_a_report_of_an_ensemble_says_what_it_is_made_of(call, tmp_path):
    answer(call("ensemble", "lin-s0", "lin-s1", "--name", "both", "--json"))
    assert call("report", "both", "lin-s0", "--output", tmp_path / "page.html").exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Mean of the probabilities of" in page
    assert re.search(r"Made of: \w{12} × 0\.5; \w{12} × 0\.5\.", page)
    assert "Nothing was trained" not in page


@pytest.mark.parametrize(("weights", "message"), [("1,x", "not numbers"), ("1", "2 runs but 1 weights")])
def test_weights_are_numbers_one_for_each_run(call, weights, message):
    finished = call("ensemble", "lin-s0", "lin-s1", "--weights", weights)
    assert finished.exit_code == 2
    assert message in finished.stderr


def test_scores_are_sliced_by_what_is_known_of_the_samples(call, made):
    outcome = answer(call("evaluate", "lin-s0", "--split", "all", "--slice", "part", "--json"))
    rows = outcome["slices"]["part"]["rows"]
    assert [(row["value"], row["n"]) for row in rows] == [("test", 18), ("train", 36)]
    total = sum(row["n"] * row["accuracy"] for row in rows) / 54
    assert total == pytest.approx(outcome["metrics"]["accuracy"])
    shown = call("evaluate", "lin-s0", "--slice", "part").stdout
    assert "Worst in accuracy: test" in shown
    assert "no such column" in call("evaluate", "lin-s0", "--slice", "sex").stderr


def test_a_record_of_before_sources_were_recorded_is_no_reason_to_warn(call, tmp_path):
    directory = find_run(tmp_path / "results", "lin-s0")
    record = read_record(directory)
    assert len(record["components"]["model"]["source"]) == 64
    for source, warns in ((None, False), ("0" * 64, True)):
        record["components"]["model"]["source"] = source
        write_record(directory, record)
        said = call("evaluate", "lin-s0", "--set", "evaluation.tta=flip").stderr
        assert ("has another source" in said) is warns


def test_python_evaluates_as_the_command_does(call, made, tmp_path):
    places = {"results": tmp_path / "results", "cache": made / "c"}
    told = answer(call("evaluate", "lin-s0", "--dataset", "folder", "--data", made / "abroad", "--json"))
    run = fb.load_run("lin-s0", tmp_path / "results")
    done = fb.evaluate(run, dataset="folder", data=made / "abroad", cache=made / "c")
    assert done.document() == {**told, "reused": True}
    assert (done.id, done.run.id) == (told["evaluation"], told["run"])
    assert done.metrics == done.run.metrics(done.id)
    predictions = done.predictions()
    assert len(predictions) == done.record.n == 12
    assert (predictions["true"] == predictions["predicted"]).mean() == pytest.approx(done.metrics["accuracy"])
    assert done.per_class["support"].sum() == done.confusion().to_numpy().sum() == 12
    assert "folder (test), n = 12" in repr(done)

    flipped = fb.evaluate("lin-s0", settings={"evaluation.tta": "flip"}, **places)
    assert not flipped.reused
    assert flipped.record.options["tta"] == "flip"
    assert flipped.record.rows_digest == run.record.own_evaluations("test").popitem()[1].rows_digest
    assert answer(call("evaluate", "lin-s0", "--set", "evaluation.tta=flip", "--json"))["reused"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"split": "tests"}, "split='tests' is no part\ndid you mean 'test'?"),
        ({"settings": {"training.epochs": 3}}, "training.epochs: [training] has no say in an evaluation"),
        ({"settings": ["evaluation.tta=flip"]}, "settings is of type list"),
        ({"run": None}, "run is None"),
        ({"run": "nobody"}, "there is no run 'nobody'"),
    ],
)
def test_mistakes_in_python_are_named(made, given, message):
    with pytest.raises(fb.UserError) as caught:
        fb.evaluate(**{"run": "lin-s0", "results": made / "results", "cache": made / "c", **given})
    assert message in str(caught.value)
    assert "--results" not in str(caught.value)
