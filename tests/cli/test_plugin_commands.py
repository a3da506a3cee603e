"""Commands that plugins add."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[1] / "plugin" / "fixtures"


@pytest.fixture
def added(monkeypatch):
    monkeypatch.syspath_prepend(str(FIXTURES / "added"))


def test_help_lists_the_commands_of_plugins_apart(ferbench_cli, added):
    own, _, others = ferbench_cli("--help").stdout.partition("Commands of plugins:")
    assert "say-hello" not in own
    lines = dict(line.strip().split(maxsplit=1) for line in others.strip().splitlines())
    assert lines["say-hello"] == "Greets."
    assert lines["added:run"] == "Not the run that you think of."
    assert "draw-faces" in lines


def test_a_command_of_a_plugin_is_called_with_its_options(ferbench_cli, added):
    assert ferbench_cli("say-hello", "--name", "you").stdout == "hello you\n"
    assert "Greet somebody." in ferbench_cli("say-hello", "--help").stdout
    assert ferbench_cli("added:say-hello").stdout == "hello world\n"


def test_ferbenchs_own_commands_come_first(ferbench_cli, added):
    assert "Usage: ferbench run [OPTIONS] [RECIPE]" in ferbench_cli("run", "--help").stdout
    assert ferbench_cli("added:run").stdout == "hello world\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("say-helo", "did you mean 'say-hello'?"),
        ("no-command", "'added_parts:tables' is function, no click.Command"),
        ("absent", "module 'added_parts' has no 'nothing'"),
        ("nobody:say-hello", "no plugin of 'nobody' offers a command"),
    ],
)
def test_what_is_no_command_is_a_users_mistake(ferbench_cli, added, name, said):
    done = ferbench_cli(name)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_an_exception_in_a_command_is_shown_with_its_trace_and_its_plugin(ferbench_cli):
    path = os.pathsep.join([str(FIXTURES / "added"), os.environ.get("PYTHONPATH", "")])
    done = ferbench_cli("fail", env={"PYTHONPATH": path}, fresh=True)
    assert done.exit_code == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.endswith(
        "LookupError: no such number\n"
        "command 'fail' of plugin 'added' (added 1.0) raised LookupError: no such number\n"
        "  → report it to the authors of added; the trace shows where\n"
    )


def test_commands_of_plugins_complete(ferbench_cli):
    environment = {"COMP_WORDS": "ferbench say", "COMP_CWORD": "1", "_FERBENCH_COMPLETE": "bash_complete"}
    path = os.pathsep.join([str(FIXTURES / "added"), os.environ.get("PYTHONPATH", "")])
    done = ferbench_cli(env={**environment, "PYTHONPATH": path}, fresh=True)
    assert done.stdout == "plain,say-hello\n"


def test_a_command_is_shown_among_the_components(ferbench_cli, added):
    listed = ferbench_cli("plugins", "list", "--kind", "command").stdout
    assert "say-hello" in listed
    shown = ferbench_cli("plugins", "show", "say-hello")
    assert shown.exit_code == 0
    assert "added_parts:say_hello" in shown.stdout


def test_there_are_no_rules_for_commands(ferbench_cli, added):
    done = ferbench_cli("plugins", "check", "say-hello")
    assert done.exit_code == 2
    assert "there are no rules for a command" in done.stderr
