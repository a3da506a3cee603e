"""What conftest.py promises to every other test."""

import os
import tempfile
from pathlib import Path

import platformdirs
import pytest


def test_home_and_caches_are_temporary():
    temporary = Path(tempfile.gettempdir()).resolve()
    for folder in (
        Path.home(),
        platformdirs.user_cache_path("ferbench"),
        platformdirs.user_data_path("ferbench"),
    ):
        assert folder.resolve().is_relative_to(temporary)


def test_settings_of_the_user_are_gone():
    assert not [name for name in os.environ if name.startswith("FERBENCH_")]


def test_torch_uses_one_thread():
    import torch

    assert torch.get_num_threads() == 1


def test_something_missing_skips_a_test(missing, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no browser"):
        missing("no browser")


def test_something_missing_fails_a_test_in_ci(missing, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no browser"):
        missing("no browser")


@pytest.mark.parametrize("fresh", [False, True])
def test_command_line_runs_in_the_tests_folder(ferbench_cli, tmp_path, fresh):
    done = ferbench_cli("--help", fresh=fresh)
    assert Path.cwd() == tmp_path.resolve()
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ferbench")


@pytest.mark.parametrize("fresh", [False, True])
def test_a_users_mistake_is_an_exit_code_and_no_exception(ferbench_cli, fresh):
    done = ferbench_cli("no-such-command", fresh=fresh)
    assert done.exit_code == 2
    assert "no-such-command" in done.stderr
