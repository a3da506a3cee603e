"""Runs whose optimiser computes gradients itself, by a closure."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from shared_runs import arguments, command, ended, history, only_run, record_of

from ferbench.runs.directory import RunDirectory
from ferbench.runs.verify import Verification
from ferbench.training.interruption import Interrupted
from ferbench.training.saving import RunSaver

PLUGIN = ("--plugin", str(Path(__file__).with_name("closures.py")))

#: Batch norm, dropout, accumulation, clipping, an average of weights and a schedule.
SAM = arguments(
    "dataset.train=81",
    "optimizer.name=sam",
    "optimizer.base=adam",
    "optimizer.lr=0.01",
    "optimizer.rho=0.2",
    "schedule.name=cosine",
    "model.dropout=0.3",
    "training.epochs=3",
    "training.accumulate=2",
    "training.mixup=0.2",
    "training.ema=0.9",
    "training.clip_norm=0.5",
    "runtime.checkpoint_every=1",
)
#: Long enough to be stopped, and nothing that devices draw apart.
EXACT = [
    *SAM,
    *(part for each in ("model.dropout=0", "optimizer.base=sgd", "training.epochs=4") for part in ("--set", each)),
]
LBFGS = [
    *arguments("dataset.train=81", "training.epochs=2", "training.accumulate=2", "runtime.checkpoint_every=1"),
    *PLUGIN,
    "--optimizer",
    "lbfgs",
]


def weights(run: Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(run / "checkpoints" / "best.safetensors")


def done(args: list[str], results: Path, cache: Path) -> Path:
    result = ended(args, results, cache)
    assert result.exit_code == 0, result.output
    return only_run(results)


@pytest.mark.parametrize("args", [SAM, LBFGS], ids=["sam", "lbfgs"])
def test_a_run_that_was_stopped_at_a_random_step_ends_with_the_same_bits(args, tmp_path, cache, monkeypatch):
    whole = done(args, tmp_path / "whole", cache)
    saves, real = 0, RunSaver._save

    def count(self, training):
        nonlocal saves
        saves += 1
        real(self, training)

    def stop(self, training):
        nonlocal saves
        real(self, training)
        saves -= 1
        if not saves:
            raise Interrupted(15)

    with monkeypatch.context() as patched:
        patched.setattr(RunSaver, "_save", count)
        done(args, tmp_path / "counted", cache)
    saves = random.randrange(1, saves)
    print("stopped at the checkpoint", saves)
    with monkeypatch.context() as patched:
        patched.setattr(RunSaver, "_save", stop)
        assert ended(args, tmp_path / "torn", cache).exit_code != 0
    torn = done(args, tmp_path / "torn", cache)
    assert len(record_of(torn)["resumed"]) == 1
    assert history(torn) == history(whole)
    one, other = ((run / "checkpoints" / "best.safetensors").read_bytes() for run in (torn, whole))
    assert one == other
    assert Verification.of(RunDirectory(torn)).verdict == "whole"


@pytest.fixture(scope="module")
def two(tmp_path_factory, cache) -> Path:
    return done([*EXACT, "--devices", "2"], tmp_path_factory.mktemp("two"), cache)


def test_two_devices_learn_what_one_does(two, tmp_path, cache):
    same(weights(two), weights(done(EXACT, tmp_path, cache)))


def test_two_devices_search_along_the_same_line_as_one(tmp_path, cache):
    args = [*LBFGS, "--set", "training.epochs=1"]
    one, two = done(args, tmp_path / "one", cache), done([*args, "--devices", "2"], tmp_path / "two", cache)
    same(weights(two), weights(one))


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-3, err_msg=name)


def test_a_run_on_two_devices_that_was_stopped_ends_with_the_same_bits(two, tmp_path, cache):
    process = subprocess.Popen(
        command([*EXACT, "--devices", "2"], tmp_path, cache),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    next(line for line in process.stderr if line.startswith("epoch "))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    torn = done([*EXACT, "--devices", "2"], tmp_path, cache)
    assert len(record_of(torn)["resumed"]) == 1
    assert history(torn) == history(two)
    one, other = ((run / "checkpoints" / "best.safetensors").read_bytes() for run in (torn, two))
    assert one == other


def test_groups_and_schedule_are_those_of_any_optimiser(tmp_path, cache):
    args = arguments("training.epochs=2", "training.head_lr_factor=10", "training.decay_all=false", model="cnn4")
    rule = ("optimizer.name=asam", "optimizer.lr=0.01", "optimizer.weight_decay=0.1", "schedule.name=exponential")
    run = done(
        [
            *args,
            *(part for each in (*rule, "schedule.staircase=true", "schedule.decay=0.1") for part in ("--set", each)),
        ],
        tmp_path,
        cache,
    )
    first, second = (epoch["learning_rates"] for epoch in history(run))
    assert sorted(first) == pytest.approx([0.01, 0.01, 0.1, 0.1])
    assert second == pytest.approx([rate / 10 for rate in first])


def test_a_loss_of_several_views_is_computed_anew_at_the_moved_weights(tmp_path, cache):
    args = arguments("loss.name=consistent", "training.epochs=1", "optimizer.lr=0.01", "optimizer.name=sam")
    run = done(args, tmp_path, cache)
    assert history(run)[0]["train"]["loss"] > 0


def refused(args: list[str], results: Path, cache: Path) -> list[str]:
    result = ended([*arguments("training.epochs=1"), *PLUGIN, *args], results, cache)
    assert result.exit_code == 2, result.output
    return result.stderr.strip().splitlines()[-2:]


def test_a_rule_that_does_not_say_that_it_needs_a_closure_is_refused_before_anything_is_written(tmp_path, cache):
    message, remedy = refused(["--optimizer", "undeclared"], tmp_path, cache)
    assert message.startswith("error: optimizer 'undeclared' of plugin 'closures'")
    assert message.endswith("needs a closure, and does not say so")
    assert remedy == "  → set closure=True in its ferbench.OptimizerSpec"
    assert not list(tmp_path.glob("runs/*/run.json"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("asks-late", "needs a closure, and does not say so"),
        ("never", "does not call its closure, so that there is no gradient"),
    ],
)
def test_what_shows_at_the_first_step_is_refused_there(name, said, tmp_path, cache):
    assert refused(["--optimizer", name], tmp_path, cache)[0].endswith(said)


def test_a_run_whose_second_gradients_are_not_numbers_ends_as_one_that_has_diverged(tmp_path, cache):
    result = ended([*arguments("training.epochs=2"), *PLUGIN, "--optimizer", "to-nowhere"], tmp_path, cache)
    assert result.exit_code == 1, result.output
    record = record_of(only_run(tmp_path))
    assert record["status"] == "diverged"
    assert "loss became nan in epoch 1" in record["error"]["message"]
