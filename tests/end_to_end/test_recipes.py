"""Every recipe of benchmarks/recipes runs from its start to its report, at reduced size and on rendered faces."""

from __future__ import annotations

import json
import math
import re
import tomllib
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "benchmarks" / "recipes"
NAMES = sorted(path.stem for path in RECIPES.glob("*.toml"))
SYSTEMS = [name for name in NAMES if re.match(r"s\d-", name)]
CONTINUED = "s4-fear-continued"
CLASSES = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]

#: What makes any recipe small. Whatever is not named here is the recipe's own.
SMALL = {
    "dataset.size": 16,
    "dataset.train": 70,
    "dataset.test": 21,
    "data.protocol": "generated",
    "data.image_size": 16,
    "data.channels": 1,
    "training.epochs": 1,
    "training.batch_size": 16,
    "runtime.device": "cpu",
}
OF_MODEL = {
    "resnet18-small": {"dataset.train": 35},
    "basic-cnn": {},
    "linear": {},
    "cnn4": {"model.widths": [4, 4, 4, 4], "model.units": 8},
    "resnet9": {"model.width": 4, "data.image_size": 24, "training.start_size": 16},
    "hf-image-classifier": {"data.channels": 3},
    # bf16, which efficientnet-b0 keeps, takes 15 seconds more on a CPU without units for it.
    "resnet50": {"data.image_size": 32, "dataset.train": 35, "model.weights": "none", "training.precision": "float32"},
    "efficientnet-b0": {"data.image_size": 32, "dataset.train": 35, "model.weights": "none"},
}
OF_RECIPE = {
    "fer2013-best": {"schedule.warmup": 0, "training.precision": "float32"},
    "s4-pretrained": {"training.epochs": 0},
    "s5-resnet50": {"data.num_classes": 7},
    "s5-efficientnet-b0": {"data.num_classes": 7},
    "s5-resnet50-v2": {"data.num_classes": 7},
}


def table(name: str) -> dict:
    return tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A vision transformer with random weights, as transformers saves one."""
    import transformers  # here, since it takes seconds that the other recipes need not wait for

    folder = tmp_path_factory.mktemp("checkpoint")
    labels = dict(enumerate(reversed(CLASSES)))
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=16,
        patch_size=8,
        id2label=labels,
        label2id={label: row for row, label in labels.items()},
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


@pytest.fixture
def finish(ferbench_cli, tmp_path, request, transformers_plugin):
    """``finish(name, {"training.epochs": 2})`` gives the command that has run a recipe at reduced size."""

    def call(name: str, more: dict | None = None):
        model = table(name)["model"]["name"]
        sets = SMALL | OF_MODEL[model] | OF_RECIPE.get(name, {})
        flags = ("--results", tmp_path / "results", "--cache", tmp_path / "cache", "--json")
        if model == "hf-image-classifier":
            sets["model.checkpoint"] = request.getfixturevalue("checkpoint")
            flags = (*flags, *transformers_plugin)
        changes = [part for key, value in (sets | (more or {})).items() for part in ("--set", f"{key}={value}")]
        return ferbench_cli("run", RECIPES / f"{name}.toml", "--dataset", "synthetic-faces", *changes, *flags)

    return call


@pytest.fixture
def run(finish):
    """``run(name)`` gives the outcomes of a recipe's combinations."""

    def call(name: str, more: dict | None = None) -> list[dict]:
        finished = finish(name, more)
        assert finished.exit_code == 0, finished.stderr
        return json.loads(finished.stdout)

    return call


@pytest.mark.parametrize("name", [name for name in NAMES if name != CONTINUED and "grid" not in table(name)])
def test_a_recipe_trains_and_reports(name, run):
    (outcome,) = run(name)
    assert outcome["status"] == "done"
    assert outcome["name"] == name
    assert outcome["evaluations"]["test"]["n"] > 0
    assert Path(outcome["report"]).is_file()


def test_the_continued_run_starts_from_the_weights_of_the_former(run):
    (former,) = run("s4-disgust-surprise")
    (untouched,) = run(CONTINUED, {"training.epochs": 0})
    assert untouched["evaluations"]["test"]["metrics"] == former["evaluations"]["test"]["metrics"]
    (continued,) = run(CONTINUED)
    assert continued["status"] == "done"
    assert continued["training_id"] != untouched["training_id"]


def test_the_continued_run_without_the_former_says_what_to_give(finish):
    finished = finish(CONTINUED)
    assert finished.exit_code == 2
    assert "there is no run 's4-disgust-surprise'" in finished.stderr


def test_the_comparison_of_samplers_runs_each_with_each_seed(run):
    outcomes = run("sampler-comparison")
    samplers = table("sampler-comparison")["grid"]["sampler"]["name"]
    assert [outcome["status"] for outcome in outcomes] == ["done"] * 15
    assert len({outcome["config_id"] for outcome in outcomes}) == len(samplers) == 5


def test_the_comparison_of_methods_has_a_finite_run_of_each(ferbench_cli, tmp_path):
    # model.units is what variants differ in, and a flag would win over them.
    sets = {**SMALL, "model.widths": [4, 4, 4, 4]}
    changes = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    places = ("--results", tmp_path / "results", "--cache", tmp_path / "cache", "--json")
    small = ("--grid", "data.label_noise=0.3", "--seed", "0")
    done = ferbench_cli("run", RECIPES / "methods.toml", "--dataset", "synthetic-faces", *changes, *small, *places)
    assert done.exit_code == 0, done.stderr
    outcomes = {outcome["name"]: outcome for outcome in json.loads(done.stdout)}
    assert set(outcomes) == set(table("methods")["variants"])
    assert {outcome["status"] for outcome in outcomes.values()} == {"done"}
    assert len({outcome["training_id"] for outcome in outcomes.values()}) == len(outcomes)
    for outcome in outcomes.values():
        metrics = outcome["evaluations"]["test"]["metrics"]
        assert all(math.isfinite(metrics[key]) for key in ("loss", "accuracy", "macro_f1"))


def test_the_classical_baselines_are_six_estimators_that_can_be_fitted(ferbench_cli, tmp_path):
    data = {"dataset.size": 16, "dataset.train": 400, "data.protocol": "generated", "data.image_size": 16}
    changes = [part for key, value in data.items() for part in ("--set", f"{key}={value}")]
    start = ("run", RECIPES / "classical.toml", "--dataset", "synthetic-faces", *changes, "--dry-run", "--json")
    planned = json.loads(ferbench_cli(*start, "--cache", tmp_path / "cache").stdout)
    assert [entry["varied"]["model"] for entry in planned] == table("classical")["grid"]["model"]["name"]
    assert {entry["action"] for entry in planned} == {"run"}
    assert len({entry["training_id"] for entry in planned}) == 6


def test_the_study_of_adaptive_sampling_tries_focus_and_boost(ferbench_cli, tmp_path):
    sets = SMALL | OF_MODEL["cnn4"]
    changes = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    places = ("--results", tmp_path / "results", "--cache", tmp_path / "cache", "--json")
    start = ("tune", RECIPES / "tune-adaptive.toml", "--dataset", "synthetic-faces", *changes, *places)
    space = json.loads(ferbench_cli(*start, "--dry-run").stdout)["space"]
    bounds = {one["key"]: (one["low"], one["high"]) for one in space if "value" not in one}
    assert bounds == {"sampler.focus": (1, 4), "sampler.boost": (1.5, 6)}
    done = ferbench_cli(*start, "--trials", "1", "--seeds", "0")
    assert done.exit_code == 0, done.stderr
    (best,) = json.loads(done.stdout)["finalists"]
    assert set(best["chosen"]) == set(bounds)
    assert len(best["runs"]) == 1


def header(name: str) -> list[str]:
    """The paragraphs of the comment that a recipe begins with."""
    text = (RECIPES / f"{name}.toml").read_text(encoding="utf-8").partition("\n\n")[0]
    return [" ".join(part.replace("\n#", " ").split()) for part in text.removeprefix("#").split("\n#\n#")]


def percentages(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)? %", text))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_header_says_system_command_what_was_reported_and_what_differs(name):
    first, command, *rest = header(name)
    assert first.startswith(f"System {name[:2].upper()}: ")
    assert command.startswith(f"ferbench run benchmarks/recipes/{name}.toml --data DIR")
    assert [sum(part.startswith(word) for part in rest) for word in ("Reported: ", "Differs: ")] == [1, 1]
    assert table(name)["name"] == name


README_ROWS = {
    row[0].strip(" `").removesuffix(".toml"): row
    for line in (RECIPES / "README.md").read_text(encoding="utf-8").splitlines()
    if len(row := line.strip("|").split("|")) == 5
}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_has_a_row_in_the_readme_with_its_headers_figures(name):
    """Add a row to the table in benchmarks/recipes/README.md, with what the header's "Reported" says."""
    assert name in README_ROWS
    (reported,) = [part for part in header(name) if part.startswith("Reported: ")] or [""]
    stated = percentages(README_ROWS[name][3])
    assert stated <= percentages(reported)
    assert bool(stated) == bool(percentages(reported))
