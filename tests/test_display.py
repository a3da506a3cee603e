"""Training whose display is lost, in processes of its own with real pipes, terminals and devices."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ferbench.display import Watched

COMMAND = [sys.executable, "-c", "from ferbench.cli import main; main()"]
RUN = ["run", "--set", "data.image_size=16", "--set", "dataset.size=24"]
RUN += ["--set", "dataset.train=140", "--set", "dataset.test=35", "--cache", "cache", "--no-report"]
SHORT = [*RUN, "--model", "linear", "--set", "training.epochs=3"]
LONG = [*RUN, "--model", "linear", "--set", "training.epochs=100000"]


def statuses(folder: Path) -> list[str]:
    return [json.loads(path.read_text())["status"] for path in folder.glob("results/runs/*/run.json")]


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def closed_terminal() -> int:
    ours, theirs = os.openpty()
    os.close(ours)
    return theirs


def full_device() -> int:
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize("lost", [closed_pipe, closed_terminal, full_device])
def test_what_cannot_be_shown_is_dropped(lost):
    descriptor = lost()
    stream = io.TextIOWrapper(io.BufferedWriter(Watched(descriptor, drops=True)))
    for _ in range(3):
        print("epoch 1", file=stream, flush=True)
    with pytest.raises(OSError, match=r"Broken pipe|Input/output|No space"):
        Watched(descriptor, drops=False).write(b"result")
    os.close(descriptor)


def test_a_run_whose_terminal_is_closed_is_done(tmp_path):
    terminal = closed_terminal()
    done = subprocess.run([*COMMAND, *SHORT], cwd=tmp_path, stderr=terminal, stdout=terminal)
    os.close(terminal)
    assert (done.returncode, statuses(tmp_path)) == (0, ["done"])


def test_all_runs_are_done_though_the_reader_of_both_streams_goes_away(tmp_path):
    """As ``2>&1 | head -1`` and a killed ``tee`` do."""
    reading, writing = os.pipe()
    seeds = ["--seed", "0", "--seed", "1"]
    process = subprocess.Popen([*COMMAND, *SHORT, *seeds], cwd=tmp_path, stdout=writing, stderr=writing)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    assert (process.wait(), statuses(tmp_path)) == (0, ["done", "done"])


def test_results_that_a_full_disk_does_not_take_are_an_error_after_all_runs_are_done(tmp_path):
    seeds = ["--seed", "0", "--seed", "1", "--quiet"]
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, *SHORT, *seeds]
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, statuses(tmp_path)) == (2, ["done", "done"])
    assert done.stderr.splitlines()[-2:] == [
        "error: cannot write: No space left on device",
        "  → free some space, or write elsewhere",
    ]


def test_a_closed_terminal_saves_the_run(tmp_path):
    process = subprocess.Popen([*COMMAND, *LONG], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("epoch "):
            break
    process.send_signal(signal.SIGHUP)
    process.communicate()
    assert (process.returncode, statuses(tmp_path)) == (128 + signal.SIGHUP, ["interrupted"])
    assert list(tmp_path.glob("results/runs/*/checkpoints/step-*.safetensors"))


PRINTING = """
import ctypes, os, subprocess, sys
import torch
import ferbench

print("imported"); sys.__stdout__.write("imported"); os.write(1, b"imported"); subprocess.run(["echo", "imported"])
ctypes.CDLL(None).puts(b"imported")

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("prints", build="prints:Prints", summary="prints")

class Prints(torch.nn.Module):
    def __init__(self, task):
        super().__init__()
        print("built")
        self.out = torch.nn.Linear(task.channels * task.height * task.width, task.num_classes)
    def forward(self, images):
        print("called")
        os.write(1, b"called")
        return self.out(images.flatten(1))
"""


def test_json_is_all_that_is_on_stdout_whatever_a_plugin_prints(tmp_path):
    (tmp_path / "prints.py").write_text(PRINTING)
    plugin = ["--plugin", "prints.py", "--model", "prints", "--set", "training.epochs=1", "--json"]
    done = subprocess.run([*COMMAND, *RUN, *plugin], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [run["status"] for run in json.loads(done.stdout)] == ["done"]
    assert done.stderr.count("imported") >= 5
    assert "built" in done.stderr
    assert "called" in done.stderr
