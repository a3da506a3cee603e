"""Stopping a run, and two at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferbench.training import run
from ferbench.training.saving import RunSaver

ARGS = ["run", "--model", "linear", "--set", "training.epochs=100000", "--set", "data.image_size=16"]
ARGS += ["--set", "dataset.size=24", "--set", "dataset.train=140", "--set", "dataset.test=35", "--cache", "cache"]


@pytest.fixture
def started(tmp_path: Path):
    """A run that has finished its first epoch and would go on for long."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "from ferbench.cli import main; main()", *ARGS],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch "):
            break
    yield process
    process.kill()
    process.wait()


def test_ctrl_c_ends_a_run_as_interrupted(started, tmp_path):
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted: the same command goes on with run" in errors
    (path,) = tmp_path.glob("results/runs/*/run.json")
    record = json.loads(path.read_text())
    assert record["status"] == "interrupted"
    assert (path.parent / "history.jsonl").read_text().splitlines()


def test_a_second_process_keeps_off_a_run(started, ferbench_cli):
    finished = ferbench_cli(*ARGS)
    assert finished.exit_code == 2
    assert "another process is at work on run" in finished.stderr
    assert started.poll() is None


EVERYTHING = {
    "model.name": "basic-cnn",
    "data.image_size": "16",
    "dataset.size": "24",
    "dataset.train": "140",
    "dataset.test": "35",
    "loss.name": "focal",
    "sampler.name": "adaptive-smooth",
    "optimizer.name": "adamw",
    "schedule.name": "plateau",
    "schedule.warmup": "1",
    "training.epochs": "4",
    "training.batch_size": "8",
    "training.accumulate": "2",
    "training.mixup": "0.2",
    "training.ema": "0.9",
    "training.clip_norm": "1.0",
    "training.precision": "bf16",
    "training.norm_batches": "2",
    "training.patience": "9",
    "runtime.checkpoint_every": "4",
    "runtime.threads": "1",
}
EVERYTHING_ARGS = ["run", *(part for key, value in EVERYTHING.items() for part in ("--set", f"{key}={value}"))]
EVERYTHING_ARGS += ["--cache", "cache", "--no-report"]


def start(results: Path, tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-c",
            "from ferbench.cli import main; main()",
            *EVERYTHING_ARGS,
            "--results",
            str(results),
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ,
    )


def outcome(results: Path) -> tuple[bytes, list, list, dict]:
    """Best weights, history without timings, predictions and record of the only run."""
    (path,) = results.glob("runs/*/run.json")
    record = json.loads(path.read_text())
    history = [json.loads(line) for line in (path.parent / "history.jsonl").read_text().splitlines()]
    for epoch in history:
        epoch.pop("seconds"), epoch.pop("images_per_second")
    predictions = []
    for file in sorted(path.parent.glob("evaluations/*/predictions.npz")):
        with np.load(file, allow_pickle=False) as arrays:
            predictions.append({name: arrays[name].tolist() for name in sorted(arrays)})
    return (path.parent / "checkpoints" / "best.safetensors").read_bytes(), history, predictions, record


@pytest.mark.slow
def test_a_run_that_was_terminated_and_killed_ends_with_the_same_bits(tmp_path, ferbench_cli):
    whole = ferbench_cli(*EVERYTHING_ARGS, "--results", "whole", "--quiet")
    assert whole.exit_code == 0, whole.stderr

    results = tmp_path / "torn"
    terminated = start(results, tmp_path)
    for line in terminated.stderr:
        if line.startswith("epoch "):
            terminated.send_signal(signal.SIGTERM)
            break
    _, errors = terminated.communicate(timeout=60)
    assert terminated.returncode == 143, errors
    assert "Traceback" not in errors
    assert outcome_status(results) == "interrupted"

    killed = start(results, tmp_path)
    for line in killed.stderr:
        if line.startswith("epoch "):
            killed.kill()
            break
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert outcome_status(results) == "running"

    last = ferbench_cli(*EVERYTHING_ARGS, "--results", results)
    assert last.exit_code == 0, last.stderr
    assert "resumed at epoch" in last.stderr
    (weights, history, predictions, record), expected = outcome(results), outcome(tmp_path / "whole")
    assert history == expected[1]
    assert predictions == expected[2]
    assert weights == expected[0]
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4]
    assert len(record["resumed"]) == 2
    assert record["training"]["weights_sha256"] == expected[3]["training"]["weights_sha256"]


def outcome_status(results: Path) -> str:
    (path,) = results.glob("runs/*/run.json")
    return json.loads(path.read_text())["status"]


@pytest.mark.parametrize("norms", [0, 2])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_signal_in_a_validation_acts_there_and_loses_nothing(epoch, norms, ferbench_cli, monkeypatch, tmp_path):
    """With 2, within the estimate of the statistics of batch norms that comes before it."""
    small = {**EVERYTHING, "training.epochs": "2", "training.norm_batches": norms, "runtime.checkpoint_every": "0"}
    args = ["run", *(part for key, value in small.items() for part in ("--set", f"{key}={value}"))]
    args += ["--cache", "cache", "--no-report"]
    whole = ferbench_cli(*args, "--results", "whole", "--quiet")
    assert whole.exit_code == 0, whole.stderr
    asked = []

    class Stopped(RunSaver):
        def validating(self, training):
            if training.at.epoch == epoch:
                asked.append(training.at.batches)
                if len(asked) == 2 or not norms:
                    os.kill(os.getpid(), signal.SIGTERM)
            super().validating(training)

    monkeypatch.setattr(run, "RunSaver", Stopped)
    assert ferbench_cli(*args, "--results", "torn", "--quiet").exit_code != 0
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert outcome_status(tmp_path / "torn") == "interrupted"
    assert len(asked) == (2 if norms else 1), "it acts before the next batch"
    (path,) = tmp_path.glob("torn/runs/*/run.json")
    assert len((path.parent / "history.jsonl").read_text().splitlines()) == epoch - 1

    last = ferbench_cli(*args, "--results", "torn")
    assert last.exit_code == 0, last.stderr
    assert f"resumed at epoch {epoch}" in last.stderr
    (weights, history, predictions, record), expected = outcome(tmp_path / "torn"), outcome(tmp_path / "whole")
    assert record["resumed"][0]["batches"] == asked[0]
    assert history == expected[1]
    assert predictions == expected[2]
    assert weights == expected[0]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGUSR1, 138), (signal.SIGTERM, 143)])
def test_what_a_scheduler_sends_ends_a_run_with_a_code_of_its_own(started, tmp_path, sent, code):
    started.send_signal(signal.SIGCONT)  # Slurm wakes a job before it ends it
    started.send_signal(sent)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == code, errors
    (path,) = tmp_path.glob("results/runs/*/run.json")
    assert json.loads(path.read_text())["status"] == "interrupted"


def test_ctrl_c_twice_in_the_last_evaluation_is_written_down(ferbench_cli, monkeypatch, tmp_path):
    real = run.write_failure

    def insisting(*args):
        os.kill(os.getpid(), signal.SIGINT)
        real(*args)

    monkeypatch.setattr(run, "evaluate_kept", lambda *args: os.kill(os.getpid(), signal.SIGINT))
    monkeypatch.setattr(run, "write_failure", insisting)
    ferbench_cli(*ARGS, "--set", "training.epochs=1")
    assert outcome_status(tmp_path / "results") == "interrupted"
