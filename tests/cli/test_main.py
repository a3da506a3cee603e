"""How the command line ends: exit codes and what is printed where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import ferbench
from ferbench import UserError
from ferbench.cli import COMMANDS, SPINS, LazyGroup, joined_datasets, main


def ending(monkeypatch, capsys, callback) -> tuple[int, str]:
    """Run ``ferbench plugins`` with another callback: its exit code and what it prints on stderr."""
    command = click.Command("plugins", callback=callback)
    monkeypatch.setattr(LazyGroup, "get_command", lambda self, ctx, name: command)
    with pytest.raises(SystemExit) as caught:
        main(["plugins"])
    return caught.value.code, capsys.readouterr().err


def raising(error: BaseException):
    def callback() -> None:
        raise error

    return callback


def test_a_command_that_ends_well_exits_with_0(monkeypatch, capsys):
    assert ending(monkeypatch, capsys, lambda: None) == (0, "")


def test_a_user_s_mistake_is_two_plain_lines(monkeypatch, capsys):
    error = UserError("the file 'a\x1b[31mb\nc' is\x07 empty", "say\twhich\r\n")
    assert ending(monkeypatch, capsys, raising(error)) == (
        2,
        "error: the file 'ab c' is empty\n  → say which\n",
    )


def test_a_mistake_of_usage_is_two_plain_lines_too(monkeypatch, capsys):
    error = click.UsageError("Not like\n\tthis.")
    remedy = "'ferbench plugins --help' says what there is"
    assert ending(monkeypatch, capsys, raising(error)) == (2, f"error: not like this\n  → {remedy}\n")


@pytest.mark.parametrize(
    ("arguments", "wrong", "remedy"),
    [
        (["run", "--plugn", "x"], "no such option '--plugn'", "did you mean '--plugin'? 'ferbench run --help'"),
        (["report", "--ot"], "no such option '--ot'", "did you mean one of: '--open', '--output'? 'ferbench report"),
        (["--bogus"], "no such option '--bogus'", "'ferbench --help' says what there is"),
        (["runs", "shwo"], "no such command 'shwo'", "did you mean 'show'? 'ferbench runs --help' says"),
        (["timeline"], "missing argument 'RUN'", "'ferbench timeline --help' says what there is"),
        (["timeline", "a", "b", "--fps", "0"], "invalid value for '--fps': 0.0 is not in the range x>0", "--help"),
    ],
)
def test_what_click_refuses_is_said_as_everything_else(capsys, arguments, wrong, remedy):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"error: {wrong}"
    assert second.startswith("  → ")
    assert remedy in second


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("run --dataset a + b recipe.toml", "run --dataset a+b recipe.toml"),
        ("run --dataset=a + b --seed 1", "run --dataset=a+b --seed 1"),
        ("tune --dataset a +b + c --dataset d+ e", "tune --dataset a+b+c --dataset d+e"),
        ("run --dataset a+b --name + --set x.y=+", "run --dataset a+b --name + --set x.y=+"),
        ("run --dataset a + --seed 1 --dataset", "run --dataset a+ --seed 1 --dataset"),
    ],
)
def test_datasets_may_be_joined_with_spaces(typed, meant):
    assert joined_datasets(typed.split()) == meant.split()


def test_a_group_without_a_command_shows_its_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["runs"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("Usage: ferbench runs")


def test_a_bug_keeps_its_stack_trace_from_where_it_leaves_the_command_line(monkeypatch, capsys):
    with pytest.raises(ZeroDivisionError) as caught:
        ending(monkeypatch, capsys, raising(ZeroDivisionError()))
    names = [entry.frame.f_globals["__name__"] for entry in caught.traceback]
    assert names[-1] == __name__
    assert "ferbench.cli" in names  # `main` itself
    assert not [name for name in names if name.startswith("click")]


def test_an_interrupt_exits_with_130(monkeypatch, capsys):
    code, _ = ending(monkeypatch, capsys, raising(KeyboardInterrupt()))
    assert code == 130


def test_an_exit_code_of_a_command_is_kept(monkeypatch, capsys):
    def callback() -> None:
        click.get_current_context().exit(7)

    assert ending(monkeypatch, capsys, callback)[0] == 7


def test_an_unknown_command_suggests_the_nearest(ferbench_cli):
    done = ferbench_cli("plugin")
    assert done.exit_code == 2
    assert "no such command 'plugin'; did you mean 'plugins'?" in done.stderr


def test_version_is_printed(ferbench_cli):
    assert ferbench_cli("--version").stdout == f"ferbench, version {ferbench.__version__}\n"


def test_python_m_ferbench_is_the_command(ferbench_cli):
    done = subprocess.run([sys.executable, "-m", "ferbench", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == ferbench_cli("--version").stdout


def test_help_shows_every_command_with_its_line(ferbench_cli):
    shown = " ".join(ferbench_cli("--help").stdout.split())
    for name, (_, line) in COMMANDS.items():
        assert f"{name} {line}" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes that break there")
def test_a_reader_that_goes_away_is_no_stack_trace():
    command = "from ferbench.cli import main; main(['plugins', 'list', '--json'])"
    started = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started.stdout.close()
    assert started.stderr.read() == b""
    assert started.wait() == 1


@pytest.mark.parametrize(
    ("given", "spins"), [({}, SPINS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
def test_threads_wait_for_each_other_briefly_unless_the_user_says_how(monkeypatch, capsys, given, spins):
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", dict(given))
        ending(monkeypatch, capsys, lambda: None)
        assert os.environ.get("GOMP_SPINCOUNT") == spins


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("arguments", [["plugins", "list", "--json"], ["--help"]])
def test_an_output_on_a_full_disk_is_no_stack_trace(arguments):
    command = f"from ferbench.cli import main; main({arguments})"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", command], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: cannot write: No space left on device",
        "  → free some space, or write elsewhere",
    ]


def test_another_fault_of_the_system_keeps_its_stack_trace(monkeypatch, capsys):
    with pytest.raises(FileNotFoundError):
        ending(monkeypatch, capsys, raising(FileNotFoundError(2, "No such file or directory")))
