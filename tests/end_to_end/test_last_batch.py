"""Batches that do not fit the epoch: one image left over, or more asked for than there are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("angry", "happy", "sad")
#: At this size its last batch norms see one value per channel of an image.
RESNET9 = ("--model", "resnet9", "--set", "data.image_size=16", "--set", "training.epochs=1")
LINEAR = ("--model", "linear", "--set", "data.image_size=8", "--set", "training.epochs=1")


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """33 images to train on."""
    root = tmp_path_factory.mktemp("faces")
    generator = np.random.default_rng(0)
    for split, count in (("train", 11), ("validation", 4), ("test", 4)):
        for k, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = (generator.integers(0, 120, (16, 16)) + 60 * k).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i:02}.png")
    return root


@pytest.fixture
def run(ferbench_cli, faces, tmp_path):
    """``run(*args)`` on the folders above, with results and cache below ``tmp_path``."""

    def call(*args):
        places = ("--data", faces, "--results", tmp_path / "results", "--cache", tmp_path / "cache")
        return ferbench_cli("run", "--dataset", "folder", *places, "--no-report", "--quiet", *args)

    return call


def record_in(tmp_path: Path) -> dict:
    (path,) = (tmp_path / "results" / "runs").glob("*/run.json")
    return json.loads(path.read_text())


def test_one_image_more_than_whole_batches_is_trained_by_a_network_with_batch_norm(run, tmp_path):
    finished = run(*RESNET9, "--set", "training.batch_size=16")
    assert finished.exit_code == 0, finished.stderr
    record = record_in(tmp_path)
    assert record["status"] == "done"
    assert record["training"]["last_batch"] == 17
    assert record["identity"]["covers"]["last_batch"] == "joined"


def test_where_a_rest_is_larger_nothing_is_recorded(run, tmp_path):
    assert run(*LINEAR, "--set", "training.batch_size=31").exit_code == 0
    assert "last_batch" not in record_in(tmp_path)["training"]


@pytest.mark.parametrize("flags", [(), ("--dry-run",)], ids=["run", "plan"])
def test_single_images_are_refused_for_a_network_with_batch_norm_before_anything_is_written(run, tmp_path, flags):
    finished = run(*RESNET9, "--set", "training.batch_size=1", *flags)
    assert finished.exit_code == 2
    assert "model 'resnet9' cannot train on one image at a time" in finished.stderr
    assert "training.batch_size to 2 or more" in finished.stderr
    assert not list(tmp_path.glob("results/runs/*/run.json"))


def test_single_images_train_a_network_without_batch_norm(run, tmp_path):
    finished = run(*LINEAR, "--set", "training.batch_size=1")
    assert finished.exit_code == 0, finished.stderr
    assert record_in(tmp_path)["status"] == "done"


def test_a_batch_of_two_on_two_devices_is_planned(run):
    """Each has one image, which the one that is timed alone could not train on."""
    finished = run(*RESNET9, "--set", "training.batch_size=2", "--devices", "2", "--dry-run")
    assert finished.exit_code == 0, finished.stderr


SINGLE = "but an epoch has 33 training samples: each epoch is a single update"


@pytest.mark.parametrize("flags", [(), ("--dry-run",), ("--dry-run", "--json")], ids=["run", "plan", "json"])
def test_a_batch_larger_than_an_epoch_is_said_in_one_line(run, flags):
    finished = run(*LINEAR, "--set", "training.batch_size=1000000", "--seed", "0", "--seed", "1", *flags)
    assert finished.exit_code == 0, finished.stderr
    (line,) = [line for line in finished.stderr.splitlines() if "warning" in line]
    assert line.startswith(f"warning: training.batch_size = 1,000,000, {SINGLE}")


def test_accumulated_batches_count_together(run):
    finished = run(*LINEAR, "--set", "training.batch_size=17", "--set", "training.accumulate=2", "--dry-run")
    assert f"training.batch_size × training.accumulate = 34, {SINGLE}" in finished.stderr


@pytest.mark.parametrize("settings", ["training.batch_size=33", "training.epochs=0"])
def test_a_batch_that_an_epoch_fills_or_that_is_not_trained_is_not_warned_of(run, settings):
    finished = run(*LINEAR, "--set", "training.batch_size=34", "--set", settings, "--dry-run")
    assert finished.exit_code == 0, finished.stderr
    assert "warning" not in finished.stderr


def test_a_run_that_is_there_already_is_not_warned_of(run):
    asked = (*LINEAR, "--set", "training.batch_size=64")
    assert SINGLE in run(*asked).stderr
    assert SINGLE not in run(*asked).stderr
