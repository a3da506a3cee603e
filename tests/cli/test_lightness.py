"""What a command imports, seen from a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from made_images import draw
from made_records import made_record, write_runs
from made_runs import make_run
from record_files import read_record, write_record

from ferbench.cli import COMMANDS
from ferbench.ids import short
from ferbench.records.identity import config_id, training_id
from ferbench.runs import index
from ferbench.runs.directory import RunDirectory

#: Not for help or completion.
HEAVY = {
    "numpy",
    "optuna",
    "pandas",
    "plotly",
    "pydantic",
    "scipy",
    "sklearn",
    "timm",
    "torch",
    "torchvision",
}

PROBE = """
import json, sys
from ferbench.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print("\\n" + json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def imported(*arguments: str, codes: tuple[int | None, ...] = (0, None), **environment: str) -> set[str]:
    """Top-level modules that ferbench has imported when it ends, with one of the codes."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code in codes, done.stderr
    assert "ferbench" in modules
    return set(modules)


def test_help_imports_no_command_and_nothing_heavy():
    modules = imported("--help")
    assert not HEAVY & modules
    assert "rich" not in modules


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command):
    assert not HEAVY & imported(command, "--help")


@pytest.mark.parametrize("words", ["ferbench ", "ferbench plugins show ", "ferbench plugins show --kind "])
def test_completion_imports_nothing_heavy(words):
    modules = imported(_FERBENCH_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split())))
    assert not HEAVY & modules


def test_listing_plugins_imports_nothing_heavy():
    assert not HEAVY & imported("plugins", "list")


@pytest.mark.parametrize("form", ["terminal", "md", "csv", "json", "latex"])
def test_the_leaderboard_imports_nothing_heavy(tmp_path, monkeypatch, form):
    write_runs(tmp_path, made_record("a"))
    monkeypatch.setattr(index, "_RACY_NS", -(10**18))  # keep also records as young as this one
    index.summaries(tmp_path)
    modules = imported("leaderboard", "--results", str(tmp_path), "--format", form)
    assert not (HEAVY - {"numpy", "pandas"}) & modules


def test_a_report_trains_nothing_and_imports_no_torch(tmp_path):
    make_run(tmp_path, name="one")
    modules = imported("report", "one", "--results", str(tmp_path), "--output", str(tmp_path / "page.html"))
    assert not (HEAVY - {"numpy", "plotly", "pydantic"}) & modules


#: What computes the metrics of a record, and what it imports.
METRICS = {"pandas", "scipy", "sklearn"}


@pytest.mark.parametrize(
    "words", [["list"], ["show", "one"], ["verify", "--quiet"], ["rm", "one", "--yes"]], ids=" ".join
)
def test_looking_after_runs_imports_no_torch(tmp_path, words):
    run = make_run(tmp_path, name="one", status="interrupted")
    covers = read_record(run)["identity"]["covers"]
    training = training_id(covers)
    record = read_record(run)
    record["identity"] |= {"training_id": training, "config_id": config_id(covers)}
    run.path.rename(run.path.with_name(short(training)))
    write_record(RunDirectory(run.path.with_name(short(training))), record)
    modules = imported("runs", *words, "--results", str(tmp_path))
    assert not (HEAVY - {"numpy", "pydantic"} - (METRICS if words[0] == "verify" else set())) & modules


def test_an_ensemble_runs_no_model_and_imports_no_torch(tmp_path):
    for seed in (0, 1):
        run = make_run(tmp_path, name=f"member-{seed}", seed=seed)
        record = read_record(run)
        for entry in record["evaluations"].values():
            record["data"][f"{entry['split']}_digest"] = entry["rows_digest"]
            entry["options"] = {"tta": "none"}
        write_record(run, record)
    modules = imported("ensemble", "member-0", "member-1", "--results", str(tmp_path))
    assert not (HEAVY - {"numpy", "pydantic"} - METRICS) & modules


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_a_missing_image_is_said_before_torch_is_imported(tmp_path, command):
    make_run(tmp_path, name="one")
    assert "torch" not in imported(command, "one", "nothing.png", "--results", str(tmp_path), codes=(2,))


#: Of a command line that would train, by what is wrong with it.
WRONG = {
    "data": ["--data", "nowhere"],
    "results": ["--results", "data/train/happy/0.png/results"],
    "cache": ["--cache", "data/train/happy/0.png/cache"],
    "field": ["--set", "training.epoch=1"],
    "value": ["--set", "training.epochs=ten"],
    "metric": ["--set", "training.select=foo"],
    "metric of a plugin": ["--set", "evaluation.metrics=[foo]"],
    "option": ["--set", "optimizer.learning_rate=0.1"],
    "value of an option": ["--set", "optimizer.lr=-1"],
    "device": ["--set", "runtime.device=gpu"],
    "run to start from": ["--from", "nobody"],
    "teacher": ["--loss", "distillation", "--set", "training.teacher=nobody"],
    "sampler": ["--sampler", "shufled"],
    "class": ["--set", "data.classes=[happy,sadd]"],
}


@pytest.mark.parametrize(
    ("command", "wrong"), [*(("run", wrong) for wrong in WRONG), *(("tune", wrong) for wrong in ("data", "metric"))]
)
def test_a_mistake_is_said_before_torch_is_imported(tmp_path, monkeypatch, command, wrong):
    monkeypatch.chdir(tmp_path)
    for place, seed in zip(("train/happy", "train/sad", "test/happy", "test/sad"), range(4), strict=True):
        for number in range(5):
            draw(tmp_path / "data" / place / f"{number}.png", 10 * number + seed)
    usual = ["--dataset", "folder", "--data", "data", "--model", "basic-cnn", "--results", "results"]
    modules = imported(command, *usual, *WRONG[wrong], codes=(2,), FERBENCH_CACHE=str(tmp_path / "cache"))
    assert not {"torch", "timm", "torchvision", "sklearn"} & modules
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ["nobody"],
        ["one", "--data", "nowhere"],
        ["one", "--set", "evaluation.ttaa=flip"],
        ["one", "--set", "runtime.device=gpu"],
        ["ensemble"],
    ],
    ids=" ".join,
)
def test_a_mistake_in_an_evaluation_is_said_before_torch_is_imported(tmp_path, wrong):
    make_run(tmp_path, name="one", dataset="folder", model="basic-cnn")
    run = make_run(tmp_path, name="ensemble", seed=1)
    record = read_record(run)
    write_record(run, {**record, "kind": "ensemble"})
    modules = imported("evaluate", wrong[0], "--dataset", "folder", *wrong[1:], "--results", str(tmp_path), codes=(2,))
    assert "torch" not in modules


@pytest.mark.parametrize("wrong", [["nobody", "a.png"], ["one", "a.png", "--device", "gpu"]], ids=" ".join)
@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_a_mistake_in_a_prediction_is_said_before_torch_is_imported(tmp_path, monkeypatch, command, wrong):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "a.png")
    make_run(tmp_path, name="one")
    assert "torch" not in imported(command, *wrong, "--results", str(tmp_path), codes=(2,))


def test_the_doctor_imports_no_torch_unless_it_is_asked_to(tmp_path):
    places = ("--results", str(tmp_path), "--cache", str(tmp_path / "cache"))
    assert not {"torch", "torchvision", "pandas", "sklearn", "optuna"} & imported("doctor", *places, codes=(0, None, 1))
    assert {"torch", "torchvision"} <= imported("doctor", "--torch", *places, codes=(0, None, 1))


def test_progress_of_a_training_is_there_before_torch():
    code = "import sys, ferbench.cli.progress, ferbench.cli.grid_progress; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_ferbench_imports_nothing_heavy():
    code = "import json, sys, ferbench; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(done.stdout))


def test_a_frame_of_results_imports_no_torch(tmp_path):
    make_run(tmp_path, name="one")
    code = (
        "import json, sys, ferbench; ferbench.load_results(sys.argv[1]).frame(); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert not (HEAVY - {"numpy", "pandas", "pydantic"}) & set(json.loads(done.stdout))
