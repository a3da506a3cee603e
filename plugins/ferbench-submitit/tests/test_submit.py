"""``ferbench submit``: jobs of this machine for real, and what a cluster would be given."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import psutil
import pytest
from submitit import LocalExecutor
from tiny_runs import SETS, records

from ferbench_submitit.executors import Resources, work
from ferbench_submitit.jobs import FerbenchJob
from ferbench_submitit.task import read_number


def test_a_grid_becomes_jobs_of_this_machine_with_the_ids_that_run_gives(submit, ferbench_cli, tmp_path):
    grid = (*SETS, "--seed", "0", "--seed", "1", "--name", "two", "--cache", "cache")
    planned = json.loads(ferbench_cli("run", *grid, "--dry-run", "--json").stdout)
    done = submit("run", *grid, "--executor", "local", "--at-once", "2", "--time", "30")
    assert done.exit_code == 0, done.stderr
    assert sorted(re.findall(r"^job (\d) of 2 done: ", done.stdout, re.MULTILINE)) == ["1", "2"]
    assert {one.identity.training_id for one in records(tmp_path)} == {one["training_id"] for one in planned}
    assert {one.name for one in records(tmp_path)} == {"two-s0", "two-s1"}
    assert all(one.status == "done" for one in records(tmp_path))
    again = submit("run", *grid, "--executor", "local")
    assert "there is nothing to submit" in again.stderr


def test_a_command_that_fails_is_a_job_that_fails(submit, tmp_path):
    plugin = tmp_path / "broken.py"
    plugin.write_text(
        "import ferbench\n\n@ferbench.hookimpl\ndef ferbench_models():\n"
        '    yield ferbench.ModelSpec("broken", build="broken:net")\n\n'
        'def net(task: ferbench.Task):\n    raise ferbench.UserError("it is broken", "mend it")\n'
    )
    flags = (*SETS, "--model", "broken", "--plugin", str(plugin), "--cache", "cache")
    done = submit("run", *flags, "--executor", "debug")
    assert done.exit_code == 1
    assert "job 1 of 1 failed with exit code 2" in done.stdout


def told_to_stop(command: list[str], folder: Path) -> str:
    """Run a job and stop it once it has an epoch behind it, as a cluster does ahead of the end of the time: the signal
    of submitit to the process that it started. Gives its log."""
    job = FerbenchJob(command, str(folder))
    resources = Resources("local", folder / "logs", minutes=30.0)
    began: list[Any] = []

    def tell() -> None:
        while not any(path.read_text() for path in folder.glob("results/runs/*/history.jsonl")):
            time.sleep(0.02)
        (task,) = psutil.Process(int(began[0].job_id)).children()
        os.kill(task.pid, signal.SIGUSR2)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    (last,) = list(work([job], resources, lambda _, one: began.append(one)))
    log = began[0].paths.stdout.read_text()
    assert last.code == 0, log
    return log


LONG = (*SETS, "--set", "training.epochs=60", "--set", "runtime.checkpoint_every=1", "--cache", "cache")


def epochs(folder: Path) -> list[int]:
    """Of the only run, as its history has them."""
    (path,) = folder.glob("results/runs/*/history.jsonl")
    return [json.loads(line)["epoch"] for line in path.read_text().splitlines()]


def test_a_job_that_is_told_to_stop_saves_its_run_and_goes_on(submit, tmp_path):
    log = told_to_stop(["run", *LONG, "--no-report", "--quiet"], tmp_path)
    assert log.count("ferbench run ") == 2
    (record,) = records(tmp_path)
    assert record.status == "done"
    assert epochs(tmp_path) == list(range(1, 61))


def test_a_study_s_job_that_is_told_to_stop_goes_on_with_its_trial(submit, tmp_path, ferbench_cli):
    search = ("--only", "--search", "optimizer.lr=0.01..0.1", "--trials", "1", "--no-final", "--name", "job")
    log = told_to_stop(["tune", *LONG, *search, "--no-report"], tmp_path)
    assert log.count("ferbench tune ") == 2
    assert epochs(tmp_path) == list(range(1, 61))
    counts = json.loads(ferbench_cli("tune", "status", "job", "--json").stdout)["counts"]
    assert counts["complete"] == counts["all"] == 1


def test_a_study_is_worked_on_by_a_job(submit, tmp_path, ferbench_cli):
    search = ("--only", "--search", "optimizer.lr=0.01,0.1", "--algorithm", "grid", "--no-final", "--cache", "cache")
    done = submit("tune", *SETS, *search, "--name", "job", "--executor", "local")
    assert done.exit_code == 0, done.stderr
    assert "optimizer.lr" in done.stdout  # the space, before anything is started
    counts = json.loads(ferbench_cli("tune", "status", "job", "--json").stdout)["counts"]
    assert counts["complete"] == counts["all"] == 2


@pytest.mark.parametrize("replaced", ["jobs.json", "recipes/1.toml"])
def test_a_job_does_nothing_where_somebody_has_changed_what_it_is_to_do(submit, monkeypatch, tmp_path, replaced):
    """In a results directory that others write into; the change comes between the submission and the job."""
    real = LocalExecutor._submit_command

    def after_the_change(self, command):
        path = tmp_path / "logs" / replaced
        path.write_bytes(path.read_bytes().replace(b"linear", b"resnet9").replace(b"--quiet", b"--dry-run"))
        return real(self, command)

    monkeypatch.setattr(LocalExecutor, "_submit_command", after_the_change)
    done = submit("run", *SETS, "--cache", "cache", "--executor", "local", "--logs", "logs")
    assert done.exit_code == 1
    (log,) = tmp_path.glob("logs/*_log.out")
    assert f"{replaced} is not what was submitted" in log.read_text()
    assert records(tmp_path) == []


def test_nothing_that_a_job_leaves_is_a_pickle(submit, tmp_path):
    done = submit("run", *SETS, "--cache", "cache", "--executor", "local", "--logs", "logs")
    assert done.exit_code == 0, done.stderr
    kept = {path.suffix for path in (tmp_path / "logs").rglob("*") if path.is_file()}
    assert kept == {".json", ".toml", ".out"}
    assert (tmp_path / "logs").stat().st_mode & 0o022 == 0


def test_a_number_that_is_none_is_not_believed(tmp_path):
    path = tmp_path / "n.json"
    assert read_number(path) is None
    for text, number in {"3": 3, "true": None, "[]": None, "x": None, "9" * 99: None}.items():
        path.write_text(text)
        assert read_number(path) == number


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Programs by the names of Slurm's, the first of which keeps the script that it is given."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"sbatch": f"cp $1 {tmp_path}/script; echo Submitted batch job 77", "srun": "exit 1"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "script"


def test_slurm_gets_an_array_with_what_was_asked_for(submit, cluster, tmp_path):
    asked = (
        "--partition",
        "gpu",
        "--account",
        "lab",
        "--gpus",
        "2",
        "--cpus",
        "8",
        "--memory",
        "16G",
        "--at-once",
        "3",
    )
    more = (
        "--time",
        "1-02:00:00",
        "--warning",
        "300",
        "--sbatch",
        "qos=high",
        "--sbatch",
        "exclusive",
        "--logs",
        "logs",
    )
    grid = (*SETS, "--seed", "0", "--seed", "1", "--seed", "2", "--seed", "3", "--cache", "cache")
    done = submit("run", *grid, *asked, *more)
    assert done.exit_code == 0, done.stderr
    assert re.findall(r"^job (77_\d): ", done.stdout, re.MULTILINE) == ["77_0", "77_1", "77_2", "77_3"]
    options = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in cluster.read_text().splitlines()
        if line.startswith("#SBATCH")
    )
    wanted = {
        "partition": "gpu",
        "account": "lab",
        "gpus-per-node": "2",
        "cpus-per-task": "8",
        "mem": "16384MB",
        "array": "0-3%3",
        "time": "1560",
        "signal": "USR2@300",
        "requeue": "",
        "exclusive": "",
        "qos": "high",
        "open-mode": "append",
        "job-name": "ferbench-run",
    }
    assert {key: options.get(key) for key in wanted} == wanted
    assert re.search(
        r" -P -u -m ferbench_submitit\.task \S+/logs [0-9a-f]{64} 1560 20$", cluster.read_text(), re.MULTILINE
    )
    recipes = sorted((tmp_path / "logs" / "recipes").iterdir())
    assert [tomllib.loads(path.read_text())["training"]["seed"] for path in recipes] == [0, 1, 2, 3]


def test_dry_run_shows_the_jobs_and_leaves_nothing(submit, cluster, tmp_path):
    done = submit("run", *SETS, "--seed", "0", "--seed", "1", "--cache", "cache", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("ferbench run ") == 2
    assert "would be submitted: 2 jobs by slurm" in done.stderr
    assert not cluster.exists()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        (("run", *SETS, "--time", "soon"), "--time soon is no duration", "4h"),
        (("run", *SETS, "--memory", "much"), "--memory much is no size", "16G"),
        (("run", *SETS, "--time", "1", "--warning", "60"), "leaves nothing", "more time"),
        (("run", *SETS, "--sbatch", "=3"), "is no option of sbatch", "qos=high"),
        (("run", *SETS, "--workers", "2"), "--workers trains several runs in one command", "--at-once"),
        (("run", *SETS, "--model", "nothing"), "unknown model 'nothing'", "choices"),
        (("run", *SETS), "there is no Slurm on this machine", "--executor local"),
        (("tune", *SETS, "--jobs", "2"), "2 jobs need a database", "--storage"),
        (("tune", *SETS, "--search", "optimizer.lr=2..1", "--executor", "local"), "2 is not below 1", "for example"),
    ],
    ids=lambda one: " ".join(part for part in one if part not in SETS) if isinstance(one, tuple) else None,
)
def test_a_mistake_takes_two_lines_before_anything_is_queued(submit, monkeypatch, tmp_path, arguments, what, remedy):
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    done = submit(*arguments, "--cache", "cache")
    assert done.exit_code == 2
    said, advice = done.stderr.strip().splitlines()[-2:]
    assert what in said
    assert remedy in advice
    assert not list(tmp_path.glob("results/jobs/*"))


def test_jobs_with_fewer_gpus_than_their_runs_ask_for_are_refused(submit):
    refused = submit("run", *SETS, "--cache", "cache", "--devices", "2", "--executor", "local", "--gpus", "1")
    assert refused.exit_code == 2
    assert "--devices 2, but each job gets --gpus 1" in refused.stderr
    assert "give --gpus 2" in refused.stderr
