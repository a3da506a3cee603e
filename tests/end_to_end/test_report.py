"""``ferbench report``, and the report that ``ferbench run`` ends with."""

from __future__ import annotations

import csv
import json
import threading
import tomllib
from pathlib import Path

import pytest
from made_runs import make_run
from record_files import read_record, write_record

from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import only_writer

TINY = ("run", "--model", "linear", "--results", "r", "--cache", "c", "--quiet")
SMALL = (
    "--set",
    "dataset.train=60",
    "--set",
    "dataset.test=30",
    "--set",
    "training.epochs=2",
    "--set",
    "dataset.size=16",
)


def said_path(stdout):
    (line,) = [line for line in stdout.splitlines() if line.startswith("report: ")]
    return Path(line.removeprefix("report: "))


def test_a_run_ends_with_the_path_of_its_report(ferbench_cli, tmp_path):
    done = ferbench_cli(*TINY, *SMALL, "--name", "first")
    assert done.exit_code == 0, done.stderr
    path = said_path(done.stdout)
    assert path.parent == Path("r/reports")
    assert "<h1>first</h1>" in path.read_text()
    before = path.read_bytes()
    again = ferbench_cli(*TINY, *SMALL, "--name", "first")
    assert said_path(again.stdout) == path
    assert path.read_bytes() == before


def test_a_grid_ends_with_one_report_and_its_recipe_gives_the_same_run(ferbench_cli, tmp_path):
    done = ferbench_cli(*TINY, *SMALL, "--seed", "0", "--seed", "1", "--json")
    outcomes = json.loads(done.stdout)
    assert len({outcome["report"] for outcome in outcomes}) == 1
    assert len(list(Path("r/reports").iterdir())) == 1
    from ferbench.experiment.toml import recipe_toml

    record = RunDirectory(Path(outcomes[1]["directory"])).load()
    Path("again.toml").write_text(recipe_toml(record))
    again = ferbench_cli("run", "again.toml", "--results", "r", "--cache", "c", "--json", "--no-report", "--quiet")
    (reused,) = json.loads(again.stdout)
    assert reused["reused"]
    assert reused["run"] == outcomes[1]["run"]
    assert "report" not in reused


def test_runs_are_named_by_name_id_or_path_and_compared_with_a_baseline(ferbench_cli, tmp_path):
    runs = [make_run(tmp_path / "r", name="one"), make_run(tmp_path / "r", seed=1), make_run(tmp_path / "r", seed=2)]
    asked = ("report", "one", runs[1].path.name[:6], runs[2].path)
    done = ferbench_cli(*asked, "--baseline", "one", "--results", "r", "--output", "page.html")
    assert done.exit_code == 0, done.stderr
    assert said_path(done.stdout) == Path("page.html")
    text = Path("page.html").read_text()
    assert "3 runs compared" in text
    assert "one (baseline)" in text


def test_a_page_with_a_baseline_beside_it_is_not_that_of_the_run_alone(ferbench_cli, tmp_path):
    for seed, name in enumerate(("one", "two")):
        make_run(tmp_path / "r", name=name, seed=seed)
    alone = said_path(ferbench_cli("report", "one", "--results", "r").stdout)
    before = alone.read_bytes()
    beside = said_path(ferbench_cli("report", "one", "--baseline", "two", "--results", "r").stdout)
    assert beside != alone
    assert alone.read_bytes() == before
    among = ferbench_cli("report", "one", "two", "--baseline", "two", "--results", "r").stdout
    assert said_path(among) == beside


def test_every_table_is_written_as_csv_and_latex(ferbench_cli, tmp_path):
    run = make_run(tmp_path / "r", name="one", classes=("=cmd()", "b"))
    done = ferbench_cli("report", "one", "--results", "r", "--tables", "t")
    assert done.exit_code == 0, done.stderr
    names = {path.name for path in Path("t").iterdir()}
    stems = {Path(name).stem for name in names}
    assert names == {f"{stem}{suffix}" for stem in stems for suffix in (".csv", ".tex")}
    with (Path("t") / f"scores-{run.path.name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["'=cmd()", "b", "macro average", "weighted average"]
    test = next(e for e in read_record(run)["evaluations"].values() if e["split"] == "test")
    assert float(rows[1]["f1"]) == test["per_class"]["b"]["f1"]


@pytest.mark.slow
def test_every_figure_is_written_as_png_and_svg(ferbench_cli, tmp_path, missing):
    import shutil

    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        missing("a browser: apt-get install chromium")
    run = make_run(tmp_path / "r", name="one", classes=("a", "b"))
    done = ferbench_cli("report", "one", "--results", "r", "--figures", "f")
    assert done.exit_code == 0, done.stderr
    names = {path.name for path in Path("f").iterdir()}
    short = run.path.name
    stems = {f"confusion-plot-{short}-{view}" for view in ("row-percent", "column-percent", "counts")}
    stems |= {f"{name}-{short}" for name in ("reliability", "risk", "roc", "pr")}
    stems |= {f"curve-{name}-{short}" for name in ("loss", "accuracy", "macro-f1", "class-f1")}
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in Path("f").glob("*.png"))
    assert all(b"<svg" in path.read_bytes()[:200] for path in Path("f").glob("*.svg"))


def test_figures_without_a_browser_are_one_clear_line_and_the_page_is_there(ferbench_cli, tmp_path, monkeypatch):
    make_run(tmp_path / "r", name="one")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    done = ferbench_cli("report", "one", "--results", "r", "--figures", "f")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 2
    assert "no figures were written" in done.stderr
    assert said_path(done.stdout).is_file()
    assert not Path("f").exists()


def test_open_shows_the_page(ferbench_cli, tmp_path, monkeypatch):
    make_run(tmp_path / "r", name="one")
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    done = ferbench_cli("report", "one", "--results", "r", "--open")
    assert done.exit_code == 0
    assert opened == [said_path(done.stdout).resolve().as_uri()]


def test_open_without_a_browser_says_where_the_page_is(ferbench_cli, tmp_path, monkeypatch):
    make_run(tmp_path / "r", name="one")
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    done = ferbench_cli("report", "one", "--results", "r", "--open")
    assert done.exit_code == 2
    assert str(said_path(done.stdout)) in done.stderr


def test_watch_follows_a_run_to_its_end(ferbench_cli, tmp_path, monkeypatch):
    monkeypatch.setattr("ferbench.cli.report._LOOK", 0.05)
    run = make_run(tmp_path / "r", name="one", status="running", epochs=2)
    pages = []
    written = []

    def train():
        with only_writer(run):
            ready.set()
            seen.wait(20)
            run.append_history(run.epochs()[-1].model_copy(update={"epoch": 3}))
            again.wait(20)
            write_record(run, {**read_record(run), "status": "failed", "error": {"message": "the end"}})

    ready, seen, again = threading.Event(), threading.Event(), threading.Event()

    from ferbench.report import page

    real = page.report_page

    def report_page(report, *, refresh=None):
        text = real(report, refresh=refresh)
        pages.append(refresh)
        written.append(text)
        (seen if len(pages) == 1 else again).set()
        return text

    monkeypatch.setattr(page, "report_page", report_page)
    trainer = threading.Thread(target=train)
    trainer.start()
    ready.wait(20)
    done = ferbench_cli("report", "one", "--watch", "--results", "r")
    trainer.join(20)
    assert done.exit_code == 0, done.stderr
    assert pages[:2] == [5, 5]
    assert pages[-1] is None
    assert ['<th scope="row">3</th>' in text for text in written[:2]] == [False, True]
    assert "This run is failed: the end" in written[-1]


def test_watch_says_that_nobody_works_on_a_run(ferbench_cli, tmp_path):
    make_run(tmp_path / "r", name="one", status="running")
    done = ferbench_cli("report", "one", "--watch", "--results", "r")
    assert done.exit_code == 0
    assert "no process is at work on it" in done.stderr


@pytest.mark.parametrize("arguments", [("none",), ("one", "--baseline", "none")])
def test_a_run_that_is_not_there_is_a_clear_error(arguments, ferbench_cli, tmp_path):
    make_run(tmp_path / "r", name="one")
    done = ferbench_cli("report", *arguments, "--results", "r")
    assert done.exit_code == 2
    assert "there is no run 'none'" in done.stderr
    assert not Path("r/reports").exists()


def test_the_recipe_in_the_page_is_valid_toml(ferbench_cli, tmp_path):
    import html
    import re

    make_run(tmp_path / "r", name='"quoted" <name>')
    done = ferbench_cli("report", '"quoted" <name>', "--results", "r")
    text = said_path(done.stdout).read_text()
    recipe = html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", text, re.S)[1])
    assert tomllib.loads(recipe)["name"] == '"quoted" <name>'
