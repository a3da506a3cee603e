"""The script that makes the table of methods, on tiny runs of a recipe like it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

import ferbench as fb

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

RECIPE = """
[dataset]
name = "synthetic-faces"
size = 16
train = 70
test = 14

[data]
image_size = 16

[model]
name = "linear"

[optimizer]
name = "adam"
lr = 1e-3

[training]
epochs = 1
batch_size = 32

[grid]
data.label_noise = [0.0, 0.3]
training.seed = [0, 1]

[variants.cross-entropy]

[variants.focal]
loss = "focal"
"""


def load():
    spec = importlib.util.spec_from_file_location("methods", RESULTS / "methods.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """The recipe, and a results directory with its runs and those of cross-entropy adjusted."""
    folder = tmp_path_factory.mktemp("methods")
    recipe, results = folder / "recipe.toml", folder / "results"
    recipe.write_text(RECIPE, encoding="utf-8")
    runs = fb.run(recipe=recipe, results=results, cache=folder / "cache", progress=False)
    for run in runs:
        if run.settings["loss"] == "cross-entropy":
            fb.evaluate(run, postprocessing="logit-adjustment", cache=folder / "cache")
    return recipe, results


@pytest.fixture
def script(monkeypatch):
    """The script, for a recipe whose losses are tried at no other shares."""
    module = load()
    monkeypatch.setattr(module, "AT_OTHER_SHARES", ())
    return module


@pytest.fixture
def made_table(script, made) -> pd.DataFrame:
    return script.table(made[1], script.Methods(made[0]))


def test_a_row_a_method_and_share_of_wrong_labels(made_table):
    assert list(zip(made_table["method"], made_table["label_noise"], strict=True)) == [
        (method, share) for method in ("cross-entropy", "focal", "logit-adjusted") for share in (0.0, 0.3)
    ]
    assert set(made_table["seeds"]) == {2}
    assert set(made_table["n"]) == {14}


def test_means_and_deviations_are_those_of_the_runs(made_table, made):
    runs = fb.load_results(made[1]).where({"loss": "focal", "data.label_noise": 0.3})
    row = made_table[(made_table["method"] == "focal") & (made_table["label_noise"] == 0.3)].iloc[0]
    for metric in ("accuracy", "macro_f1", "balanced_accuracy"):
        one, other = (run.metrics("test")[metric] for run in runs)
        assert row[metric] == pytest.approx((one + other) / 2)
        assert row[f"{metric}_sd"] == pytest.approx(abs(one - other) / 2**0.5)
        one, other = (run.metrics("validation")[metric] for run in runs)
        assert row[f"validation_{metric}"] == pytest.approx((one + other) / 2)
    assert row["f1:happy"] == pytest.approx(sum(run.per_class.loc["happy", "f1"] for run in runs) / 2)


def test_adjusted_tests_are_apart_from_those_of_the_runs(made_table, made):
    tests = fb.load_results(made[1]).frame()
    adjusted = tests[tests["how"].str.contains("logit-adjustment") & (tests["data.label_noise"] == 0.3)]
    row = made_table[(made_table["method"] == "logit-adjusted") & (made_table["label_noise"] == 0.3)].iloc[0]
    assert len(adjusted) == 2
    assert row["accuracy"] == pytest.approx(adjusted["accuracy"].mean())


def test_the_file_is_the_table(script, made, tmp_path, capsys):
    arguments = [str(made[1]), "--recipe", str(made[0]), "--output", str(tmp_path / "methods.csv")]
    assert script.main(arguments) == 0
    assert len(pd.read_csv(tmp_path / "methods.csv")) == 6
    assert "6 rows" in capsys.readouterr().out


def test_missing_tests_are_named_and_left_out_only_when_told_so(made, tmp_path, capsys):
    arguments = [str(made[1]), "--recipe", str(made[0]), "--output", str(tmp_path / "methods.csv")]
    assert load().main(arguments) == 2
    assert "6 of 18 tests are missing: cross-entropy at 0.1 with seed 0," in capsys.readouterr().err
    assert not (tmp_path / "methods.csv").exists()
    assert load().main([*arguments, "--partial"]) == 0
    assert "without 6 tests" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("rows_digest", "v1:other", "rows_digest is"),
        ("training.epochs", 2, "training.epochs is"),
        ("optimizer.lr", 0.1, "optimizer.lr is"),
        ("contaminated", "predictions hang on the batch", "does not count: predictions hang on the batch"),
        ("config", "another", "focal at 0.3 has runs of 2 configurations"),
        ("seed", 0, "two runs are focal at 0.3 with seed 0"),
    ],
)
def test_what_cannot_stand_in_one_table_is_refused(script, made, key, value, why):
    frame = script.tests(made[1])
    where = (frame["loss"] == "focal") & (frame["data.label_noise"] == 0.3) & (frame["seed"] == 1)
    assert where.sum() == 1
    frame.loc[where, key] = value
    with pytest.raises(script.Unfit, match=why):
        script.chosen(frame, script.Methods(made[0]), partial=False)


def test_variants_that_the_recipe_does_not_tell_apart_are_refused(script, made, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE + '\n[variants.again]\nloss = "focal"\n', encoding="utf-8")
    with pytest.raises(script.Unfit, match="could be focal or again"):
        script.chosen(script.tests(made[1]), script.Methods(recipe), partial=False)


def test_every_method_of_the_recipe_is_told_from_the_others():
    script = load()
    methods = script.Methods(script.RECIPE)
    assert set(script.AT_OTHER_SHARES) < set(methods.settings)
    for name, settings in methods.settings.items():
        row = {"run": "a run", "own": True, **script.DEFAULTS, **settings}
        assert methods.method(row) == name
