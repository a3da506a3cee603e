"""Runs whose predictions are processed at test time, and what becomes of such predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_images import draw
from scipy.special import log_softmax, softmax

import ferbench as fb
from ferbench.cli import cli
from ferbench.experiment.toml import recipe_toml
from ferbench.runs.find import find_run
from ferbench.runs.verify import Verification

CLASSES = ("angry", "happy", "sad")
COUNTS = {"angry": 8, "happy": 16, "sad": 24}

#: Fitted: the mean logits of validation are taken away. It says what it was fitted on.
PLUGIN = """
import numpy as np
import ferbench

@ferbench.hookimpl
def ferbench_postprocessing():
    yield ferbench.PostprocessingSpec("centred", build="centred:Centred")
    yield ferbench.PostprocessingSpec("wide", build="centred:wide")
    yield ferbench.PostprocessingSpec("empty", build="centred:empty")
    yield ferbench.PostprocessingSpec("crowd", build="centred:crowd")
    yield ferbench.PostprocessingSpec("words", build="centred:words")

class Centred:
    def __init__(self, task, *, share: float = 1.0):
        self.share, self.means = share, np.zeros(task.num_classes)
    def __call__(self, logits):
        return logits - self.share * self.means
    def fit(self, logits, labels):
        self.means = logits.mean(axis=0)
    def state_dict(self):
        return {"means": self.means}
    def load_state_dict(self, state):
        self.means = np.array(state["means"])

def wide(task):
    return lambda logits: logits[:, :2]

def crowd(task):
    return lambda logits: logits - logits.mean(axis=0)

def words(task):
    return lambda logits: "sure"

def empty(task):
    return lambda logits: logits * np.nan
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A linear model whose test is adjusted, and one that is tested plainly."""
    root = tmp_path_factory.mktemp("made")
    (root / "centred.py").write_text(PLUGIN)
    for part, times in (("train", 1), ("test", 0.5)):
        for k, name in enumerate(CLASSES):
            for i in range(int(times * COUNTS[name])):
                draw(root / "home" / part / name / f"{i}.png", 100 * k + i + (50 if part == "test" else 0), (8, 8))
    for name, flags in (("plain", ()), ("adjusted", ("--postprocessing", "logit-adjustment", "--seed", "1"))):
        done = CliRunner().invoke(cli, [*trained(root), *flags, "--name", name])
        assert done.exit_code == 0, done.output
    return root


def trained(root: Path) -> list[str]:
    args = ["run", "--dataset", "folder", "--data", str(root / "home"), "--model", "linear"]
    args += ["--set", "data.image_size=8", "--set", "training.epochs=3", "--set", "optimizer.lr=0.01", "--quiet"]
    return [*args, "--no-report", "--results", str(root / "results"), "--cache", str(root / "cache")]


@pytest.fixture
def call(ferbench_cli, made, tmp_path):
    """Commands on a copy of the results."""
    shutil.copytree(made / "results", tmp_path / "results")

    def run(command, *args):
        places = ["--cache", made / "cache"] if command in ("evaluate", "run") else []
        return ferbench_cli(command, *args, *places, "--results", tmp_path / "results")

    return run


def again(made: Path, tmp_path: Path, *flags: str) -> list[str]:
    return [*trained(made)[1:-4], *flags]


def entries(run, split="test"):
    """By what was done to the predictions."""
    record = run.load()
    several = {key: entry for key, entry in record.evaluations.items() if entry.split == split}
    return {entry.options.get("postprocessing", ""): (key, entry) for key, entry in several.items()}


def test_the_test_is_adjusted_and_validation_is_not(made):
    run = find_run(made / "results", "adjusted")
    record = run.load()
    assert list(entries(run)) == ["logit-adjustment"]
    assert list(entries(run, "validation")) == [""]
    _, entry = entries(run)["logit-adjustment"]
    assert entry.options == {"tta": "none", "postprocessing": "logit-adjustment", "postprocessing.tau": 1.0}
    assert (entry.postprocessing.options, entry.postprocessing.state) == ({"tau": 1.0}, None)
    assert "postprocessing" not in record.components
    assert record.recipe.postprocessing.name == "logit-adjustment"
    assert "postprocessing" not in json.dumps(record.identity.covers)
    _, validation = entries(run, "validation")[""]
    assert validation.metrics["macro_f1"] == pytest.approx(record.training.best_value)
    assert Verification.of(run).verdict == "whole"


def test_the_adjusted_probabilities_are_the_plain_ones_over_the_shares_of_training(made, call, tmp_path):
    assert call("evaluate", "adjusted").exit_code == 0
    run = find_run(tmp_path / "results", "adjusted")
    found = entries(run)
    plain, adjusted = (run.predictions(found[way][0]) for way in ("", "logit-adjustment"))
    counts = np.array(list(run.load().data.counts["train"].values()), dtype=float)
    expected = plain.probabilities / (counts / counts.sum())
    expected /= expected.sum(axis=1, keepdims=True)
    assert (plain.ids == adjusted.ids).all()
    np.testing.assert_allclose(adjusted.probabilities, expected, rtol=1e-5)
    assert not np.allclose(plain.probabilities, adjusted.probabilities, rtol=0.05)


def test_predict_gives_what_the_test_recorded(made, call, tmp_path):
    done = call("predict", "adjusted", made / "home" / "test", "--format", "json")
    told = {Path(one["image"]).parent.name + Path(one["image"]).name: one for one in json.loads(done.stdout)}
    run = find_run(tmp_path / "results", "adjusted")
    tested = run.predictions(entries(run)["logit-adjustment"][0])
    assert len(told) == len(tested.ids) == 24
    for identity, row in zip(tested.ids, tested.probabilities, strict=True):
        place = Path(str(identity))
        assert list(told[place.parent.name + place.name]["probabilities"].values()) == pytest.approx(row, abs=1e-6)


def test_a_grid_of_them_trains_a_run_once_and_tests_it_in_each_way(made, call, tmp_path):
    ways = ("--postprocessing", "logit-adjustment", "--postprocessing", "temperature", "--seed", "2")
    asked = ("run", *again(made, tmp_path, *ways, "--name", "both"))
    plan = json.loads(call(*asked, "--dry-run", "--json").stdout)
    assert [one["action"] for one in plan] == ["run", "run"]
    assert len({one["training_id"] for one in plan}) == 1
    done = call(*asked, "--json")
    assert done.exit_code == 0, done.output
    outcomes = json.loads(done.stdout)
    assert [one["status"] for one in outcomes] == ["done", "done"]
    assert [list(one["evaluations"]["test"]["options"])[1] for one in outcomes] == ["postprocessing"] * 2
    run = find_run(tmp_path / "results", "both-1")
    assert set(entries(run)) == {"logit-adjustment", "temperature"}
    assert len(entries(run, "validation")) == 1
    assert {one["name"] for one in outcomes} == {"both-1"}
    assert Verification.of(run).verdict == "whole"
    assert [one["reused"] for one in json.loads(call(*asked, "--json").stdout)] == [True, True]
    assert find_run(tmp_path / "results", "both-1").path == run.path


def test_a_finished_run_is_tested_in_other_ways_without_training(made, call, tmp_path):
    before = find_run(tmp_path / "results", "plain").load()
    done = call("evaluate", "plain", "--postprocessing", "temperature", "--json")
    assert done.exit_code == 0, done.stderr
    outcome = json.loads(done.stdout)
    run = find_run(tmp_path / "results", "plain")
    record = run.load()
    validation = run.predictions(entries(run, "validation")[""][0])
    logits, temperature = np.log(validation.probabilities), outcome["postprocessing"]["state"]["temperature"]
    nll = [
        -log_softmax(logits / t, axis=1)[range(len(logits)), validation.truth].mean()
        for t in (0.99 * temperature, temperature, 1.01 * temperature)
    ]
    assert nll[1] == min(nll)
    assert outcome["postprocessing"]["fitted"] == len(validation.ids)
    plain = run.predictions(entries(run)[""][0])
    given = run.predictions(outcome["evaluation"])
    np.testing.assert_allclose(given.probabilities, softmax(np.log(plain.probabilities) / temperature, 1), rtol=1e-5)
    assert outcome["evaluation"] not in before.evaluations
    assert record.identity == before.identity
    assert json.loads(call("evaluate", "plain", "--postprocessing", "temperature", "--json").stdout)["reused"]
    shown = call("evaluate", "plain", "--postprocessing", "temperature")
    assert f"post-processing: temperature (temperature {temperature:.4g})" in shown.stdout
    other = call("evaluate", "plain", "--postprocessing", "logit-adjustment", "--set", "postprocessing.tau=2.0")
    assert other.exit_code == 0, other.stderr
    assert {one.options.get("postprocessing.tau") for one in run.load().evaluations.values()} == {None, 2.0}
    assert Verification.of(run).verdict == "whole"


def test_fitting_looks_at_images_as_the_test_does(made, call, tmp_path):
    flip = ("--set", "evaluation.tta=flip")
    refused = call("evaluate", "plain", "--postprocessing", "temperature", *flip)
    assert refused.exit_code == 2
    run = find_run(tmp_path / "results", "plain").path.name
    assert f"ferbench evaluate {run} --split validation --set evaluation.tta=flip" in refused.stderr
    assert call("evaluate", "plain", "--split", "validation", *flip).exit_code == 0
    assert call("evaluate", "plain", "--postprocessing", "temperature", *flip).exit_code == 0


def test_the_same_run_with_other_postprocessing_is_evaluated_and_not_trained(made, call, tmp_path):
    run = find_run(tmp_path / "results", "plain")
    weights = (run.checkpoints / "best.safetensors").stat().st_mtime_ns
    done = call(*trained(made)[:-4], "--name", "plain", "--postprocessing", "temperature")
    assert done.exit_code == 0, done.stderr
    assert (run.checkpoints / "best.safetensors").stat().st_mtime_ns == weights
    assert set(entries(run)) == {"", "temperature"}
    assert len(fb.load_results(tmp_path / "results")) == 2
    assert Verification.of(run).verdict == "whole"


def test_leaderboard_and_report_say_what_was_done(call):
    assert call("evaluate", "plain", "--postprocessing", "temperature").exit_code == 0
    board = json.loads(call("leaderboard", "--format", "json", "--columns", "all").stdout)
    rows = board["groups"][0]["rows"]
    assert {row.get("evaluation.postprocessing") for row in rows} == {None, "temperature", "logit-adjustment"}
    assert call("report", "plain", "--output", "page.html").exit_code == 0
    assert "postprocessing temperature" in Path("page.html").read_text()
    assert "test, post-processing: logit-adjustment (tau 1)" in call("runs", "show", "adjusted").stdout


def test_a_recorded_recipe_asks_for_it_again(call, tmp_path):
    assert '[postprocessing]\nname = "logit-adjustment"' in recipe_toml(
        find_run(tmp_path / "results", "adjusted").load()
    )


def test_an_ensemble_is_of_predictions_processed_alike(made, call, tmp_path):
    refused = call("ensemble", "plain", "adjusted")
    assert refused.exit_code == 2
    assert "tested in unlike ways" in refused.stderr
    assert call("evaluate", "adjusted").exit_code == 0  # both have a plain test now
    assert call("ensemble", "plain", "adjusted").exit_code == 0


def test_a_plugin_of_ones_own_is_fitted_kept_and_loaded(made, call, tmp_path):
    plugin = ("--plugin", made / "centred.py")
    done = call(*trained(made)[:-4], "--seed", "7", "--name", "own", "--postprocessing", "centred", *plugin)
    assert done.exit_code == 0, done.stderr
    run = find_run(tmp_path / "results", "own")
    validation = run.predictions(entries(run, "validation")[""][0])
    _, entry = entries(run)["centred"]
    assert entry.postprocessing.state == {"means": pytest.approx(np.log(validation.probabilities).mean(0).tolist())}
    assert call("predict", "own", made / "home" / "test", *plugin).exit_code == 0
    lost = call("predict", "own", made / "home" / "test")
    assert "needs the postprocessing 'centred' of plugin 'centred', which is not loaded" in lost.stderr
    (made / "centred.py").write_text(PLUGIN + "\n# changed\n")
    changed = call("predict", "own", made / "home" / "test", *plugin)
    (made / "centred.py").write_text(PLUGIN)
    assert "postprocessing 'centred' has another source than when the run was tested" in changed.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--set", "postprocessing.tau=1.0"), "postprocessing.tau is an option of no postprocessing"),
        (("--postprocessing", "temperature", "--set", "data.fold=1/3"), "which are what a fold is tested on"),
        (("--postprocessing", "wide"), "gives an array of shape"),
        (("--postprocessing", "crowd"), "gives an image other probabilities alone than among others"),
        (("--postprocessing", "words"), "gives str, not an array of logits"),
        (("--postprocessing", "empty"), "gives logits that are not finite"),
        (("--postprocessing", "temperatur"), "did you mean"),
    ],
)
def test_what_cannot_be_is_said_before_the_training(made, call, tmp_path, flags, said):
    plugin = ("--plugin", made / "centred.py", "--seed", "9")
    done = call(*trained(made)[:-4], *plugin, *flags, "--name", "refused")
    assert done.exit_code == 2
    assert said in done.stderr.casefold() or said in done.stderr
    with pytest.raises(fb.UserError):
        find_run(tmp_path / "results", "refused")


def test_a_fold_may_be_adjusted_without_a_fit(made, call, tmp_path):
    flags = ("--postprocessing", "logit-adjustment", "--set", "data.fold=1/3", "--name", "folded")
    assert call(*trained(made)[:-4], *flags).exit_code == 0
    assert list(entries(find_run(tmp_path / "results", "folded"), "validation")) == ["logit-adjustment"]


def test_search_refuses_it(call, made):
    done = call(
        "tune", *trained(made)[1:-4], "--search", "postprocessing=temperature,logit-adjustment", "--trials", "2"
    )
    assert done.exit_code == 2
    assert "--search postprocessing: trials are compared on validation, where there is no post-proc" in done.stderr
    flagged = call("tune", *trained(made)[1:-4], "--postprocessing", "temperature", "--trials", "2")
    assert flagged.stderr.startswith("error: --postprocessing: trials are compared on validation")


def test_python_says_it_too(made, tmp_path):
    shutil.copytree(made / "results", tmp_path / "results")
    run = fb.load_run("plain", tmp_path / "results")
    done = fb.evaluate(run, postprocessing="temperature", cache=made / "cache")
    assert done.record.postprocessing.name == "temperature"
    frame = fb.load_results(tmp_path / "results").frame()
    assert "evaluation.postprocessing" in frame.columns
