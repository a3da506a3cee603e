"""Output in encodings that lack characters."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys

import pytest
from made_runs import make_run
from record_files import read_record, write_record

from ferbench.cli import streams
from ferbench.runs.directory import RunDirectory
from ferbench.storage import json_bytes

COMMAND = [sys.executable, "-c", "from ferbench.cli import main; main()"]


def printed(encoding, *arguments, cwd):
    """What a command prints: exit code, and stdout and stderr as they are decoded by whoever asked for the encoding."""
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([*COMMAND, *arguments], env=env, cwd=cwd, capture_output=True, check=False)
    reading = "utf-8" if encoding == "ascii" else encoding.partition(":")[0]
    return done.returncode, done.stdout.decode(reading), done.stderr.decode(reading)


@pytest.fixture
def results(tmp_path):
    """A run whose name, by an earlier release, has letters that few encodings have."""
    run: RunDirectory = make_run(tmp_path / "results", name="plain", dataset="−Łódź→é", model="net")
    write_record(run, {**read_record(run), "name": "Łódź"})
    return tmp_path


@pytest.mark.parametrize(
    "encoding", ["cp1252", "latin-1", "latin-1:surrogateescape", "cp437", "koi8-r", "ascii", "utf-16", "utf-8"]
)
def test_a_table_is_printed_in_any_encoding(results, encoding):
    code, out, err = printed(encoding, "runs", "list", cwd=results)
    assert (code, "Traceback" in err) == (0, False)
    (line,) = [line for line in out.splitlines() if " net " in line]
    assert ("Łódź" in line) == (encoding in ("ascii", "utf-16", "utf-8"))
    assert ("printed as '?'" in err) == ("?" in line)


def test_signs_of_ours_have_a_stand_in_that_is_as_wide(results):
    _, out, _ = printed("cp1252", "runs", "list", cwd=results)
    assert "-?ód?>é" in out


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "utf-16"])
def test_json_stays_json_and_loses_no_letter(results, encoding):
    code, out, err = printed(encoding, "runs", "list", "--json", cwd=results)
    assert (code, err) == (0, "")
    (row,) = json.loads(out)
    assert (row["name"], row["dataset"]) == ("Łódź", "−Łódź→é")


@pytest.mark.parametrize("encoding", ["cp1252", "koi8-r", "latin-1:strict"])
def test_a_mistake_is_two_lines_in_any_encoding(results, encoding):
    code, _, err = printed(encoding, "runs", "show", "Łódź-2", cwd=results)
    assert code == 2
    first, second, *rest = err.splitlines()
    assert first.startswith("error: there is no run '?")
    assert second.startswith("  > see the runs with")
    assert rest == []


def test_a_path_that_is_no_text_is_printed_too(results):
    """Its bytes reach Python as characters that no encoding has."""
    page = os.fsdecode(b"page\xff.html")
    code, out, err = printed("utf-8:strict", "report", "Łódź", "--output", page, cwd=results)
    assert (code, "Traceback" in err) == (0, False)
    assert "page?.html" in out
    assert "note: " not in err


def test_a_record_may_hold_a_path_that_is_no_text():
    path = os.fsdecode(b"/data/faces\xff")
    assert json.loads(json_bytes({"path": path, "name": "Łódź"})) == {"path": path, "name": "Łódź"}


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nothing_to_complain_of(results, closed):
    """Nor is a file that is opened later taken for one of them."""
    command = f"exec {shlex.join(COMMAND)} report Łódź -o page.html {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=results, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if ">&-" in closed.split() else "report: page.html\n")
    assert (results / "page.html").read_text(encoding="utf-8").endswith("</html>")


def test_closed_streams_hide_no_mistake(results):
    command = f"exec {shlex.join(COMMAND)} runs show nobody >&-"
    done = subprocess.run(["sh", "-c", command], cwd=results, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no run 'nobody'")


@pytest.mark.parametrize(
    ("terminal", "environment", "live"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"JPY_PARENT_PID": "7"}, False),
    ],
    ids=["terminal", "pipe", "dumb", "notebook"],
)
def test_lines_are_drawn_over_in_terminals_alone(monkeypatch, terminal, environment, live):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    screen = io.StringIO()
    screen.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", screen)
    assert streams.is_live_terminal() is live
