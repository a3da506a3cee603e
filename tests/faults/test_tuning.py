"""Studies whose workers, hosts or database die; a part of what ``python tests/faults/tuning.py`` does."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from tuning import Round, Scene, kill_some, prepare, start_all, stop_database

from ferbench.tuning.database import sqlite_url

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks hosts"),
]


@pytest.fixture(scope="module", autouse=True)
def _prepared():
    prepare()


def test_killed_workers_of_one_host_cost_no_trial_and_no_other_worker(tmp_path, draw):
    scene = Scene(workers=6, trials=14, seconds=0.5)
    assert kill_some(scene, tmp_path, sqlite_url(tmp_path / "study.db"), draw, workers=2, hosts=0) == []


def test_a_killed_host_and_a_killed_worker_of_another_cost_no_trial(tmp_path, postgresql_server, draw):
    scene = Scene(hosts=2, workers=2, trials=10, seconds=0.5, grace=2)
    assert kill_some(scene, tmp_path, postgresql_server.new_database(), draw, workers=1, hosts=1) == []


def test_hosts_may_start_together_on_an_empty_database(tmp_path, postgresql_server):
    scene = Scene(hosts=4, workers=1, trials=8, seconds=0.1)
    assert start_all(scene, tmp_path, postgresql_server.new_database()) == []


def test_results_survive_a_database_that_crashes_and_a_host_that_dies_meanwhile(tmp_path, postgresql_server):
    scene = Scene(hosts=2, workers=2, trials=10, seconds=1, grace=3)
    wrong, waiting = stop_database(scene, tmp_path, postgresql_server, seconds=3, at_once=True, kill=1)
    assert wrong == []
    assert waiting


def test_the_rounds_notice_a_worker_that_died_by_itself(tmp_path):
    tried = Round(Scene(workers=2, trials=4, seconds=0.5), tmp_path, sqlite_url(tmp_path / "study.db"))
    tried.start()
    tried.wait_until_busy()
    (host,) = tried.hosts
    assert all(psutil.pid_exists(pid) for pid in host.first)
    os.kill(min(host.first), signal.SIGKILL)
    assert tried.end() == ["1 workers of host-0 died that nobody killed"]
