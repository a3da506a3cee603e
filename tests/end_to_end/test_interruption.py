"""Stopping a run, and two at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert "interrupted: the same command starts run" in errors
    (path,) = tmp_path.glob("results/runs/*/run.json")
    record = json.loads(path.read_text())
    assert record["status"] == "interrupted"
    assert (path.parent / "history.jsonl").read_text().splitlines()


def test_a_second_process_keeps_off_a_run(started, ferbench_cli):
    finished = ferbench_cli(*ARGS)
    assert finished.exit_code == 2
    assert "another process is at work on run" in finished.stderr
    assert started.poll() is None
