"""The script that makes the table of transfer, on tiny runs of a recipe like it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd
import pytest

import ferbench as fb

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

RECIPE = """
[dataset]
name = "synthetic-faces"
size = 16
train = 140
test = 35

[data]
image_size = 16

[model]
name = "cnn4"
widths = [4, 4, 4, 4]
units = 4
weights = "w.safetensors"

[training]
epochs = 1
batch_size = 64

[grid]
training.seed = [0, 1]

[variants.pretrained]
training.epochs = 0

[variants.untrained]
training.epochs = 0
model.weights = "none"

[variants.full]

[variants.scratch]
model.weights = "none"

[variants.weighted]
loss = "weighted-cross-entropy"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """The recipe, and a results directory with its runs and the probes of those that trained nothing."""
    import torch
    from safetensors.torch import save_file

    from ferbench import Task
    from ferbench_builtin.models.cnn4 import cnn4

    folder = tmp_path_factory.mktemp("transfer")
    recipe, results = folder / "recipe.toml", folder / "results"
    torch.manual_seed(0)
    weights = folder / "w.safetensors"
    save_file(cnn4(Task(tuple("abcdefg"), 1, 16, 16, (1,) * 7), widths=(4, 4, 4, 4), units=4).state_dict(), weights)
    recipe.write_text(RECIPE.replace("w.safetensors", str(weights)), encoding="utf-8")
    runs = fb.run(recipe=recipe, results=results, cache=folder / "cache", progress=False)
    for run in runs:
        if run.settings["training.epochs"] == 0 and (run.seed == 0 or run.settings["model.weights"] == "none"):
            for probe in ("linear", "knn"):
                fb.evaluate(run, probe=probe, cache=folder / "cache")
    return recipe, results


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(RESULTS)
    return importlib.import_module("transfer")


def test_a_row_a_variant_and_probe(script, made):
    table = script.table(made[1], script.Experiments(made[0]))
    assert table[["variant", "probe", "seeds"]].fillna("").values.tolist() == [
        ["pretrained", "linear", 1],
        ["pretrained", "knn", 1],
        ["untrained", "linear", 2],
        ["untrained", "knn", 2],
        ["full", "", 2],
        ["scratch", "", 2],
        ["weighted", "", 2],
    ]
    runs = fb.load_results(made[1]).where({"name": "full*"})
    row = table[table["variant"] == "full"].iloc[0]
    accuracies = [run.metrics("test")["accuracy"] for run in runs]
    assert row["accuracy"] == pytest.approx(sum(accuracies) / 2)
    assert row["against"] == "scratch"
    scratch = table[table["variant"] == "scratch"].iloc[0]
    assert row["difference"] == pytest.approx(row["macro_f1"] - scratch["macro_f1"], abs=1e-6)
    probed = fb.load_results(made[1]).frame()
    of_probe = probed[(probed["evaluation.probe"] == "knn") & (probed["model.weights"] == "none")]
    knn = table[(table["variant"] == "untrained") & (table["probe"] == "knn")].iloc[0]
    assert knn["macro_f1"] == pytest.approx(of_probe["macro_f1"].mean())


def test_missing_tests_are_named_and_left_out_only_when_told_so(script, made, tmp_path, capsys):
    recipe, output = tmp_path / "recipe.toml", tmp_path / "transfer.csv"
    recipe.write_text(made[0].read_text() + '\n[variants.adaptive]\nsampler = "adaptive"\n', encoding="utf-8")
    arguments = [str(made[1]), "--recipe", str(recipe), "--output", str(output)]
    assert script.main(arguments) == 2
    assert "2 of 14 tests are missing: adaptive with seed 0, adaptive with seed 1" in capsys.readouterr().err
    assert not output.exists()
    assert script.main([*arguments, "--partial"]) == 0
    assert len(pd.read_csv(output)) == 7


def test_every_variant_of_the_recipe_is_told_from_the_others(script):
    experiments = script.Experiments(script.RECIPE)
    assert set(script.AGAINST) | set(script.AGAINST.values()) < set(experiments.settings)
    for name, settings in experiments.settings.items():
        assert experiments.variant({"run": "a run", **settings}) == name
    assert len(experiments.places) == 2 * 1 + 2 * 3 + 6 * 3
