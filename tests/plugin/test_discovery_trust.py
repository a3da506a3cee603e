"""Whose code runs: no third party's with ``FERBENCH_PLUGINS=''``, and what ran is in the record."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from record_files import read_record

from ferbench.cli import COMMANDS
from ferbench.runs.find import find_run

ROOT = Path(__file__).parents[2]

PLUGIN = """
import ferbench
open({trace!r}, "a").write("imported\\n")

@ferbench.hookimpl
def ferbench_models():
    yield ferbench.ModelSpec("their-net", build="{module}:net", summary="A line")

def net(task: ferbench.Task):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(task.channels * task.height * task.width, task.num_classes))
"""

SMALL = ["--set", "dataset.train=30", "--set", "dataset.test=14", "--set", "dataset.size=16", "--cache", "cache"]
SMALL += ["--set", "data.image_size=16", "--set", "training.epochs=1", "--no-report", "--quiet"]


@pytest.fixture
def trace(tmp_path, monkeypatch):
    """A file that is there once the plugin of the distribution ``theirs`` 1.5 has been imported."""
    site, trace = tmp_path / "site", tmp_path / "trace"
    (site / "theirs-1.5.dist-info").mkdir(parents=True)
    (site / "theirs-1.5.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.5\n")
    (site / "theirs-1.5.dist-info" / "entry_points.txt").write_text("[ferbench]\ntheirs = theirs_plugin\n")
    (site / "theirs_plugin.py").write_text(PLUGIN.format(trace=str(trace), module="theirs_plugin"))
    monkeypatch.syspath_prepend(site)
    yield trace
    sys.modules.pop("theirs_plugin", None)


#: Each command, told to do its work; those that need runs find ``one`` and ``two``.
WORK = {
    "run": [
        ["run", "--model", "linear", "--seed", str(seed), "--name", name, *SMALL]
        for seed, name in enumerate(("one", "two"))
    ],
    "plan": [["plan", "recipe.toml", "--seed", "7", *SMALL[:-2], "-o", "plan.toml"]],
    "resume": [["resume", "one", "--cache", "cache", "--quiet"]],
    "tune": [
        [
            "tune",
            "--model",
            "linear",
            "--trials",
            "1",
            "--search",
            "optimizer.lr=0.001,0.01",
            "--only",
            "--seeds",
            "0",
            *SMALL,
        ]
    ],
    "evaluate": [["evaluate", "one", "--set", "evaluation.tta=flip", "--cache", "cache", "--quiet"]],
    "lineage": [["lineage", "one"]],
    "ensemble": [["ensemble", "one", "two"]],
    "predict": [["predict", "one", "face.png"]],
    "timeline": [["timeline", "one", "face.png"]],
    "report": [["report", "one", "-o", "page.html"]],
    "leaderboard": [["leaderboard"]],
    "compare": [["compare", "one", "two"]],
    "import": [["import", "theirs.csv", "--like", "one"]],
    "export": [["export", "one", "--predictions", "out.csv"]],
    "runs": [
        ["runs", "list"],
        ["runs", "show", "one"],
        ["runs", "verify"],
        ["runs", "rm", "one", "--dry-run"],
        ["runs", "trim", "--dry-run"],
    ],
    "cache": [["cache", "list", "--cache", "cache"], ["cache", "rm", "--all", "--dry-run", "--cache", "cache"]],
    "doctor": [["doctor", "--cache", "cache"]],
    "audit": [["audit", "table", "published.csv"]],
    "plugins": [["plugins", "list"], ["plugins", "show", "basic-cnn"], ["plugins", "check", "cosine"]],
    "completion": [["completion", "bash"]],
}


def test_every_command_is_tried():
    """Add a new command's work to WORK."""
    assert set(WORK) == set(COMMANDS)


def test_no_command_imports_a_third_partys_module_when_told_so(ferbench_cli, tmp_path, trace):
    from PIL import Image

    Image.new("L", (16, 16)).save(tmp_path / "face.png")
    (tmp_path / "published.csv").write_text(
        "class,precision,recall,f1,support\nhappy,0.5,0.5,0.5,10\nsad,0.5,0.5,0.5,10\n"
    )
    (tmp_path / "recipe.toml").write_text('name = "mine"\n[model]\nname = "linear"\n[loss]\nname = "focal"\n')
    (tmp_path / "theirs.csv").write_text("id,predicted\n" + "".join(f"test-{i:06d},happy\n" for i in range(14)))
    for command, calls in WORK.items():
        for arguments in calls:
            done = ferbench_cli(*arguments, env={"FERBENCH_PLUGINS": ""})
            assert done.exit_code == 0, (arguments, done.stderr)
            assert not trace.exists(), (command, arguments)
            assert "theirs_plugin" not in sys.modules
    ferbench_cli("plugins", "list")
    assert trace.exists()  # the trap does snap


def test_completion_imports_no_third_partys_module_when_told_so(ferbench_cli, trace):
    words = {"_FERBENCH_COMPLETE": "bash_complete", "COMP_WORDS": "ferbench run --model ", "COMP_CWORD": "3"}
    done = ferbench_cli(env={**words, "FERBENCH_PLUGINS": ""}, fresh=True)
    assert "linear" in done.stdout
    assert not trace.exists()


def test_a_local_plugin_is_loaded_only_when_it_is_named(ferbench_cli, tmp_path, trace):
    local = tmp_path / "mine.py"
    seen = tmp_path / "seen"
    local.write_text(PLUGIN.format(trace=str(seen), module="mine"))
    ferbench_cli("plugins", "list", env={"FERBENCH_PLUGINS": ""})
    assert not seen.exists()
    done = ferbench_cli("plugins", "list", "--plugin", "mine.py", env={"FERBENCH_PLUGINS": ""})
    assert "their-net" in done.stdout
    assert seen.exists()
    assert not trace.exists()


def test_the_record_has_version_and_source_of_every_plugin(ferbench_cli, tmp_path, trace):
    local = tmp_path / "mine.py"
    local.write_text(PLUGIN.format(trace=str(tmp_path / "seen"), module="mine").replace("their-net", "my-net"))
    only = {"FERBENCH_PLUGINS": "theirs"}  # whatever else is installed here
    done = ferbench_cli("run", "--model", "my-net", "--plugin", "mine.py", "--name", "one", *SMALL, env=only)
    assert done.exit_code == 0, done.stderr
    record = read_record(find_run(tmp_path / "results", "one"))
    plugins = {one["name"]: one for one in record["plugins"]}
    assert set(plugins) == {"builtin", "theirs", "mine"}
    assert plugins["theirs"]["version"] == "1.5"
    assert plugins["mine"]["version"] == "local"
    assert plugins["mine"]["origin"] == "mine.py"

    def of_file(path):
        """As `digest_sources` says it: lengths, name and content of the file."""
        name, content = path.name.encode(), path.read_bytes()
        return hashlib.sha256(b"%d:%s%d:%s" % (len(name), name, len(content), content)).hexdigest()

    assert plugins["mine"]["source"] == of_file(local)
    assert plugins["theirs"]["source"] == of_file(tmp_path / "site" / "theirs_plugin.py")
    assert len(plugins["builtin"]["source"]) == 64
    assert record["components"]["model"]["source"] == plugins["mine"]["source"]
    assert "theirs" in json.dumps(record["plugins"])


def test_an_edited_plugin_is_another_source(ferbench_cli, tmp_path, trace):
    ids, sources = set(), set()
    for line in ("", "# another\n"):
        local = tmp_path / "mine.py"
        local.write_text(
            PLUGIN.format(trace=str(tmp_path / "seen"), module="mine").replace("their-net", "my-net") + line
        )
        done = ferbench_cli("run", "--model", "my-net", "--plugin", "mine.py", "--json", *SMALL)
        assert done.exit_code == 0, done.stderr
        (outcome,) = json.loads(done.stdout)
        ids.add(outcome["training_id"])
        record = read_record(find_run(tmp_path / "results", outcome["run"]))
        sources |= {one["source"] for one in record["plugins"] if one["name"] == "mine"}
    assert len(ids) == len(sources) == 2


def test_a_distribution_of_several_modules_is_covered_whole(ferbench_cli, tmp_path, monkeypatch):
    """As ferbench-transformers is laid out: a package whose plugin module names others."""
    about, package = tmp_path / "site" / "wide-2.0.dist-info", tmp_path / "site" / "wide_package"
    about.mkdir(parents=True)
    package.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: wide\nVersion: 2.0\n")
    (about / "entry_points.txt").write_text("[ferbench]\nwide = wide_package.plugin\n")
    text = PLUGIN.format(trace=str(tmp_path / "seen"), module="wide_package.net")
    (package / "__init__.py").write_text("")
    (package / "plugin.py").write_text(text.partition("def net")[0])
    (package / "net.py").write_text("import ferbench\ndef net" + text.partition("def net")[2])
    monkeypatch.syspath_prepend(tmp_path / "site")
    sources = set()
    for number, line in enumerate(("", "# another\n")):
        (package / "net.py").write_text((package / "net.py").read_text() + line)
        run = ["run", "--model", "their-net", "--seed", str(number), "--name", f"run{number}", *SMALL]
        done = ferbench_cli(*run)
        assert done.exit_code == 0, done.stderr
        (wide,) = [
            one
            for one in read_record(find_run(tmp_path / "results", f"run{number}"))["plugins"]
            if one["name"] == "wide"
        ]
        assert wide["version"] == "2.0"
        sources.add(wide["source"])
    assert len(sources) == 2
    for name in ("wide_package", "wide_package.plugin", "wide_package.net"):
        sys.modules.pop(name, None)
