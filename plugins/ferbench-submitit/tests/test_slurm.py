"""``ferbench submit`` with a Slurm cluster of these tests' own, of one node: this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_runs import SETS, records

from ferbench_submitit import executors

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")

#: Seconds that anything may take on a busy machine.
LONG = 180

CONFIGURATION = """
ClusterName=ferbench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# Slurm holds a job that is queued again for as long as credentials last, by default two minutes.
AuthInfo=socket={folder}/munge,cred_expire=6
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
SchedulerParameters=sched_interval=1
ReturnToService=2
KillWait=30
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


#: A model with a second for each batch after the first epoch, while there is a file.
SLOW = """
import time
from pathlib import Path
from torch import nn
import ferbench

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("slow", build="slow:Slow")

class Slow(nn.Module):
    def __init__(self, task: ferbench.Task):
        super().__init__()
        self.head, self.calls = nn.Linear(task.channels * task.height * task.width, len(task.class_names)), 0

    def forward(self, images):
        self.calls += 1
        time.sleep(self.calls > 6 and Path("linger").exists())
        return self.head(images.flatten(1))
"""


def lacking() -> str | None:
    """Why there can be no cluster here; None: there can."""
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = [name for name in PROGRAMS if shutil.which(name, path=search) is None]
    if missing:
        return f"no {missing[0]}: apt-get install slurmctld slurmd slurm-client munge"
    return None if os.getuid() == 0 else "slurmd runs jobs as root alone"


def free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def say(*command: str, **given) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **given).stdout


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """Starts the cluster; gives its folder."""
    if (reason := lacking()) is not None:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as place, contextlib.ExitStack() as stack:
        folder, host = Path(place), socket.gethostname().partition(".")[0]
        folder.chmod(0o755)  # munged refuses a socket that others cannot reach
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "key").write_bytes(os.urandom(1024))
        (folder / "key").chmod(0o400)
        configuration = folder / "slurm.conf"
        ports = {"controller": free_port(), "node": free_port()}
        text = CONFIGURATION.format(folder=folder, host=host, user="root", cpus=os.cpu_count(), **ports)
        configuration.write_text(text, encoding="utf-8")
        environment = pytest.MonkeyPatch()
        stack.callback(environment.undo)
        environment.setenv("SLURM_CONF", str(configuration))
        environment.setenv("PATH", os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"]))
        munge = [f"--socket={folder}/munge", f"--key-file={folder}/key", f"--pid-file={folder}/munge.pid"]
        own = [*munge, f"--seed-file={folder}/munge.seed", f"--log-file={folder}/munge.log"]
        for command in (
            ["munged", "--foreground", "--force", *own],
            ["slurmctld", "-D", "-i"],
            ["slurmd", "-D", "-N", host],
        ):
            log = stack.enter_context((folder / f"{command[0]}.log").open("wb"))
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            stack.callback(_end, process)
        deadline = time.monotonic() + 60
        while "idle" not in say("sinfo", "--noheader", "--format=%T"):
            if time.monotonic() > deadline:
                logs = [path.read_text(errors="replace")[-300:] for path in folder.glob("slurm*.log")]
                pytest.skip(f"Slurm does not start here: {logs}")
            time.sleep(0.2)
        yield folder
        say("scancel", f"--user={os.getuid()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(executors, "_SELDOM", 1.0)


def queue() -> list[str]:
    """The jobs that go on."""
    return say("squeue", "--noheader", "--array", "--format=%i").split()


def wait_until(holds) -> None:
    deadline = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_grid_is_an_array_of_jobs_each_on_its_share_of_the_node(cluster, submit, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    plugin = tmp_path / "broken.py"
    plugin.write_text(
        "import ferbench\n\n@ferbench.hookimpl\ndef ferbench_models():\n"
        '    yield ferbench.ModelSpec("broken", build="broken:net")\n\n'
        'def net(task: ferbench.Task):\n    raise ferbench.UserError("it is broken", "mend it")\n'
    )
    grid = (*SETS, "--model", "linear", "--model", "broken", "--plugin", str(plugin))
    done = submit("run", *grid, "--cache", "cache", "--logs", "logs", "--cpus", "1", "--time", "10", "--wait")
    assert done.exit_code == 1, done.stderr
    assert len(re.findall(r"^job \d+_\d: [0-9a-f]{12} ", done.stdout, re.MULTILINE)) == 2
    ended = sorted(re.findall(r"^job (\d) of 2 (done|failed): ", done.stdout, re.MULTILINE))
    assert ended == [("1", "done"), ("2", "failed")]
    assert done.stderr.count("submitit WARNING") == 0
    why = Path(re.search(r"^job 2 of 2 failed: see (\S+): ", done.stdout, re.MULTILINE)[1])
    assert "error: it is broken\n  → mend it\n" in why.read_text()
    (record,) = records(tmp_path)
    assert (record.status, record.environment.threads) == ("done", 1)


def test_a_job_that_is_told_to_stop_saves_its_run_queues_again_and_goes_on(cluster, submit, tmp_path):
    """By the signal that Slurm sends ahead of the time limit."""
    plugin, linger = tmp_path / "slow.py", tmp_path / "linger"
    plugin.write_text(SLOW, encoding="utf-8")
    linger.touch()
    long = (*SETS, "--model", "slow", "--plugin", str(plugin), "--set", "training.epochs=12", "--cache", "cache")

    def tell() -> None:
        wait_until(lambda: any(path.read_text() for path in tmp_path.glob("results/runs/*/history.jsonl")))
        say("scancel", "--signal=USR2", *queue())
        linger.unlink()

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    done = submit("run", *long, "--logs", "logs", "--time", "10", "--wait")
    teller.join()
    (log,) = (tmp_path / "logs").glob("*_log.out")
    text = log.read_text()
    assert done.exit_code == 0, text
    assert "Requeued job" in text
    assert text.count("\nferbench run ") + text.startswith("ferbench run ") == 2
    assert "interrupted: the same command goes on with run" in text
    (record,) = records(tmp_path)
    assert record.status == "done"
    assert len(record.resumed) == 1
    (history,) = tmp_path.glob("results/runs/*/history.jsonl")
    assert [json.loads(line)["epoch"] for line in history.read_text().splitlines()] == list(range(1, 13))
    wait_until(lambda: not queue())  # a moment after its end


def test_a_job_that_somebody_ends_is_waited_for_no_longer(cluster, submit, tmp_path):
    long = (*SETS, "--set", "training.epochs=100000", "--cache", "cache")

    def end() -> None:
        wait_until(queue)
        say("scancel", *queue())

    ender = threading.Thread(target=end, daemon=True)
    ender.start()
    done = submit("run", *long, "--logs", "logs", "--time", "10", "--wait")
    ender.join()
    assert done.exit_code == 1
    assert re.search(r"^job 1 of 1 failed: (cancelled|gone), see ", done.stdout, re.MULTILINE)


def test_what_slurm_refuses_takes_two_lines(cluster, submit, tmp_path):
    done = submit("run", *SETS, "--cache", "cache", "--partition", "nowhere")
    assert done.exit_code == 2
    said, remedy = done.stderr.strip().splitlines()[-2:]
    assert "Slurm did not take the jobs: " in said
    assert "invalid partition" in said.lower()
    assert "correct the options" in remedy
