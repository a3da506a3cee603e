"""What ``ferbench doctor`` says of the machine."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest
import torch

from ferbench.doctor import environment
from ferbench.doctor.environment import check_environment


def problems(**asked):
    return [one.what for one in check_environment(**asked) if one.level == "problem"]


@pytest.mark.parametrize("computes", [False, True])
def test_this_machine_is_in_order(computes):
    found = list(check_environment(computes=computes))
    assert [one for one in found if one.level == "problem"] == []
    text = "\n".join(one.what for one in found)
    assert f"torch {torch.__version__.partition('+')[0]}" in text
    assert "builtin (ferbench" in text


def test_more_threads_than_cores_are_a_problem(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1000")
    (what,) = problems()
    assert "1000 threads on " in what


def test_a_setting_that_makes_deterministic_runs_fail_is_a_problem(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")
    (what,) = problems()
    assert "CUBLAS_WORKSPACE_CONFIG=:0:0" in what


def test_a_torchvision_of_another_release_is_a_problem_that_its_files_tell(monkeypatch):
    there = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.2.3+cpu" if name == "torch" else there(name))
    monkeypatch.setattr(environment, "_requirements", lambda: iter(()))
    (what,) = problems()
    assert what.startswith(f"torchvision {there('torchvision')} is made for torch >")
    assert what.endswith("not for 1.2.3+cpu")


def test_a_package_that_is_too_old_and_one_that_is_missing_are_problems(monkeypatch):
    monkeypatch.setattr(
        importlib.metadata, "requires", lambda name: ["numpy>=999", "no-such-thing", 'x; extra == "dev"']
    )
    (what,) = problems()
    assert "numpy is " in what
    assert "no-such-thing is missing" in what
    assert "x is" not in what


def test_a_broken_plugin_is_a_problem_with_its_cause(monkeypatch, tmp_path):
    about = tmp_path / "bad-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[ferbench]\nbad = bad_plugin\n")
    (tmp_path / "bad_plugin.py").write_text("raise RuntimeError('out of order')")
    monkeypatch.syspath_prepend(tmp_path)
    (what,) = problems()
    assert what == "plugin 'bad' (bad 1.0) is broken: RuntimeError: out of order"


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU that works")
def test_a_driver_that_torch_cannot_use_is_a_problem(monkeypatch):
    """Whatever the build: without CUDA it is the build, with CUDA it is the driver, for no GPU answers here."""
    monkeypatch.setattr(environment, "_driver", lambda: "driver 400.1")
    (what,) = problems(computes=True)
    assert "driver 400.1" in what


def test_no_browser_is_only_noted(monkeypatch):
    from choreographer.browsers.chromium import Chromium

    monkeypatch.setattr(Chromium, "find_browser", lambda **options: None)
    found = list(check_environment())
    assert [one.level for one in found if "cannot draw" in one.what] == ["note"]


def test_a_kaleido_that_cannot_be_imported_is_a_problem(monkeypatch):
    monkeypatch.setitem(sys.modules, "choreographer.browsers.chromium", None)
    (what,) = problems()
    assert what.startswith("kaleido cannot be imported")
