"""The tutorial, done from its first line to its last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from followed import DOCS, FACES, SMALL, do, text_of
from made_images import draw

ROOT = DOCS.parent


def fer2013(folder: Path) -> None:
    """`fer2013.csv` with a few rows of noise for each class and part."""
    noise = np.random.default_rng(0)
    rows = ["emotion,pixels,Usage"]
    for part, count in (("Training", 4), ("PublicTest", 2), ("PrivateTest", 2)):
        for label in list(range(7)) * count:
            rows.append(f"{label},{' '.join(map(str, noise.integers(0, 256, 48 * 48)))},{part}")
    folder.mkdir()
    (folder / "fer2013.csv").write_text("\n".join(rows) + "\n")


def test_first_run(ferbench_cli, tmp_path):
    fer2013(tmp_path / "DIR")
    draw(tmp_path / "my-pictures" / "one.png", size=(48, 48))
    demo = "ferbench run benchmarks/recipes/demo.toml"
    assert f"\n\t$(BIN)/{demo}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")

    def small(arguments):
        return SMALL if {"fer2013", "three-emotions.toml"} & set(arguments) else (*SMALL, *FACES)

    def run_the_demo():
        finished = ferbench_cli("run", ROOT / "benchmarks" / "recipes" / "demo.toml", *SMALL, *FACES)
        assert "macro average" in finished.stdout

    others = {"make demo": run_the_demo, "source .venv/bin/activate": lambda: None}
    printed = do(ferbench_cli, tmp_path, text_of("tutorial/first-run.md"), small, others)
    tables = {line: text.count("macro average") for line, text in printed.items() if line.startswith("ferbench run")}
    assert list(tables.values()) == [0, 4, 1, 1, 3]
    assert printed["ferbench leaderboard"].count("linear") == 1
    assert "one.png" in printed["ferbench predict first my-pictures/ --format csv"]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """What ``pip install -e se-net`` does: the package's modules and entry points are on the path."""

    def install():
        from importlib import invalidate_caches

        about = tmp_path / "site" / "ferbench_se_net-0.1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ferbench-se-net\nVersion: 0.1.0\n")
        (about / "entry_points.txt").write_text("[ferbench]\nse-net = ferbench_se_net.plugin\n")
        monkeypatch.syspath_prepend(tmp_path / "site")
        monkeypatch.syspath_prepend(tmp_path / "se-net")
        invalidate_caches()

    return install


def test_first_plugin(ferbench_cli, tmp_path, installed):
    def command_line(*arguments):
        for name in [name for name in sys.modules if name.startswith("ferbench_se_net")]:
            del sys.modules[name]  # each command is a process of its own to a reader
        return ferbench_cli(*arguments)

    def run_pytest():
        paths = os.pathsep.join(filter(None, sys.path))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "se-net"]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout

    others = {"pip install -e 'se-net[test]'": installed, "pytest se-net": run_pytest}
    page = text_of("tutorial/first-plugin.md")
    printed = do(command_line, tmp_path, page, (*SMALL, *FACES), others)
    tables = [text.count("macro average") for line, text in printed.items() if line.startswith("ferbench run")]
    assert tables == [2, 6, 3, 3]
    assert "hidden unit of a gate" in printed["ferbench plugins show se-net"]
    board = printed["ferbench leaderboard"]
    assert board.count("se-net") == 2
    assert "model.reduction" in board
    assert "over seeds (3 and 3) and samples" in printed["ferbench compare gated basic"]
