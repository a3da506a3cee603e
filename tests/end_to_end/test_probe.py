"""``ferbench evaluate --probe`` on runs that were trained for it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from made_images import draw
from PIL import Image
from record_files import read_metrics

import ferbench as fb
from ferbench.cli import cli
from ferbench.runs.find import find_run
from ferbench.runs.verify import Verification

CLASSES = ("angry", "happy", "sad")
PLUGIN = """
import ferbench


@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("plain", build="plain:build", image_size=8, channels=1)


def build(task):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(64, task.num_classes))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two seeds of a linear model, whose features are the pixels, and a model that gives none."""
    root = tmp_path_factory.mktemp("made")
    for part, count in (("train", 12), ("test", 6)):
        for k, name in enumerate(CLASSES):
            for i in range(count):
                draw(root / "home" / part / name / f"{i}.png", 100 * k + i + (50 if part == "test" else 0), (8, 8))
    (root / "plain.py").write_text(PLUGIN)
    args = ["run", "--dataset", "folder", "--data", str(root / "home"), "--set", "training.epochs=1", "--quiet"]
    places = ["--no-report", "--results", str(root / "results"), "--cache", str(root / "c")]
    linear = ["--model", "linear", "--set", "data.image_size=8", "--seed", "0", "--seed", "1", "--name", "lin"]
    plain = ["--plugin", str(root / "plain.py"), "--model", "plain", "--name", "plain"]
    for model in (linear, plain):
        done = CliRunner().invoke(cli, [*args, *model, *places])
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


def pixels(root, sample: str) -> np.ndarray:
    """What the linear model gives its classifier."""
    gray = Image.open(root / "home" / sample).convert("L")
    return (np.asarray(gray, dtype=float).ravel() / 255 - 0.5) / 0.25


def test_neighbours_are_those_of_the_runs_training_samples(call, made, tmp_path):
    outcome = answer(call("evaluate", "lin-s0", "--probe", "knn", "--json"))
    directory = find_run(tmp_path / "results", "lin-s0")
    with np.load(directory.path / "samples.npz") as samples:
        train = samples["train_ids"].tolist()
    known = np.stack([pixels(made, one) for one in train])
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    k = int(outcome["probe"]["chosen"])
    tested = directory.predictions(outcome["evaluation"])
    names = read_metrics(directory, outcome["evaluation"])["class_names"]
    for sample, shares in zip(tested.ids.tolist(), tested.probabilities, strict=True):
        image = pixels(made, sample)
        away = 1 - known @ (image / np.linalg.norm(image))
        votes = dict.fromkeys(names, 0.0)
        for place in np.argsort(away)[:k]:
            votes[train[place].split("/")[1]] += 1 / away[place]
        np.testing.assert_allclose(shares, np.array(list(votes.values())) / sum(votes.values()), atol=1e-3)
    assert (outcome["probe"]["fitted"], outcome["probe"]["validated"]) == (len(train), 36 - len(train))


def test_a_probe_is_an_evaluation_of_its_own(call, tmp_path):
    first, again = (answer(call("evaluate", "lin-s0", "--probe", "linear", "--json")) for _ in range(2))
    assert (first["reused"], again["reused"]) == (False, True)
    assert first["evaluation"] == again["evaluation"]
    other = answer(call("evaluate", "lin-s0", "--probe", "knn", "--json"))
    assert other["evaluation"] != first["evaluation"]
    directory = find_run(tmp_path / "results", "lin-s0")
    assert [entry.options.get("probe") for entry in directory.load().evaluations.values()].count(None) == 2
    assert Verification.of(directory).verdict == "whole"
    board = call("leaderboard", "--runs")
    assert board.exit_code == 0, board.stderr
    assert board.stdout.count("linear") >= 2
    assert "knn" in board.stdout


def test_seeds_of_one_configuration_are_one_row_of_their_probe(call):
    for run in ("lin-s0", "lin-s1"):
        assert call("evaluate", run, "--probe", "linear").exit_code == 0
    rows = answer(call("leaderboard", "--json"))
    text = json.dumps(rows)
    assert text.count('"linear"') >= 1


def test_what_is_printed_says_which_probe_and_what_was_chosen(call):
    said = call("evaluate", "lin-s0", "--probe", "linear")
    assert "probe: linear (C " in said.stdout
    assert "on 64 features of 29 samples" in said.stdout


def test_in_python(made, call, tmp_path):
    done = fb.evaluate("lin-s1", probe="knn", results=tmp_path / "results", cache=made / "c")
    assert done.record.probe.name == "knn"
    assert done.predictions()["predicted"].isin(CLASSES).all()
    with pytest.raises(fb.UserError, match="probe='svm' is no probe"):
        fb.evaluate("lin-s1", probe="svm", results=tmp_path / "results", cache=made / "c")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--dataset", "synthetic-faces"), "a probe is fitted on the run's own samples"),
        (("--postprocessing", "temperature"), "a probe has no post-processing"),
    ],
)
def test_what_no_probe_can_have_is_refused(call, args, said):
    refused = call("evaluate", "lin-s0", "--probe", "knn", *args)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_model_without_features_is_refused(call, made):
    refused = call("evaluate", "plain", "--probe", "knn", "--plugin", made / "plain.py")
    assert refused.exit_code == 2
    assert "gives no features: plain" in refused.stderr


def test_other_data_than_the_runs_is_refused(call, made, tmp_path):
    shutil.copytree(made / "home", tmp_path / "other")
    draw(tmp_path / "other" / "train" / "sad" / "0.png", 7, (8, 8))
    refused = call("evaluate", "lin-s0", "--probe", "knn", "--data", tmp_path / "other")
    assert refused.exit_code == 2
    assert "the data is not what run" in refused.stderr
