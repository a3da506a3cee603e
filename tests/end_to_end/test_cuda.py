"""Runs on a GPU, through the command line: every built-in component, the same bits twice, and the CPU's answers.

Skipped without one.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ferbench import Task
from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.plugin.discovery import load_registry
from ferbench.training.interruption import Interrupted
from ferbench.training.mixing import Mixing
from ferbench.training.saving import RunSaver
from ferbench.training.step import Stepper
from ferbench_builtin.augmentations.presets import crop_jitter_erase
from ferbench_builtin.losses.multi_task import multi_task
from ferbench_builtin.models.resnet9 import resnet9
from ferbench_builtin.optimizers.adamw import adamw

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SMALL = {
    "dataset.size": 24,
    "dataset.train": 96,
    "dataset.test": 28,
    "data.image_size": 24,
    "training.epochs": 2,
    "training.batch_size": 32,
    "runtime.device": "cuda",
    "runtime.checkpoint_every": 2,
}
EVERYTHING = {
    "training.mixup": 0.2,
    "training.cutmix": 1.0,
    "training.ema": 0.9,
    "training.accumulate": 2,
    "training.clip_norm": 1.0,
    "training.norm_batches": 2,
    "evaluation.tta": "ten-crop",
}
MODELS = {
    "linear": {},
    "basic-cnn": {},
    "cnn4": {"model.widths": [4, 4, 4, 4], "model.units": 8},
    "resnet9": {"model.width": 4, "model.grid": 2, "data.image_size": 40},
    "resnet18-small": {},
    "vggnet-fer": {"model.units": 16, "data.image_size": 48},
    "resnet18": {"model.weights": "none", "data.image_size": 32},
    "efficientnet-b0": {"model.weights": "none", "data.image_size": 32},
    "resnet34": {"model.weights": "none", "data.image_size": 32},
    "resnet50": {"model.weights": "none", "data.image_size": 32},
    "vit-tiny": {"model.weights": "none", "data.image_size": 32},
    "vit-small": {"model.weights": "none", "data.image_size": 32},
    "timm": {"model.backbone": "resnet10t", "data.image_size": 32},
    "dan": {"model.reduction": 8, "model.attentions": 2, "data.image_size": 32},
    "poster-like": {"model.width": 32, "model.depth": 2},
}
CHOICES = [
    *(("loss", name, {}) for name in ("cross-entropy", "weighted-cross-entropy", "focal", "soft-cross-entropy")),
    ("loss", "multi-task", {"model.affect": "true"}),
    *(("loss", name, {}) for name in ("balanced-softmax", "class-balanced-focal", "logit-adjusted", "multi-target")),
    *(("loss", name, {}) for name in ("generalised-cross-entropy", "symmetric-cross-entropy", "poly", "elr")),
    *(("loss", name, {}) for name in ("centre", "island", "scn", "rul", "supervised-contrastive")),
    *(("loss", name, {"model.head": "cosine"}) for name in ("arcface", "cosface", "ldam")),
    *(("loss", name, {"training.teacher": "ema"}) for name in ("distillation", "mean-teacher")),
    ("loss", "eac", {"model.units": 0, "model.pool": "mean"}),
    ("loss", "dan", {}),
    *(("sampler", name, {}) for name in ("shuffled", "balanced", "weighted", "adaptive", "adaptive-smooth")),
    *(("sampler", name, {}) for name in ("class-batches", "hard-examples", "self-paced")),
    *(("augmentation", name, {}) for name in ("none", "standard", "shifted", "crop-jitter", "crop-jitter-erase")),
    *(("optimizer", name, {}) for name in ("adam", "adamw", "sgd", "sam", "asam")),
    *(
        ("optimizer", "timm", {"optimizer.algorithm": name, "optimizer.lr": 1e-3})
        for name in ("nadamw", "lion", "lamb")
    ),
    *(("schedule", name, {}) for name in ("constant", "cosine", "cosine-restarts", "exponential", "linear")),
    *(("schedule", name, {"schedule.warmup": 0.5}) for name in ("one-cycle", "plateau", "step")),
]
#: Of what needs more than `basic-cnn` gives.
MODEL_OF = {"eac": "cnn4", "dan": "dan"}


@pytest.fixture
def train(ferbench_cli):
    """``train("resnet9", {"training.ema": 0.9})`` gives the run's record; its directory is under ``results``."""

    def call(model: str, sets: dict[str, object] | None = None, *more: str, results: str = "results") -> dict:
        settings = SMALL | MODELS[model] | (sets or {})
        changes = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        places = ("--results", results, "--cache", "cache", "--no-report", "--quiet")
        done = ferbench_cli("run", "--model", model, *changes, *more, *places, "--json")
        assert done.exit_code == 0, done.stderr
        (path,) = Path(results, "runs").glob("*/run.json")
        record = json.loads(path.read_text())
        assert record["status"] == "done"
        assert record["environment"]["device"] == "cuda"
        return record

    return call


@pytest.mark.parametrize("model", MODELS)
def test_each_model_trains_and_is_tested(train, model):
    train(model)


@pytest.mark.parametrize(("kind", "name", "sets"), CHOICES, ids=lambda one: one if isinstance(one, str) else "")
def test_each_other_component_takes_part(train, kind, name, sets):
    train(MODEL_OF.get(name, "basic-cnn"), sets, f"--{kind}", name)


def test_no_built_in_component_is_left_out():
    built_in = {(one.kind, one.name) for one in load_registry().components() if one.distribution == "ferbench"}
    tried = {("model", name) for name in MODELS} | {(kind, name) for kind, name, _ in CHOICES}
    kinds = {kind for kind, _ in tried}
    assert {one for one in built_in if one[0] in kinds} == tried


def test_images_that_grow_and_flipped_views_take_part(train):
    train("resnet9", {"training.start_size": 20, "evaluation.tta": "flip"})


def test_an_update_never_waits_for_the_device():
    """Colour images, mixed, augmented in every way and normalised; into a network with its head, by fused AdamW."""
    device = torch.device("cuda")
    task = Task(("angry", "happy", "sad"), 3, 24, 24, (8, 8, 8), has_affect=True)
    rng = np.random.default_rng(0)
    truth = Truth(np.arange(24) % 3, None, rng.uniform(-1, 1, (24, 2)).astype(np.float32))
    shape = InputShape(3, (24, 24), (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    pixels = rng.integers(0, 256, (24, 3, 24, 24), dtype=np.uint8)
    batches = Batches(pixels, np.arange(24), truth, shape, device)
    model = resnet9(task, width=4, grid=2, stem_stride=1, affect=True).to(device, memory_format=torch.channels_last)
    stepper = Stepper(model, multi_task(task, affect="ccc"), adamw(list(model.parameters())), device, clip_norm=1.0)
    mixing = Mixing(mixup=0.2, cutmix=1.0, probability=1.0, classes=3)

    def epoch(number: int) -> None:
        augment = crop_jitter_erase(task)
        for batch in batches.training(np.arange(24), 8, augment, seed=0, epoch=number, mix=mixing):
            stepper.step([batch])

    epoch(1)  # the first makes handles and states
    torch.cuda.set_sync_debug_mode("error")
    try:
        epoch(2)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_everything_at_once_gives_the_same_bits_twice(train, precision):
    first, second = (
        train("resnet9", EVERYTHING | {"training.precision": precision}, results=results) for results in ("a", "b")
    )
    assert first["training"]["weights_sha256"] == second["training"]["weights_sha256"]


def test_a_run_that_was_stopped_ends_with_the_bits_of_one_that_was_not(train, ferbench_cli, monkeypatch):
    whole = train("resnet9", EVERYTHING | {"training.precision": "fp16"}, results="whole")
    real = RunSaver.batch_done

    def stop(self, training):
        real(self, training)
        if training.at.epoch == 2:
            self._save(training)
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "batch_done", stop)
    with pytest.raises(AssertionError):
        train("resnet9", EVERYTHING | {"training.precision": "fp16"}, results="stopped")
    monkeypatch.setattr(RunSaver, "batch_done", real)
    resumed = train("resnet9", EVERYTHING | {"training.precision": "fp16"}, results="stopped")
    assert resumed["resumed"]
    assert resumed["training"]["weights_sha256"] == whole["training"]["weights_sha256"]


def test_the_cpu_gives_the_same_probabilities_with_the_same_weights(train, ferbench_cli, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    train("resnet9")
    (weights,) = Path("results/runs").glob("*/checkpoints/best.safetensors")
    answers = {}
    for device in ("cuda", "cpu"):
        sets = SMALL | MODELS["resnet9"] | {"model.weights": weights, "training.epochs": 0, "runtime.device": device}
        changes = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
        places = ("--results", device, "--cache", "cache", "--no-report", "--quiet")
        done = ferbench_cli("run", "--model", "resnet9", *changes, *places)
        assert done.exit_code == 0, done.stderr
        archives = [np.load(path) for path in Path(device).glob("runs/*/evaluations/*/predictions.npz")]
        (answers[device],) = [archive["probabilities"] for archive in archives if len(archive["ids"]) == 28]
    np.testing.assert_allclose(answers["cuda"], answers["cpu"], atol=1e-4)
