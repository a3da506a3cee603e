"""What all tests share: a clean environment, the command line, and what to do without something."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

import hypothesis
import mysql
import postgresql
import psutil
import pytest

from ferbench import startup

# A busy machine is no failure; and CI tries the same examples each time, so that what it finds, the change brought in.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "patient")

# Before torch is imported, by tests and by the processes that they start: on small tensors more threads only
# wait for each other, and pytest-xdist already uses every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")


# A run of a second waits a third of another for the disk to have its 29 files for certain.
_IN_MEMORY, _ROOM = Path("/dev/shm"), 8 << 30


def _has_room(place: Path) -> bool:
    """Whether files of tests may lie there, programs among them."""
    if not (place.is_dir() and os.access(place, os.W_OK)):
        return False
    there = os.statvfs(place)
    free = min(there.f_bavail * there.f_frsize, psutil.virtual_memory().available)
    return free > _ROOM and not there.f_flag & os.ST_NOEXEC


def pytest_configure(config: pytest.Config) -> None:
    """Hide the user's settings and caches; no test reads or writes them, and none asks a model hub."""
    if "TMPDIR" not in os.environ and _has_room(_IN_MEMORY):
        os.environ["TMPDIR"], tempfile.tempdir = str(_IN_MEMORY), None
    home = tempfile.mkdtemp(prefix="ferbench-home-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    for name in list(os.environ):
        if name.startswith("FERBENCH_"):
            del os.environ[name]
    os.environ["HOME"] = home
    for name, folder in {
        "XDG_CACHE_HOME": ".cache",
        "XDG_CONFIG_HOME": ".config",
        "XDG_DATA_HOME": ".local/share",
        "XDG_STATE_HOME": ".local/state",
        "HF_HOME": ".cache/huggingface",
        "TORCH_HOME": ".cache/torch",
    }.items():
        os.environ[name] = str(Path(home, folder))
    os.environ["HF_HUB_OFFLINE"] = "1"
    startup.begin()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep what has been collected out of every search for garbage to come: one took half a second, as often as a test
    ran out of memory, or a run grew large."""
    startup.done()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """End `make quick` in time."""
    if time.time() > float(os.environ.get("QUICK_UNTIL", "inf")):
        pytest.skip("no time left in make quick")


@pytest.fixture
def missing() -> Callable[[str], NoReturn]:
    """``missing("no browser: apt-get install chromium")`` skips the test, but fails it in CI.

    For what ``.ci/run`` can install. Hardware that a machine has or has not, such as a GPU, is a plain
    ``skipif``.
    """
    return _give_up


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(f"CI must have what this test needs: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.Server]:
    """A PostgreSQL server of these tests' own; see ``new_database``."""
    reason = postgresql.lacking()
    if reason is not None:
        if "postgresql" in os.environ.get("CI_LACKS", ""):  # .ci/run could not install it, and has said so
            pytest.skip(reason)
        _give_up(reason)
    server = postgresql.Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[mysql.Server]:
    """A MariaDB server of these tests' own; skipped where there is none, as few need it."""
    reason = mysql.lacking()
    if reason is not None:
        pytest.skip(reason)
    server = mysql.Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def transformers_plugin() -> tuple[str, ...]:
    """Flags that make ferbench know ``hf-image-classifier``; none where its distribution is installed."""
    module = "ferbench_transformers.plugin"
    installed = any(entry.value == module for entry in importlib.metadata.entry_points(group="ferbench"))
    return () if installed else ("--plugin", module)


@dataclass(frozen=True)
class Finished:
    """A command that ended: what it printed and its exit code."""

    exit_code: int
    stdout: str
    stderr: str


class CommandLine(Protocol):
    def __call__(self, *args: str | Path, env: Mapping[str, str] | None = None, fresh: bool = False) -> Finished: ...


@pytest.fixture
def ferbench_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """``ferbench_cli("run", recipe)`` runs ferbench in ``tmp_path``.

    ``env`` adds to the environment. ``fresh=True`` takes a process of its own, which costs the import of
    torch: for tests of what is imported, of signals and of the process's exit. In the test's own process an
    exception that is no user's mistake is raised.
    """
    monkeypatch.chdir(tmp_path)

    def in_a_fresh_process(arguments: list[str], env: Mapping[str, str] | None) -> Finished:
        command = [sys.executable, "-c", "from ferbench.cli import main; main()", *arguments]
        done = subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False)
        return Finished(done.returncode, done.stdout, done.stderr)

    def in_process(arguments: list[str], env: Mapping[str, str] | None) -> Finished:
        from click.testing import CliRunner

        from ferbench.cli import cli

        result = CliRunner().invoke(cli, arguments, env=env, prog_name="ferbench")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Finished(result.exit_code, result.stdout, result.stderr)

    def run(*args: str | Path, env: Mapping[str, str] | None = None, fresh: bool = False) -> Finished:
        return (in_a_fresh_process if fresh else in_process)([str(arg) for arg in args], env)

    return run
