"""What plugins do to the command that loads them."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ferbench.plugin import guard

COMMAND = [sys.executable, "-c", "from ferbench.cli import main; main()"]


@pytest.mark.parametrize("kind", ["KeyboardInterrupt", "asyncio.CancelledError", "SystemExit(0)", "GeneratorExit"])
def test_whatever_a_module_raises_is_a_fault_of_it(ferbench_cli, tmp_path, kind):
    (tmp_path / "bad.py").write_text(f"import asyncio\nraise {kind}\n")
    done = ferbench_cli("plugins", "list", "--plugin", "bad.py")
    assert done.exit_code == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("error: --plugin bad.py: ")
    assert kind.rpartition(".")[2].partition("(")[0] in first
    assert second.startswith("  → fix the plugin; `python ")


def test_ctrl_c_stays_ctrl_c():
    with pytest.raises(KeyboardInterrupt), guard.apart("it is imported"):
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(RuntimeError, match="nobody pressed"), guard.apart("it is imported"):
        raise KeyboardInterrupt


def test_handlers_of_signals_are_left_as_they_were():
    before = signal.getsignal(signal.SIGINT)
    with guard.apart("it is imported"):
        pass
    assert signal.getsignal(signal.SIGINT) is before
    try:
        with guard.apart("it is imported"):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_takes_long_is_named_with_how_to_do_without_it(monkeypatch, capfd):
    monkeypatch.setattr(guard, "PATIENCE", 0.1)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    with guard.apart("plugin 'slow' is still being imported", "leave its --plugin out"):
        time.sleep(0.3)
    with guard.apart("plugin 'fast' is still being imported"):
        pass
    time.sleep(0.2)
    said = "warning: plugin 'slow' is still being imported after 0 s; leave its --plugin out\n"
    assert capfd.readouterr().err == said


@pytest.mark.parametrize(
    ("when", "code", "said"),
    [
        ("import", 2, "error: --plugin leaves.py: it ends the program when loaded: SystemExit(0)"),
        ("build", 1, "it ends the program: SystemExit(0)"),
        ("later", 1, " ends the program with os._exit(0): what was to follow is not done"),
    ],
)
def test_a_plugin_that_ends_the_process_at_once_is_no_silent_success(tmp_path, when, code, said):
    (tmp_path / "leaves.py").write_text(f"""
import os, torch, ferbench
if "{when}" == "import": os._exit(0)

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("leaves", build="leaves:Leaves", summary="leaves")

class Leaves(torch.nn.Module):
    def __init__(self, task):
        super().__init__()
        if "{when}" == "build": os._exit(0)
    def forward(self, images):
        os._exit(0)
""")
    flags = ["run", "--plugin", "leaves.py", "--model", "leaves", "--set", "dataset.train=70", "--cache", "cache"]
    done = subprocess.run([*COMMAND, *flags], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_a_fork_of_the_process_ends_as_it_likes():
    with guard.checked_exits():
        child = os.fork()
        if not child:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os._exit is guard.leave


def test_a_thread_of_other_peoples_code_does_not_end_the_process():
    raised = []

    def work():
        guard.keep_from_exiting()
        try:
            os._exit(0)
        except SystemExit as error:
            raised.append(error.code)

    with guard.checked_exits():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert raised == [0]


@pytest.mark.parametrize("name", ["stdout", "__stdout__", "stderr"])
@pytest.mark.parametrize("how", ["{}.close()", "{}.buffer.close()", "{}.detach().close()", "with {}: pass"])
def test_streams_that_others_close_stay_open(capsys, name, how):
    with guard.apart("it is imported"):
        exec(how.format(f"sys.{name}"))  # noqa: S102 - one line each, of this test's own
        print("said")
    assert not sys.stdout.closed
    print("found")
    print("heard", file=sys.stderr)
    assert capsys.readouterr() == ("found\n", "said\nheard\n")


@pytest.mark.parametrize("call", ["os.abort()", "posix.abort()", "posix._exit(3)", "os._exit(3)"])
def test_however_others_end_the_process_at_once_it_goes_on(call):
    posix = pytest.importorskip("posix")
    with guard.checked_exits(), pytest.raises(SystemExit) as raised, guard.apart("it is imported"):
        eval(call, {"os": os, "posix": posix})  # noqa: S307 - of this test's own
    assert raised.value.code == (3 if "3" in call else "os.abort()")
    assert (posix._exit, os.abort.__module__) == (guard.leave, "posix")


def test_a_thread_that_others_leave_behind_is_named_and_does_not_keep_a_command(tmp_path):
    (tmp_path / "stays.py").write_text("""
import threading, time, ferbench
threading.Thread(target=time.sleep, args=[1000]).start()

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("stays", build="stays:none", summary="stays")
""")
    code = "import ferbench.cli as c; c.PATIENCE = 0.5; c.main()"
    flags = ["plugins", "list", "--plugin", "stays.py"]
    done = subprocess.run(
        [sys.executable, "-c", code, *flags], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0
    assert "plugin 'stays' (" in done.stderr
    assert "left a thread that does not end" in done.stderr


@pytest.mark.parametrize(
    "leaves",
    [
        "threading.Thread(target=time.sleep, args=[0.5]).start()",
        "pool = concurrent.futures.ThreadPoolExecutor(1); pool.submit(int)",
    ],
)
def test_threads_that_end_as_the_command_does_are_no_fault(tmp_path, leaves):
    (tmp_path / "works.py").write_text(f"""
import concurrent.futures, threading, time, ferbench
{leaves}

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("works", build="works:none", summary="works")
""")
    flags = ["plugins", "list", "--plugin", "works.py"]
    done = subprocess.run([*COMMAND, *flags], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_results_go_to_stdout_whatever_others_put_in_its_place(capsys):
    with guard.apart("it is imported"):
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
        print("said", flush=True)
    print("found")
    assert capsys.readouterr() == ("found\n", "said\n")


def test_the_line_that_let_code_in_c_end_the_process_is_named(tmp_path):
    (tmp_path / "dies.py").write_text("import ctypes\nctypes.CDLL(None).abort()\n")
    done = subprocess.run(
        [*COMMAND, "plugins", "list", "--plugin", "dies.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode < 0
    assert 'dies.py", line 2' in done.stderr
