"""The command as an installed distribution offers it, here and in the processes that jobs are."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[3]


@pytest.fixture
def ferbench_cli(tmp_path, monkeypatch):
    """``ferbench_cli("run", …)`` runs ferbench in ``tmp_path``, with this distribution and no other."""
    paths = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "plugins" / "ferbench-submitit")]
    installed = importlib.metadata.entry_points(group="ferbench")
    if not any(entry.value == "ferbench_submitit.plugin" for entry in installed):
        site = tmp_path / "site" / "ferbench_submitit-0.1.0.dist-info"
        site.mkdir(parents=True)
        (site / "METADATA").write_text("Metadata-Version: 2.1\nName: ferbench-submitit\nVersion: 0.1.0\n")
        (site / "entry_points.txt").write_text("[ferbench]\nsubmitit = ferbench_submitit.plugin\n")
        monkeypatch.syspath_prepend(site.parent)
        paths.append(str(site.parent))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("FERBENCH_PLUGINS", "ferbench-submitit")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FERBENCH_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*args):
        from ferbench.cli import cli

        done = CliRunner().invoke(cli, [str(arg) for arg in args], prog_name="ferbench")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return call


@pytest.fixture
def submit(ferbench_cli):
    """``submit("run", …)`` calls ``ferbench submit``."""
    return lambda *args: ferbench_cli("submit", *args)
