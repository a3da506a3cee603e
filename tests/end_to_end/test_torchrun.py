"""Runs that a user's own ``torchrun`` starts, on one host and on two, which are two addresses of this one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
from shared_runs import DROPOUT, arguments, ended, history, only_run, record_of, runs

LINEAR = arguments("training.epochs=1", model="linear")
ONE_HOST = ("--standalone", "--nproc-per-node", "2")


def torchrun(args: list[str], results: Path, cache: Path, *options: str) -> subprocess.Popen[str]:
    start = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "ferbench"]
    return subprocess.Popen(
        [*start, *args, "--results", str(results), "--cache", str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def done(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        printed = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, printed
    return printed


def hosts(args: list[str], results: Path, cache: Path, *options: str) -> list[subprocess.Popen[str]]:
    """Agents of two hosts, which find each other at the first one's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "faces", *options)
    return [
        torchrun(args, results, cache, "--nnodes", "2", "--nproc-per-node", "1", *meeting, "--local-addr", address)
        for address in ("127.0.0.1", "127.0.0.2")
    ]


def test_each_run_of_a_grid_is_on_all_its_processes_whatever_became_of_the_one_before(tmp_path, cache):
    models = ["--model", "hungry", "--model", "linear"]
    grid = torchrun([*arguments("training.epochs=1", model="breaks"), *models], tmp_path, cache, *ONE_HOST)
    printed, errors = grid.communicate(timeout=300)
    assert grid.returncode == 1
    records = {one["recipe"]["model"]["name"]: one for one in map(record_of, runs(tmp_path))}
    assert {name: one["status"] for name, one in records.items()} == {
        "breaks": "failed",
        "hungry": "done",
        "linear": "done",
    }
    assert {one["environment"]["devices"] for one in records.values()} == {2}
    assert records["hungry"]["training"]["micro_batch"] == 5  # 9 were too many
    assert "device 2 of 2: model 'breaks' of plugin " in records["breaks"]["error"]["message"]
    assert [line[:7] for line in errors.splitlines() if line[5:7] == "/3"] == ["run 1/3", "run 2/3", "run 3/3"]
    assert len([line for line in errors.splitlines() if line.startswith("epoch ")]) == 2
    assert printed.count("\naccuracy") == 2


def test_what_trains_nothing_ends_all_processes(tmp_path, cache):
    printed, _ = done(torchrun([*LINEAR, "--dry-run"], tmp_path, cache, *ONE_HOST))
    assert printed.count("batch of 17 on 2 devices: 9 or 8 each") == 1


def test_an_error_is_not_tried_again(tmp_path, cache):
    args = arguments("training.epochs=1", model="breaks")
    failing = torchrun(args, tmp_path, cache, *ONE_HOST, "--max-restarts", "1")
    _, errors = failing.communicate(timeout=300)
    assert failing.returncode == 1
    assert errors.count("RankFailed: device 2 of 2: model 'breaks' of plugin ") == 1
    assert record_of(only_run(tmp_path))["status"] == "failed"


def test_two_hosts_share_a_run_to_the_bits_of_one(whole, tmp_path, cache):
    first, second = hosts(DROPOUT, tmp_path, cache)
    printed = [done(one) for one in (first, second)]
    assert sorted(out.count("accuracy") for out, _ in printed) == [0, 1]
    run = only_run(tmp_path)
    assert record_of(run)["environment"]["devices"] == 2
    weights = [(one / "checkpoints" / "best.safetensors").read_bytes() for one in (run, whole)]
    assert weights[0] == weights[1]


def test_a_process_that_is_killed_on_another_host_is_started_again(whole, tmp_path, cache):
    agents = hosts(DROPOUT, tmp_path, cache, "--max-restarts", "3")
    while not list(tmp_path.glob("runs/*/checkpoints/*.json")):
        assert all(agent.poll() is None for agent in agents)
        time.sleep(0.05)
    ranks = [rank for agent in agents for rank in psutil.Process(agent.pid).children()]
    next(rank for rank in ranks if rank.environ()["RANK"] == "1").send_signal(signal.SIGKILL)
    for agent in agents:
        done(agent)
    run = only_run(tmp_path)
    assert record_of(run)["status"] == "done"
    assert len(record_of(run)["resumed"]) == 1
    weights = [(one / "checkpoints" / "best.safetensors").read_bytes() for one in (run, whole)]
    assert weights[0] == weights[1]
    assert history(run) == history(whole), "no sample was seen twice, and none left out"


def test_a_signal_saves_the_run_and_ends_all_processes(whole, tmp_path, cache):
    torn = torchrun(DROPOUT, tmp_path, cache, *ONE_HOST)
    for line in torn.stderr:
        if line.startswith("epoch "):
            break
    ranks = psutil.Process(torn.pid).children()
    torn.send_signal(signal.SIGTERM)
    _, errors = torn.communicate(timeout=60)
    assert "interrupted: the same command goes on with run" in errors
    _, alive = psutil.wait_procs(ranks, timeout=5)
    assert not alive
    assert record_of(only_run(tmp_path))["status"] == "interrupted"
    assert ended(["resume", only_run(tmp_path).name, *DROPOUT[1:3], "--devices", "2"], tmp_path, cache).exit_code == 0
    weights = [
        (only_run(tmp_path) if one is None else one) / "checkpoints" / "best.safetensors" for one in (None, whole)
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()
