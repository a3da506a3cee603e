"""``ferbench tune --storage``: hosts that share a study, and storages that cannot be had."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import postgresql
import pytest
from optuna.trial import TrialState

SETTINGS = ("dataset.train=48", "dataset.test=20", "dataset.size=16", "data.image_size=16", "training.epochs=1")
TUNE = (
    *("tune", "--dataset", "synthetic-faces", "--model", "linear", "--algorithm", "random", "--pruner", "none"),
    *(part for one in (*SETTINGS, "training.batch_size=16", "runtime.threads=1") for part in ("--set", one)),
    *("--only", "--search", "optimizer.lr=1e-4..1e-1:log"),
    *("--seeds", "1"),  # not that of the trials: the best one's run would be on both hosts
)


class Host:
    """The command with directories of its own, as on a machine of its own."""

    def __init__(self, directory: Path, url: str, trials: int) -> None:
        self.results = directory / "results"
        self.said = directory / "said.txt"
        directory.mkdir()
        places = ["--results", str(self.results), "--cache", str(directory / "cache")]
        command = [sys.executable, "-c", "from ferbench.cli import main; main()", *TUNE, "--trials", str(trials)]
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [*command, *places], env={**os.environ, "FERBENCH_STORAGE": url}, stdout=said, stderr=said
            )

    def runs(self) -> set[str]:
        return {path.name for path in self.results.glob("runs/*") if (path / "run.json").is_file()}


@pytest.fixture
def join(tmp_path):
    """``join("name", url, trials)`` starts a host; those that are left in the end are killed."""
    hosts = []

    def call(name: str, url: str, trials: int) -> Host:
        hosts.append(Host(tmp_path / name, url, trials))
        return hosts[-1]

    yield call
    for host in hosts:
        host.process.kill()
        host.process.wait()


def owners(url: str) -> set[str]:
    """The hosts that have begun a trial."""
    names = optuna.get_all_study_names(storage=url) if _has_tables(url) else []
    trials = [trial for name in names for trial in optuna.load_study(study_name=name, storage=url).get_trials()]
    return {trial.user_attrs["begun"]["host"] for trial in trials if "begun" in trial.user_attrs}


def _has_tables(url: str) -> bool:
    import sqlalchemy

    engine = sqlalchemy.create_engine(url)
    try:
        return sqlalchemy.inspect(engine).has_table("alembic_version")
    finally:
        engine.dispose()


def wait_for(url: str, count: int) -> None:
    deadline = time.monotonic() + 600
    while len(owners(url)) < count:
        assert time.monotonic() < deadline, "no host begins a trial"
        time.sleep(0.3)


@pytest.mark.slow
def test_two_hosts_join_one_study_and_every_trial_counts_once(tmp_path, join, postgresql_server):
    url = postgresql_server.new_database()
    first = join("first", url, 6)
    wait_for(url, 1)
    first.process.send_signal(signal.SIGSTOP)  # so that it cannot do all of them alone
    second = join("second", url, 6)
    wait_for(url, 2)
    first.process.send_signal(signal.SIGCONT)
    for host in (first, second):
        assert host.process.wait(timeout=600) == 0, host.said.read_text()

    (name,) = optuna.get_all_study_names(storage=url)
    trials = optuna.load_study(study_name=name, storage=url).get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    tested = [host for host in (first, second) if (host.results / "studies" / name / "outcome.json").is_file()]
    assert len(tested) == 1
    outcome = json.loads((tested[0].results / "studies" / name / "outcome.json").read_text())
    repeated = {one["run"] for best in outcome["finalists"] for one in best["runs"]}  # maybe of a trial of the other's
    for trial in trials:
        hosts = [host for host in (first, second) if trial.user_attrs["run"] in host.runs()]
        assert len(hosts) == 1 or (len(hosts) == 2 and trial.user_attrs["run"] in repeated)
    (other,) = {first, second} - set(tested)
    assert "repeat" in other.said.read_text()
    assert (other.results / "studies" / name / "report.html").is_file()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or postgresql.PASSWORD.encode() not in path.read_bytes(), path


WRONG = {
    "nobody listens": ("postgresql+psycopg://me:s3cret@127.0.0.1:1/studies", "cannot be opened"),
    "no url": ("me:s3cret", "is no database url"),
    "an unescaped password": ("postgresql+psycopg://me:s3@cret@127.0.0.1/studies", "is no database url"),
    "another kind of database": ("oracle://me:s3cret@127.0.0.1/studies", "cannot be used"),
    "a file": ("sqlite:///study.db", "share an SQLite file"),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def refused(ferbench_cli, cache: Path, url: str) -> str:
    """What the command says of a storage, in two lines; nothing of the password is said or kept."""
    ended = ferbench_cli(*TUNE, "--quiet", "--results", "results", "--cache", cache, "--storage", url)
    assert ended.exit_code == 2
    said = [line for line in ended.stderr.strip().splitlines() if not line.startswith("warning: ")]
    assert len(said) == 2, ended.stderr
    assert not list(Path("results").rglob("study.json"))
    kept = [path.read_text() for path in Path("results").rglob("*") if path.is_file()]
    for secret in ("s3cret", "cret@", postgresql.PASSWORD):
        assert secret not in "".join([ended.stdout, ended.stderr, *kept])
    return ended.stderr


@pytest.mark.parametrize("case", WRONG)
def test_a_storage_that_cannot_be_had_is_named_without_its_password(ferbench_cli, cache, case):
    url, what = WRONG[case]
    assert what in refused(ferbench_cli, cache, url)


def test_what_a_server_refuses_is_said_without_the_password(ferbench_cli, cache, postgresql_server):
    url = postgresql_server.new_database()
    said = refused(ferbench_cli, cache, url.replace(postgresql.PASSWORD, "s3cret"))
    assert "password authentication failed" in said
    assert "does not exist" in refused(ferbench_cli, cache, f"{url}_not_there")
