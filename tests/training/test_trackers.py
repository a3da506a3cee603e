"""Trackers through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from ferbench.training import trackers

PLUGIN = """
import asyncio, json, pathlib, threading, time
import ferbench

@ferbench.hookimpl
def ferbench_trackers():
    yield ferbench.TrackerSpec("writes", build="tracks:Writes")
    yield ferbench.TrackerSpec("raises", build="tracks:Raises")
    yield ferbench.TrackerSpec("exits", build="tracks:Exits")
    yield ferbench.TrackerSpec("hangs", build="tracks:Hangs")
    yield ferbench.TrackerSpec("cancels", build="tracks:Cancels")

class Writes:
    def __init__(self, *, to: str = "heard.jsonl"):
        self.to = pathlib.Path(to)
    def _note(self, event, content):
        with self.to.open("a") as file:
            file.write(json.dumps([event, content.get("status") or content.get("epoch")]) + "\\n")
        content.clear()
    def run_started(self, record): self._note("run_started", record)
    def checkpoint_written(self, checkpoint):
        assert pathlib.Path(checkpoint["path"]).is_file()
        name = pathlib.Path(checkpoint["path"]).name
        self._note("checkpoint_written", {"status": [checkpoint["kind"], checkpoint["epoch"], name]})
    def epoch_ended(self, epoch): self._note("epoch_ended", epoch)
    def run_finished(self, record): self._note("run_finished", record)
    def run_failed(self, record): self._note("run_failed", record)

class Hangs:
    # As a server that never answers; what it started keeps a process from ending.
    def __init__(self, *, at: str = "run_started"):
        self.at = at
        if at == "build":
            time.sleep(1000)
    def run_started(self, record):
        if self.at == "run_started":
            threading.Thread(target=time.sleep, args=[1000]).start()
            time.sleep(1000)
    def epoch_ended(self, epoch):
        if self.at == "epoch_ended":
            time.sleep(1000)

class Cancels:
    def run_started(self, record):
        raise asyncio.CancelledError

class Exits:
    def checkpoint_written(self, checkpoint):
        raise SystemExit(7)

class Raises:
    def epoch_ended(self, epoch):
        raise RuntimeError("the server is away")
"""
QUICK = ["--model", "linear", "--set", "training.epochs=2", "--set", "dataset.size=24", "--set", "dataset.train=140"]
QUICK += ["--set", "dataset.test=35", "--quiet", "--cache", "cache"]


def test_a_tracker_hears_the_whole_life_and_one_that_fails_is_reported_once(ferbench_cli, tmp_path):
    (tmp_path / "tracks.py").write_text(PLUGIN)
    flags = ["--plugin", "tracks.py", "--tracker", "raises", "--tracker", "exits", "--tracker", "writes"]
    finished = ferbench_cli("run", *QUICK, *flags)
    assert finished.exit_code == 0, finished.stderr
    assert finished.stderr.count("the server is away") == 1
    assert finished.stderr.count("tracker 'exits' of plugin 'tracks' (") == 1
    assert finished.stderr.count("failed in checkpoint_written and is left out for the rest of the run") == 1
    assert [json.loads(line) for line in (tmp_path / "heard.jsonl").read_text().splitlines()] == [
        ["run_started", "running"],
        ["checkpoint_written", ["snapshot", 1, "step-00000001-end.safetensors"]],
        ["checkpoint_written", ["best", 1, "best.safetensors"]],
        ["epoch_ended", 1],
        ["checkpoint_written", ["snapshot", 2, "step-00000002-end.safetensors"]],
        ["checkpoint_written", ["best", 2, "best.safetensors"]],
        ["epoch_ended", 2],
        ["run_finished", "done"],
    ]


def test_a_tracker_hears_of_checkpoints_within_an_epoch(ferbench_cli, tmp_path):
    (tmp_path / "tracks.py").write_text(PLUGIN)
    often = ["--set", "runtime.checkpoint_every=1", "--set", "training.batch_size=32", "--set", "training.epochs=1"]
    finished = ferbench_cli("run", *QUICK, *often, "--plugin", "tracks.py", "--tracker", "writes")
    assert finished.exit_code == 0, finished.stderr
    told = [json.loads(line) for line in (tmp_path / "heard.jsonl").read_text().splitlines()]
    names = [said[2] for event, said in told if event == "checkpoint_written" and said[0] == "snapshot"]
    assert names == [f"step-{step:08d}.safetensors" for step in (1, 2, 3, 4)] + ["step-00000004-end.safetensors"]


def test_a_tracker_hears_of_a_failure_and_takes_options_from_the_recipe(ferbench_cli, tmp_path):
    (tmp_path / "tracks.py").write_text(PLUGIN)
    (tmp_path / "recipe.toml").write_text('[[trackers]]\nname = "writes"\nto = "elsewhere.jsonl"\n')
    finished = ferbench_cli("run", "recipe.toml", *QUICK, "--plugin", "tracks.py", "--set", "optimizer.lr=1e38")
    assert finished.exit_code == 1
    events = [json.loads(line) for line in (tmp_path / "elsewhere.jsonl").read_text().splitlines()]
    assert events[0] == ["run_started", "running"]
    assert events[-1] == ["run_failed", "diverged"]


def test_trackers_change_no_id(ferbench_cli, tmp_path):
    (tmp_path / "tracks.py").write_text(PLUGIN)
    plain = json.loads(ferbench_cli("run", *QUICK, "--dry-run", "--json").stdout)
    tracked = ferbench_cli("run", *QUICK, "--dry-run", "--json", "--plugin", "tracks.py", "--tracker", "writes")
    assert json.loads(tracked.stdout)[0]["training_id"] == plain[0]["training_id"]


def test_a_tracker_hears_of_weights_that_are_kept_without_training(ferbench_cli, tmp_path):
    (tmp_path / "tracks.py").write_text(PLUGIN)
    flags = ["--set", "training.epochs=0", "--plugin", "tracks.py", "--tracker", "writes"]
    finished = ferbench_cli("run", *QUICK, *flags)
    assert finished.exit_code == 0, finished.stderr
    told = [json.loads(line) for line in (tmp_path / "heard.jsonl").read_text().splitlines()]
    assert told[1] == ["checkpoint_written", ["best", 0, "best.safetensors"]]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(trackers, "PATIENCE", 0.5)
    monkeypatch.setattr(trackers, "stuck", [])


@pytest.mark.parametrize("at", ["build", "run_started", "epoch_ended"])
def test_a_tracker_that_never_answers_is_left_out_and_the_run_is_done(ferbench_cli, tmp_path, impatient, at):
    (tmp_path / "tracks.py").write_text(PLUGIN.replace("threading.Thread", "0 and threading.Thread"))
    (tmp_path / "recipe.toml").write_text(f'[[trackers]]\nname = "hangs"\nat = "{at}"\n')
    finished = ferbench_cli("run", "recipe.toml", *QUICK, "--plugin", "tracks.py", "--tracker", "cancels")
    assert finished.exit_code == 0, finished.stderr
    lost = [line for line in finished.stderr.splitlines() if "tracker 'hangs' of plugin 'tracks' (" in line]
    (line,) = lost
    assert "is left out for the rest of the run: no answer for" in line
    assert "'ferbench runs send RUN --tracker hangs' sends it the run when that has ended" in line
    assert finished.stderr.count("failed in run_started and is left out for the rest of the run: CancelledError") == 1


def test_a_tracker_that_never_answers_is_waited_for_once_in_a_grid(ferbench_cli, tmp_path, impatient):
    (tmp_path / "tracks.py").write_text(PLUGIN.replace("threading.Thread", "0 and threading.Thread"))
    flags = ["--plugin", "tracks.py", "--tracker", "hangs", "--seed", "0", "--seed", "1"]
    for calls in (1, 2):  # another command waits again
        finished = ferbench_cli("run", *QUICK, *flags, "--set", f"training.batch_size={calls * 64}")
        assert finished.exit_code == 0, finished.stderr
        assert finished.stderr.count("no answer for") == 1
        assert "and no other run of this command waits for it" in finished.stderr
        assert len(trackers.stuck) == calls


def test_a_tracker_that_computes_is_not_one_that_waits(impatient):
    class Busy:
        def epoch_ended(self, epoch):
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                pass

    tracker = trackers._Tracker(Chosen(Busy))
    assert tracker.build() == ""
    assert tracker.call("epoch_ended", {}) == ""


class Chosen:
    """As much of a chosen component as a tracker's thread needs."""

    def __init__(self, build):
        self.builder = lambda: build
        self.component = type("Component", (), {"name": "busy", "title": "tracker 'busy'"})


def test_what_a_tracker_left_behind_does_not_keep_the_command_from_ending(tmp_path):
    (tmp_path / "tracks.py").write_text(PLUGIN)
    code = "from ferbench.training import trackers; from ferbench.plugin import guard; import ferbench.cli as c\n"
    code += "trackers.PATIENCE = c.PATIENCE = 0.5\nc.main()"
    flags = ["run", *QUICK, "--plugin", "tracks.py", "--tracker", "hangs", "--json"]
    done = subprocess.run([sys.executable, "-c", code, *flags], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, [run["status"] for run in json.loads(done.stdout)]) == (0, ["done"])
    assert "no answer for" in done.stderr


def test_a_run_is_sent_to_a_tracker_later(ferbench_cli, tmp_path):
    (tmp_path / "tracks.py").write_text(PLUGIN)
    plugin = ["--plugin", "tracks.py"]
    assert ferbench_cli("run", *QUICK, *plugin, "--tracker", "writes", "--name", "sent").exit_code == 0
    live = (tmp_path / "heard.jsonl").read_text()
    sent = ferbench_cli("runs", "send", "sent", *plugin, "--tracker", "writes", "--set", "to=later.jsonl")
    assert sent.exit_code == 0, sent.stderr
    later = [json.loads(line) for line in (tmp_path / "later.jsonl").read_text().splitlines()]
    heard = [json.loads(line) for line in live.splitlines()]
    assert [event for event in heard if "best" not in str(event)] == [e for e in later if "best" not in str(e)]
    assert [event[1][0] for event in later if event[0] == "checkpoint_written"].count("best") == 1
    refused = ferbench_cli("runs", "send", "sent", *plugin, "--tracker", "raises")
    assert (refused.exit_code, "failed in epoch_ended: RuntimeError: the server is away" in refused.stderr) == (2, True)
