"""From recipes and flags to grids."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.errors import UserError
from ferbench.experiment.recipe import Recipe
from ferbench.experiment.run_names import name_runs
from ferbench.experiment.settings import FIELDS, build_recipe, grid, parse_value, place, read_recipe, split_paths


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("1e-3", 1e-3),
        ("true", True),
        ("happy", "happy"),
        ('"10"', "10"),
        ("[neutral,happy,surprise]", ["neutral", "happy", "surprise"]),
        ("[1, 2]", [1, 2]),
        ("public-test", "public-test"),
        ("1/5", "1/5"),
        ("", ""),
        ("f1:disgust", "f1:disgust"),
    ],
)
def test_a_value_is_toml_or_else_text(text, value):
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.one_of(st.integers(), st.booleans(), st.lists(st.integers(), max_size=4)))
def test_what_toml_can_write_comes_back(value):
    assert parse_value(str(value).lower() if isinstance(value, bool) else str(value)) == value


def test_flags_win_over_sets_over_the_recipe_over_defaults():
    raw = {"training": {"epochs": 3, "batch_size": 16}, "model": {"name": "linear"}}
    (settings,) = grid(raw, sets=["training.epochs=4", "model.name=other"], components={"model": ["basic-cnn"]})
    recipe = build_recipe(settings)
    assert recipe.training.epochs == 4
    assert recipe.training.batch_size == 16
    assert recipe.components["model"].name == "basic-cnn"
    assert recipe.components["loss"].name == "cross-entropy"


def test_two_models_two_seeds_and_two_batch_sizes_are_eight_runs():
    combinations = grid(
        {},
        axes=["training.batch_size=64,128"],
        components={"model": ["basic-cnn", "linear"]},
        fields={"training.seed": [0, 1]},
    )
    seen = {(r.model.name, r.training.seed, r.training.batch_size) for r in map(build_recipe, combinations)}
    assert len(combinations) == len(seen) == 8


def test_a_grid_of_lists_splits_outside_brackets():
    combinations = grid({}, axes=["data.classes=[happy,sad],[angry,fear]"])
    assert [build_recipe(c).data.classes for c in combinations] == [("happy", "sad"), ("angry", "fear")]


@pytest.mark.parametrize("line", ["training.seed = [0, 1]", '"training.seed" = [0, 1]'])
def test_a_grid_in_a_recipe_needs_no_quotes(tmp_path, line):
    path = tmp_path / "recipe.toml"
    path.write_text(f"[grid]\n{line}\n")
    assert [build_recipe(c).training.seed for c in grid(read_recipe(path))] == [0, 1]


def test_an_axis_without_values_is_named():
    with pytest.raises(UserError, match="has no values"):
        grid({}, axes=["training.seed="])


def test_a_recipe_may_hold_a_grid_and_a_set_replaces_its_axis():
    raw = {"grid": {"training.seed": [0, 1, 2]}}
    assert len(grid(raw)) == 3
    (settings,) = grid(raw, sets=["training.seed=5"])
    assert build_recipe(settings).training.seed == 5


def test_folds_are_the_last_axis_of_a_grid_and_nothing_of_a_run(tmp_path):
    axes = {"components": {"model": ["linear", "basic-cnn"]}, "no_folds": None}
    by_flag = grid({}, **axes, fields={"training.seed": [0, 1], "data.fold": ["1/3", "2/3", "3/3"]})
    path = tmp_path / "recipe.toml"
    path.write_text("[training]\nfolds = 3\n")
    seeds = {"training.seed": [0, 1]}
    assert grid(read_recipe(path), **axes, fields=seeds) == by_flag
    assert grid({}, sets=["training.folds=3"], **axes, fields=seeds) == by_flag
    assert [one["data"]["fold"] for one in by_flag[:3]] == ["1/3", "2/3", "3/3"]
    assert "folds" not in build_recipe(by_flag[0]).training.model_dump()


def test_a_set_of_folds_wins_over_the_recipe():
    assert len(grid({"training": {"folds": 5, "epochs": 3}}, sets=["training.folds=2"], no_folds=None)) == 2


@pytest.mark.parametrize(
    ("given", "message", "remedy"),
    [
        ({"sets": ["training.folds=1"]}, "training.folds = 1: not a whole number", "--set training.folds=5"),
        ({"sets": ["training.folds=x"]}, 'training.folds = "x": not a whole number', "--set training.folds=5"),
        ({"sets": ["training.folds=true"]}, "training.folds = true: not", "--set training.folds=5"),
        ({"sets": ["training.folds=2.5"]}, "training.folds = 2.5: not", "--set training.folds=5"),
        ({"sets": ["training.folds=3", "data.fold=1/3"]}, "data.fold = 1/3 is not", "leave one of them out"),
        (
            {"sets": ["training.folds=3"], "axes": ["data.fold=1/3,2/3"]},
            "data.fold = 1/3, 2/3",
            "leave one of them out",
        ),
        ({"sets": ["training.folds=3"], "fields": {"data.fold": ["1/3"]}}, "--folds is given too", "leave one of them"),
        ({"axes": ["training.folds=3,5"]}, "is no axis of a grid", "training.folds = 5"),
        ({"sets": ["training.fold=3"]}, "unknown option 'fold' for [training]", "did you mean 'folds'?"),
    ],
)
def test_mistakes_about_folds_are_named(given, message, remedy):
    with pytest.raises(UserError) as error:
        grid({}, **given, no_folds=None)
    assert message in error.value.message
    assert remedy in error.value.remedy


def test_where_there_can_be_no_grid_folds_are_refused():
    with pytest.raises(UserError, match=r"training.folds = 3 has no say here") as error:
        grid({}, sets=["training.folds=3"])
    assert "'ferbench run' runs every fold" in error.value.remedy


def test_a_flag_for_another_component_leaves_the_recipes_options_behind():
    raw = {"model": {"name": "basic-cnn", "dropout": 0.1}}
    (same,) = grid(raw, components={"model": ["basic-cnn"]})
    (other,) = grid(raw, components={"model": ["linear"]})
    assert build_recipe(same).model.options == {"dropout": 0.1}
    assert build_recipe(other).model.options == {}


def test_options_from_set_stay_whatever_the_component():
    raw = {"model": {"name": "basic-cnn", "dropout": 0.1}}
    (settings,) = grid(raw, sets=["model.width=3"], components={"model": ["linear"]})
    assert build_recipe(settings).model.options == {"width": 3}


@pytest.mark.parametrize(
    ("sets", "message", "remedy"),
    [
        (["training.epoch=3"], "unknown option 'epoch' for [training]", "did you mean 'epochs'?"),
        (["trainning.epochs=3"], "no section 'trainning'", "did you mean 'training'?"),
        (["epochs=3"], "not section.field=value", "training.epochs=10"),
        (["training.epochs"], "not section.field=value", "--set"),
        (["training.epochs=many"], '"many": must be a whole number', "to a whole number from 0 to 1000000,"),
        (["training.epochs=[1,2]"], "must be a whole number", "--grid training.epochs=v1,v2"),
        (["training.epochs=1.5"], "must be a whole number", "set training.epochs to a whole number from 0 to 1000000,"),
        (["data.classes=happy"], "must be a list", "--set data.classes=[a,b]"),
        (
            ["training.epochs=-1"],
            "training.epochs = -1: must be at least 0",
            "to a whole number from 0 to 1000000, in the",
        ),
        (["training.epochs=true"], "training.epochs = true: must be a whole number", "set training.epochs to"),
        (["data.validation=1.0"], "must be less than 1", "to a number, greater than 0 and less than 1,"),
        (["training.growing=2"], "must be at most 1", "to a number, greater than 0 and at most 1,"),
        (["training.mix_probability=-1"], "must be at least 0", "to a number from 0 to 1,"),
        (["data.channels=2"], "must be 1 or 3", "to 1 or 3,"),
        (["training.precision=fp8"], "must be 'float32', 'bf16' or 'fp16'", "to 'float32', 'bf16' or 'fp16',"),
        (["data.paths=x"], "must be a table", "to a table,"),
        (["data.classes=[happy]"], "at least two classes", "data.classes"),
        (["data.classes=[happy,happy]"], "named twice", "data.classes"),
        (["data.fold=6/5"], "is not i/k", "change data.fold"),
        (["training.seed=-1"], "must be at least 0", "to a whole number, at least 0 and less than 4294967296,"),
        (["loss.name=3"], "loss.name = 3: must be text", "change loss.name"),
    ],
)
def test_mistakes_are_named(sets, message, remedy):
    with pytest.raises(UserError) as error:
        for settings in grid({}, sets=sets):
            build_recipe(settings)
    assert message in error.value.message
    assert remedy in error.value.remedy


BOUNDED = {
    f"{section}.{name}": field
    for section in FIELDS
    for name, field in Recipe.model_fields[section].annotation.model_fields.items()
    if any(type(one).__name__ in ("Ge", "Gt", "Le", "Lt", "Interval") for one in field.metadata)
}


@pytest.mark.parametrize("key", BOUNDED)
def test_every_bounded_field_says_its_bounds_and_what_to_set(key):
    with pytest.raises(UserError) as error:
        build_recipe(next(iter(grid({}, sets=[f"{key}=-5"]))))
    assert re.fullmatch(rf"{re.escape(key)} = -5: must be (at least|greater than) [0-9]+", error.value.message)
    assert re.match(rf"set {re.escape(key)} to a (whole )?number\b.* in the recipe or with --set$", error.value.remedy)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "x" * 81, "é", 7])
def test_names_that_are_no_file_names_are_refused(name):
    with pytest.raises(UserError, match="run name"):
        build_recipe({"name": name})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training = 3", "'training' is not a table"),
        ("[trainig]\nepochs = 1", "no section 'trainig'"),
        ("epochs = [", "not valid TOML"),
        ("[grid]\n'training.seed' = 3", "[grid] takes lists"),
        ("name = " + "[" * 100_000, "64 levels"),
        ("name = " + "[" * 80 + "]" * 80, "64 levels"),
        (".".join("a" * 100) + " = 1", "64 levels"),
        (".".join("a" * 100_000) + " = 1", "99,999 dots"),
        ("name = " + "7" * 5000, "not valid TOML"),
        ("# " + "x" * 2**20, "1,048,576 bytes"),
    ],
    ids=range(10),
)
def test_a_broken_recipe_is_named(tmp_path, text, message):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_recipe(path)
    assert message in error.value.message


def test_a_recipe_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(UserError, match="cannot read recipe"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_recipe(tmp_path / "binary.toml")


def test_a_recipe_is_a_regular_file_a_link_to_one_or_what_the_process_was_given(tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "x"')
    (tmp_path / "link.toml").symlink_to("recipe.toml")
    assert read_recipe(tmp_path / "link.toml") == {"name": "x"}
    end, other = os.pipe()
    os.write(other, b'name = "x"')
    os.close(other)
    assert read_recipe(Path(f"/dev/fd/{end}")) == {"name": "x"}
    os.close(end)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(UserError, match="no regular file"):
            read_recipe(path)


def test_a_value_that_nests_too_deep_is_refused():
    with pytest.raises(UserError, match="64 levels"):
        parse_value("[" * 3000)
    assert parse_value("[[1], [2]]") == [[1], [2]]


def test_a_date_in_a_recipe_is_refused(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[training]\nepochs = 2026-01-01\n")
    with pytest.raises(UserError, match=r"training\.epochs = 2026-01-01: not a date"):
        build_recipe(read_recipe(path))


@pytest.mark.parametrize(
    ("given", "plain", "named"),
    [
        ([], None, {}),
        (["DIR"], "DIR", {}),
        (["one", "two"], "two", {}),
        (["fer2013=a", "raf-db=b=c", "raf-db=d"], None, {"fer2013": "a", "raf-db": "d"}),
        (["my-plugin:faces=/x", "rest"], "rest", {"my-plugin:faces": "/x"}),
        (["./seed=1", "Upper=1", "empty="], "empty=", {}),
    ],
)
def test_places_of_data_are_named_or_not(given, plain, named):
    assert split_paths(given) == (plain, named)


@pytest.mark.parametrize(
    ("asked", "given", "placed"),
    [
        ("fer2013", {"fer2013": "a"}, {"fer2013": "a"}),
        ("my-plugin:faces", {"my-plugin:faces": "a"}, {"faces": "a"}),
        ("my-plugin:faces", {"faces": "a"}, {"faces": "a"}),
        ("my-plugin:faces + ck-plus", {"faces": "a", "ck-plus": "b"}, {"my-plugin:faces": "a", "ck-plus": "b"}),
        ("fer2013", {"raf-db": "b", "fer2013": "a"}, {"raf-db": "b", "fer2013": "a"}),
        ("fer2013", {}, None),
    ],
)
def test_named_places_reach_the_dataset_that_is_asked_for(asked, given, placed):
    settings = [{"dataset": {"name": asked}}]
    place(settings, given)
    assert settings[0].get("data", {}).get("paths") == placed


def test_named_places_go_over_those_of_a_recipe():
    settings = [{"dataset": {"name": "fer2013 + ck-plus"}, "data": {"paths": {"fer2013": "old", "ck-plus": "kept"}}}]
    place(settings, {"fer2013": "new"})
    assert settings[0]["data"]["paths"] == {"fer2013": "new", "ck-plus": "kept"}


def test_line_endings_that_toml_has_not_are_refused(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_bytes(b'name = "a"\r')
    with pytest.raises(UserError, match="not valid TOML"):
        read_recipe(path)
    path.write_bytes(b'name = "a"\r\n')
    assert read_recipe(path) == {"name": "a"}


@pytest.mark.parametrize("text", ["[1,2,3]", '["1","2","3"]', "[ 1, 2, 3 ]"])
def test_classes_that_are_called_as_numbers_are_named_as_they_are(text):
    (settings,) = grid({}, sets=[f"data.classes={text}"])
    assert build_recipe(settings).data.classes == ("1", "2", "3")


def test_classes_that_are_called_as_other_values_are_named_as_they_are():
    (settings,) = grid({}, sets=["data.classes=[NA,null,true,nan,none,01,1.0]"])
    assert build_recipe(settings).data.classes == ("NA", "null", "true", "nan", "none", "01", "1.0")


def test_a_path_of_bytes_that_are_no_text_is_refused():
    with pytest.raises(UserError, match="is no text in UTF-8"):
        build_recipe({"data": {"path": "/images/\udcff"}})


VARIANTS = """
loss.name = "focal"
loss.gamma = 3.0
optimizer.lr = 0.1

[variants.plain]

[variants.weighted]
loss = "weighted-cross-entropy"
data.label_noise = 0.1

[variants.margin]
loss.gamma = 1.0
model.name = "cnn4"

[grid]
training.seed = [0, 1]
"""


@pytest.fixture
def with_variants(tmp_path):
    path = tmp_path / "methods.toml"
    path.write_text(VARIANTS)
    return path


def test_variants_are_laid_over_the_recipe_and_name_their_runs(with_variants):
    made = grid(read_recipe(with_variants), sets=["optimizer.lr=0.2", "loss.gamma=2"])
    assert [(one["name"], one["training"]["seed"]) for one in made] == [
        (name, seed) for name in ("plain", "weighted", "margin") for seed in (0, 1)
    ]
    assert {one["optimizer"]["lr"] for one in made} == {0.2}
    plain, weighted, margin = made[::2]
    assert plain["loss"] == {"name": "focal", "gamma": 2}
    assert weighted["loss"] == {"name": "weighted-cross-entropy", "gamma": 2}  # since --set says it, whatever the loss
    assert weighted["data"] == {"label_noise": 0.1}
    assert (margin["loss"]["gamma"], margin["model"]) == (2, {"name": "cnn4"})


def test_a_variant_with_another_component_leaves_the_recipes_options_behind(with_variants):
    made = {one["name"]: one for one in grid(read_recipe(with_variants))}
    assert made["weighted"]["loss"] == {"name": "weighted-cross-entropy"}
    assert made["margin"]["loss"] == {"name": "focal", "gamma": 1.0}


def test_some_of_the_variants_are_chosen_in_the_order_of_the_recipe(with_variants):
    made = grid(read_recipe(with_variants), variants=["margin", "plain"], fields={"training.seed": [4]})
    assert [one["name"] for one in made] == ["plain", "margin"]
    name_runs(made, None)
    assert [one["name"] for one in made] == ["plain", "margin"]
    both = grid(read_recipe(with_variants), variants=["margin", "plain"])
    name_runs(both, None)
    assert [one["name"] for one in both] == ["plain-s0", "plain-s1", "margin-s0", "margin-s1"]
    name_runs(both, "mine")
    assert [one["name"].rpartition("-")[2] for one in both] == ["s0", "s1", "s0", "s1"]
    assert len({one["name"] for one in both}) == 4
    assert all(one["name"].startswith("mine-") for one in both)


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("variants = 3", {}, "'variants' is no table of tables"),
        ("[variants]\na = 3", {}, "variant 'a' is not a table"),
        ("[variants.'a b']", {}, "run name 'a b' is not usable"),
        ("[variants.a]\nlos = 'focal'", {}, "variant 'a': there is no section 'los'"),
        ("[variants.a]\ndata = 'x'", {}, "variant 'a': 'data' is not a table"),
        ("[variants.a]\ntraining.epoch = 3", {}, "'epoch'"),
        ("[variants.a]\ntraining.folds = 3", {}, "variant 'a' asks for folds of its own"),
        ("[variants.a]\nloss.name = 'focal'", {"variants": ["b"]}, "the recipe has no variant 'b'"),
        ("", {"variants": ["b"]}, "the recipe has no variant 'b'"),
        ("[variants.a]\ntraining.seed = 3\n[grid]\ntraining.seed = [1]", {}, "variant 'a' sets training.seed, which a"),
        (
            "[variants.a]\nloss.name = 'focal'",
            {"components": {"loss": ["focal", "poly"]}},
            "variant 'a' sets loss.name",
        ),
    ],
)
def test_mistakes_about_variants_are_named(tmp_path, text, given, message):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        grid(read_recipe(path), **given)
