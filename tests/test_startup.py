"""The beginning of a process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from ferbench import startup
from ferbench.training import runtime


@pytest.fixture(autouse=True)
def as_before():
    yield
    gc.unfreeze()
    gc.set_threshold(*startup._USUAL)


def test_garbage_is_looked_for_seldom_until_the_process_has_started():
    usual = gc.get_threshold()
    startup.begin()
    assert gc.get_threshold()[0] > 50 * usual[0]
    startup.done()
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() > 1000


def test_what_a_user_of_the_library_has_set_stays():
    gc.set_threshold(500, 5, 5)
    startup.done()
    assert gc.get_threshold() == (500, 5, 5)


def test_a_training_looks_for_garbage_as_usual():
    import torch

    usual = gc.get_threshold()
    startup.begin()
    runtime.prepare(torch.device("cpu"), 1, deterministic=False)
    assert gc.get_threshold() == usual


def test_the_command_line_begins_so():
    program = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_threshold()[0]))\n"
        "from ferbench.cli import main; main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) > 50 * startup._USUAL[0]


ON_A_TERMINAL = """
import sys, ferbench.startup as startup
sys.stderr.isatty = lambda: {terminal}
startup.announce()
sys.path.insert(0, {folder!r})
import torch
print(torch.LOADED)
"""


@pytest.mark.parametrize("terminal", [True, False])
def test_who_waits_at_a_terminal_sees_that_torch_is_being_loaded_until_it_is(tmp_path, terminal):
    (tmp_path / "torch.py").write_text("import sys\nsys.stderr.write('…')\nLOADED = 'loaded'\n")
    code = ON_A_TERMINAL.format(terminal=terminal, folder=str(tmp_path))
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert done.stdout.decode().split() == ["loaded"]
    assert done.stderr.decode() == ("loading PyTorch……\r\x1b[K" if terminal else "…")
