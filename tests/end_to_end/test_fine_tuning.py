"""Runs that start from a file of weights, learn valence and arousal, or train the head alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors import safe_open

FACES = ("dataset.size=16", "dataset.train=70", "dataset.test=14", "data.image_size=16", "training.epochs=1")
NET = ("model.widths=[4,4,4,4]", "model.units=8")


@pytest.fixture
def run(ferbench_cli, tmp_path):
    """``run("model.affect=true")`` trains a tiny cnn4 on rendered faces and gives its outcome."""

    def call(*sets: str, results: str = "results") -> dict:
        flags = [part for one in (*FACES, *NET, *sets) for part in ("--set", one)]
        places = ("--results", tmp_path / results, "--cache", tmp_path / "cache")
        finished = ferbench_cli("run", "--model", "cnn4", *flags, *places, "--json")
        assert finished.exit_code == 0, finished.stderr
        (outcome,) = json.loads(finished.stdout)
        return {**outcome, "stderr": finished.stderr}

    return call


def checkpoint(outcome: dict) -> Path:
    return Path(outcome["directory"]) / "checkpoints" / "best.safetensors"


def tensors(path: Path) -> dict:
    with safe_open(path, "np") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def test_weights_are_known_by_their_content(run, tmp_path):
    source = checkpoint(run())
    for name in ("one", "two"):
        shutil.copy(source, tmp_path / f"{name}.safetensors")
    first = run(f"model.weights={tmp_path}/one.safetensors")
    moved = run(f"model.weights={tmp_path}/two.safetensors")
    assert moved["reused"]
    assert moved["training_id"] == first["training_id"]
    shutil.copy(checkpoint(first), tmp_path / "one.safetensors")
    changed = run(f"model.weights={tmp_path}/one.safetensors")
    assert not changed["reused"]
    assert changed["config_id"] != first["config_id"]


def test_a_frozen_backbone_is_that_of_the_file_and_the_run_outlives_the_file(run, ferbench_cli, tmp_path):
    source = tmp_path / "start.safetensors"
    shutil.copy(checkpoint(run()), source)
    outcome = run(
        f"model.weights={source}", "model.freeze=backbone", "training.norm_batches=1", "training.head_lr_factor=10"
    )
    before, after = tensors(source), tensors(checkpoint(outcome))
    changed = {key for key in before if (before[key] != after[key]).any()}
    assert changed
    assert all(key.startswith("heads.") for key in changed)
    source.unlink()
    picture = tmp_path / "face.png"
    from PIL import Image

    Image.new("L", (16, 16), 100).save(picture)
    predicted = ferbench_cli("predict", outcome["run"], picture, "--results", tmp_path / "results")
    assert predicted.exit_code == 0, predicted.stderr


def test_an_affect_head_leaves_its_predictions(run):
    import numpy as np

    outcome = run("model.affect=true")
    directory = Path(outcome["directory"]) / "evaluations" / outcome["evaluations"]["test"]["id"][3:15]
    with np.load(directory / "predictions.npz", allow_pickle=False) as predictions:
        assert predictions["affect"].shape == predictions["affect_truth"].shape == (14, 2)


def test_the_heads_rate_is_in_the_history(run):
    outcome = run("training.head_lr_factor=10", "optimizer.lr=0.001", "training.decay_all=false")
    (line,) = (Path(outcome["directory"]) / "history.jsonl").read_text().splitlines()
    assert sorted(set(json.loads(line)["learning_rates"])) == pytest.approx([0.001, 0.01])


def test_the_number_of_channels_can_be_set(run):
    outcome = run("data.channels=3")
    assert tensors(checkpoint(outcome))["backbone.0.0.weight"].shape == (4, 3, 3, 3)


def test_weights_that_were_put_in_place_of_the_tested_ones_are_not_used(run, ferbench_cli, tmp_path):
    import torch
    from PIL import Image

    from ferbench.runs.saved import read_about
    from ferbench.training.checkpoints import save_weights

    outcome = run()
    best = checkpoint(outcome)
    about = {key: read_about(best.parent, "best")[key] for key in ("epoch", "select", "value")}
    other = {key: value + 1 for key, value in tensors(best).items()}

    class Other(torch.nn.Module):
        def state_dict(self):
            return {key: torch.as_tensor(value) for key, value in other.items()}

    save_weights(best.parent, "best", Other(), about)  # whole, with a digest of its own
    picture = tmp_path / "face.png"
    Image.new("L", (16, 16), 100).save(picture)
    for command in (
        ("predict", outcome["run"], picture),
        ("evaluate", outcome["run"], "--set", "evaluation.tta=flip", "--cache", tmp_path / "cache"),
        ("run", "--from", f"{outcome['run']}@best", "--cache", tmp_path / "cache"),
    ):
        refused = ferbench_cli(*command, "--results", tmp_path / "results")
        assert refused.exit_code == 2, command
        assert "other weights than those that run.json says" in refused.stderr
