"""All features of the loop together, and components that only a whole run shows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

FACES = ("--dataset", "synthetic-faces", "--set", "dataset.size=24", "--set", "dataset.train=140")
TINY = (
    *FACES,
    "--set",
    "dataset.test=35",
    "--set",
    "data.image_size=16",
    "--set",
    "model.width=4",
    "--quiet",
    "--json",
)
EVERYTHING = {
    "loss.name": "focal",
    "sampler.name": "adaptive",
    "augmentation.name": "crop-jitter-erase",
    "optimizer.name": "timm",
    "optimizer.lr": 0.002,
    "schedule.name": "cosine",
    "schedule.warmup": 0.5,
    "training.epochs": 4,
    "training.batch_size": 16,
    "training.accumulate": 2,
    "training.mixup": 0.2,
    "training.cutmix": 1.0,
    "training.mix_probability": 0.8,
    "training.clip_norm": 1.0,
    "training.ema": 0.9,
    "training.norm_batches": 2,
    "training.start_size": 8,
    "training.precision": "bf16",
    "training.patience": 2,
    "training.select": "kappa",
    "evaluation.tta": "ten-crop",
    "runtime.device": "cpu",
}


@pytest.fixture
def run(ferbench_cli, tmp_path):
    """``run(settings, results)`` gives the outcome and the directory of a tiny run on rendered faces."""

    def call(settings: dict, results: str = "results") -> tuple[dict, Path]:
        sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        places = ("--results", tmp_path / results, "--cache", tmp_path / "cache")
        finished = ferbench_cli("run", *TINY, *sets, *places)
        assert finished.exit_code == 0, finished.stderr
        (outcome,) = json.loads(finished.stdout)
        return outcome, Path(outcome["directory"])

    return call


def history(directory: Path) -> list[dict]:
    return [json.loads(line) for line in (directory / "history.jsonl").read_text().splitlines()]


def test_everything_at_once_gives_the_same_bits_twice(run):
    (first, one), (second, other) = run(EVERYTHING, "first"), run(EVERYTHING, "second")
    assert first["training_id"] == second["training_id"]
    weights = [(d / "checkpoints" / "best.safetensors").read_bytes() for d in (one, other)]
    assert weights[0] == weights[1]
    assert first["evaluations"]["test"]["metrics"] == second["evaluations"]["test"]["metrics"]
    epochs = history(one)
    assert 1 <= len(epochs) <= 4
    assert [epoch["image_size"] for epoch in epochs] == [8, 8, 12, 16][: len(epochs)]
    assert epochs[0]["sampler"]["focus"] == []
    validated = json.loads((one / "run.json").read_text())["data"]["counts"]["validation"]
    known = {name: f1 for name, f1 in epochs[0]["validation"]["f1"].items() if validated[name]}
    assert set(epochs[1]["sampler"]["focus"]) == set(sorted(known, key=lambda name: known[name])[:2])
    assert {"kappa", "alpha", "log_loss", "expression"} <= set(epochs[0]["validation"])


def test_the_weights_that_are_kept_and_tested_are_those_that_were_validated(run):
    """Averages of weights, not the weights that training goes on with."""
    settings = {"training.ema": 0.9, "training.epochs": 3, "training.batch_size": 16, "optimizer.lr": 0.02}
    outcome, directory = run(settings)
    best = history(directory)[outcome["training"]["best_epoch"] - 1]
    assert best["best"]
    kept = outcome["evaluations"]["validation"]["metrics"]
    for name in ("loss", "macro_f1", "log_loss"):
        assert kept[name] == pytest.approx(best["validation"][name], rel=1e-6)


@pytest.mark.parametrize("loss", ["weighted-cross-entropy", "soft-cross-entropy"])
def test_every_loss_trains(run, loss):
    outcome, directory = run({"loss.name": loss, "training.epochs": 1, "model.name": "basic-cnn"})
    assert np.isfinite(outcome["evaluations"]["test"]["metrics"]["loss"])
    assert "expression" in history(directory)[0]["train"]


AFFECT_MODEL = """
import torch
import ferbench

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("feeling", build="feeling:feeling", image_size=16, affect=True)

class Feeling(torch.nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.head = torch.nn.Linear(256, classes + 2)
    def forward(self, images):
        features = self.head(images.flatten(1))
        return ferbench.Outputs(features[:, 2:], features[:, :2].tanh())

def feeling(task, *, width: int = 4):
    return Feeling(task.num_classes)
"""


def test_multi_task_learning_records_valence_and_arousal_from_the_first_epoch_to_the_test(ferbench_cli, tmp_path):
    (tmp_path / "feeling.py").write_text(AFFECT_MODEL)
    finished = ferbench_cli(
        "run",
        *TINY,
        "--plugin",
        "feeling.py",
        "--model",
        "feeling",
        "--loss",
        "multi-task",
        "--set",
        "training.epochs=2",
        "--set",
        "training.select=valence_ccc",
        "--results",
        tmp_path / "results",
        "--cache",
        tmp_path / "cache",
    )
    assert finished.exit_code == 0, finished.stderr
    (outcome,) = json.loads(finished.stdout)
    for epoch in history(Path(outcome["directory"])):
        assert {"loss", "expression", "valence", "arousal"} <= set(epoch["train"])
        assert {"valence", "valence_rmse", "arousal_ccc"} <= set(epoch["validation"])
    metrics = outcome["evaluations"]["test"]["metrics"]
    assert {"valence_ccc", "valence_sagr", "arousal_r2"} <= set(metrics)
    assert metrics["valence_n"] == 35
    assert outcome["training"]["select"] == "valence_ccc"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("loss.name=multi-task", "needs a model that predicts valence and arousal"),
        ("loss.name=weighted-cross-entropy loss.weights={joy=2.0}", "loss.weights: there is no class 'joy'"),
        ("sampler.name=weighted sampler.emphasis={joy=2.0}", "sampler.emphasis: there is no class 'joy'"),
        ("optimizer.name=timm optimizer.algorithm=adamq", "timm has no optimiser 'adamq'"),
        ("schedule.name=cosine schedule.warmup=99", "takes all"),
        ("training.select=valence_ccc", "training.select = 'valence_ccc' needs"),
    ],
)
def test_a_component_that_does_not_fit_is_refused_before_a_run_begins(ferbench_cli, tmp_path, setting, message):
    sets = [part for one in setting.split() for part in ("--set", one)]
    places = ("--results", tmp_path / "results", "--cache", tmp_path / "cache")
    finished = ferbench_cli("run", *TINY, *sets, *places)
    assert finished.exit_code == 2
    assert message in finished.stderr
    assert not (tmp_path / "results" / "runs").exists() or not list((tmp_path / "results" / "runs").glob("*/run.json"))


def test_a_model_for_images_of_one_size_is_not_trained_on_growing_ones(ferbench_cli, tmp_path):
    places = ("--results", tmp_path / "results", "--cache", tmp_path / "cache")
    finished = ferbench_cli(
        "run", *FACES, "--model", "linear", "--set", "data.image_size=16", "--set", "training.start_size=8", *places
    )
    assert finished.exit_code == 2
    assert "model 'linear' takes no images of 8×8, as training.start_size asks" in finished.stderr
    assert "resnet9" in finished.stderr
