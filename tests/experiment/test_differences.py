"""What differs between runs or settings, and what they are called by it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_runs import make_run

from ferbench.experiment import differences
from ferbench.experiment.differences import (
    changes,
    differing,
    label,
    labels,
    mark,
    of_recipe,
    of_run,
    telling,
    title,
    titles,
    unlike,
)
from ferbench.experiment.recipe import DataSettings, Role, TrainingSettings
from ferbench.kinds import DEFAULTS

ADAM = {"model": "cnn4", "optimizer": "adam", "optimizer.lr": 0.001, "training.seed": 0}
SGD = {"model": "cnn4", "optimizer": "sgd", "optimizer.lr": 0.1, "optimizer.momentum": 0.9, "training.seed": 0}


def of(*tables):
    return [of_recipe(one, DEFAULTS) for one in tables]


def test_a_label_names_components_bare_and_other_settings_by_their_last_word():
    assert label(ADAM, ["model", "optimizer.lr", "training.seed"]) == "cnn4, lr 0.001, seed 0"


def test_an_option_that_two_components_have_is_called_in_full():
    assert label({**ADAM, "schedule.lr": 1}, ["model", "optimizer.lr"]) == "cnn4, optimizer.lr 0.001"


def test_seed_and_fold_are_called_so_whatever_else_is():
    settings = {**ADAM, "data.fold": "1/5", "sampler.seed": 3}
    assert label(settings, ["sampler.seed", "training.seed", "data.fold"]) == "sampler.seed 3, seed 0, fold 1/5"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (None, "none"),
        (1e-5, "1e-05"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1, "1"),
        (1.0, "1.0"),
        ("1", '"1"'),
        ("none", '"none"'),
        ("a, seed 0", '"a, seed 0"'),
        ("two\nlines", '"two\\nlines"'),
        ("", '""'),
        (["happy", "very sad"], '[happy,"very sad"]'),
        (("happy", "sad"), "[happy,sad]"),
        ({"a": [1, 2]}, "{a=[1,2]}"),
        ("/data/fer2013.csv", "/data/fer2013.csv"),
    ],
)
def test_values_are_written_as_on_the_command_line(value, shown):
    assert label({"loss.x": value}, ["loss.x"]) == f"x {shown}"


def test_long_values_are_cut_but_never_alike():
    paths = [f"/data/{'deep/' * 20}{name}/{'deep/' * 20}weights.safetensors" for name in "ab"]
    shown = labels([{"model": "cnn4", "model.weights": path} for path in paths])
    assert len(set(shown)) == 2
    assert max(map(len, shown)) < 70
    short = labels([{"model": "x", "model.weights": f"{name}{'x' * 60}"} for name in "ab"])
    assert short == [f"x, weights {name}{'x' * 19}…{'x' * 19}" for name in "ab"]


def test_components_come_first_seed_and_fold_last_and_what_changes_no_result_not_at_all():
    one, two = (
        {"data.fold": f"{n}/3", "training.seed": n, "training.epochs": n, "data.path": f"{n}", "data.limit": n}
        | {"loss.x": n, "model": f"m{n}", "loss": f"l{n}", "training.keep": f"{n}", "model source": f"{n}"}
        for n in (1, 2)
    )
    assert differing([one, two]) == [
        *("model", "loss", "data.limit", "loss.x", "training.epochs", "training.seed", "data.fold", "model source")
    ]


def test_a_setting_that_is_not_there_is_as_good_as_none():
    assert differing([{"model": "a", "model.width": None}, {"model": "a"}]) == []
    assert differing([{"model": "a", "model.width": 3}, {"model": "a"}]) == ["model.width"]


def test_lists_and_the_tuples_that_they_were_are_the_same_but_one_and_true_are_not():
    assert differing([{"data.classes": ("a", "b")}, {"data.classes": ["a", "b"]}]) == []
    assert differing([{"x.y": 1}, {"x.y": True}]) == ["x.y"]
    assert differing([{"x.y": 1}, {"x.y": 1.0}]) == ["x.y"]


def test_what_a_component_alone_has_follows_from_it():
    assert differing([ADAM, SGD]) == ["optimizer", "optimizer.lr", "optimizer.momentum"]
    assert telling([ADAM, SGD]) == ["optimizer", "optimizer.lr"]
    assert "optimizer.momentum" in telling([ADAM, SGD, {**SGD, "optimizer.momentum": 0.5}])


def test_a_field_that_older_releases_lack_tells_nothing_by_itself_but_a_way_of_testing_does():
    old = {"model": "a", "training.epochs": 3}
    assert telling([old, {**old, "training.growing": 0.7}]) == []
    assert telling([old, {**old, "training.growing": 0.7}, {**old, "training.growing": 0.5}]) == ["training.growing"]
    assert telling([old, {**old, "evaluation.tta": "flip"}]) == ["evaluation.tta"]
    assert telling([old, {**old, "training.from": "a@best"}]) == ["training.from"]


def test_settings_that_other_software_does_not_say_tell_nothing():
    faces = {"dataset": "faces", "dataset.size": 24}
    theirs = {"dataset": "faces", "loss": "elsewhere"}
    plain, focal = ({**faces, "loss": name, "loss.smoothing": much} for name, much in (("plain", 0.0), ("focal", 0.2)))
    assert telling([plain, focal]) == telling([plain, focal, theirs]) == ["loss", "loss.smoothing"]
    assert telling([plain, theirs]) == ["loss"]
    assert telling([plain, {**plain, "dataset.size": 48}, theirs]) == ["loss", "dataset.size"]


def test_labels_say_no_more_than_it_takes():
    runs = [{**ADAM, "training.seed": seed, "optimizer.lr": lr} for lr in (0.1, 0.01) for seed in (0, 1)]
    assert labels(runs) == [
        "cnn4, lr 0.1, seed 0",
        "cnn4, lr 0.1, seed 1",
        "cnn4, lr 0.01, seed 0",
        "cnn4, lr 0.01, seed 1",
    ]
    size = {"training.batch_size": 16}
    assert labels([{**ADAM, **size}, {**SGD, **size}, {**SGD, "training.batch_size": 32}]) == [
        *("cnn4, adam, batch_size 16", "cnn4, sgd, batch_size 16", "cnn4, sgd, batch_size 32")
    ]
    assert labels([ADAM, {**ADAM, "model": "linear", "training.seed": 3}]) == ["cnn4", "linear"]
    assert labels([ADAM, SGD], ["mine", "mine"]) == ["mine, adam", "mine, sgd"]


def test_the_grid_of_optimizer_schedule_and_batch_size_has_eight_names():
    tables = [
        {"optimizer": {"name": optimizer}, "schedule": {"name": schedule}, "training": {"batch_size": size}}
        for optimizer, schedule, size in itertools.product(("adam", "sgd"), ("constant", "cosine"), (32, 64))
    ]
    several = of(*tables)
    varied = telling(several)
    assert varied == ["optimizer", "schedule", "training.batch_size"]
    names = titles(several, varied)
    assert names[0] == "synthetic-faces × basic-cnn × cross-entropy × shuffled, adam, constant, batch_size 32, seed 0"
    assert len(set(names)) == 8


def test_a_single_combination_is_called_by_its_parts_seed_and_fold():
    (one,) = of({"model": {"name": "cnn4", "dropout": 0.1}, "data": {"fold": "2/5"}, "training": {"seed": 3}})
    assert title(one) == "synthetic-faces × cnn4 × cross-entropy × shuffled, seed 3, fold 2/5"


def test_options_of_joined_datasets_and_nested_options_have_keys_of_their_own():
    several = of(*({"dataset": {"name": "a+b", "b": {"size": size, "deep": {"x": 1}}}} for size in (24, 48)))
    assert telling(several) == ["dataset.b.size"]
    assert labels(several) == ["basic-cnn, size 24", "basic-cnn, size 48"]
    several = of({"dataset": {"name": "a+b", "a": {"size": 1}, "b": {"size": 2}}}, {"dataset": {"name": "a+b"}})
    assert label(several[0], ["dataset.a.size", "dataset.b.size"], several) == "a.size 1, b.size 2"


@pytest.mark.parametrize(
    ("first", "second", "keys", "names"),
    [
        ({"from": "a@best"}, {"from": "a@3"}, ["training.from"], ["from a@best", "from a@3"]),
        ({}, {"from": "a@best"}, ["training.from"], ["", "from a@best"]),
        ({"data": {"exclude": "x.csv"}}, {}, ["data.exclude"], ["exclude x.csv", ""]),
        (
            {"model": {"weights": "a.pt"}},
            {"model": {"weights": "b.pt"}},
            ["model.weights"],
            ["weights a.pt", "weights b.pt"],
        ),
        ({"evaluation": {"tta": "flip"}}, {}, ["evaluation.tta"], ["tta flip", ""]),
        ({"training": {"deterministic": False}}, {}, ["training.deterministic"], ["deterministic false", ""]),
        ({"name": "a", "trackers": [{"name": "x"}]}, {"name": "b"}, [], ["", ""]),
    ],
)
def test_whatever_a_recipe_says_is_told(first, second, keys, names):
    several = of(first, second)
    assert differing(several) == keys
    assert labels(several) == [f"basic-cnn, {name}" if name else "basic-cnn" for name in names]


def test_nested_tables_are_compared_by_dotted_key():
    before, after = {"a": {"b": {"c": 1, "d": (1, 2)}}, "e": {}}, {"a": {"b": {"c": 2, "d": [1, 2]}}, "e": {}}
    assert unlike(before, after) == ["a.b.c"]
    assert unlike(before, {}) == list(before)


def edited(run, **components):
    record = run.load()
    for section, fields in components.items():
        for name, value in fields.items():
            setattr(record.components[section], name, value)
    return record


def test_runs_that_differ_in_the_source_of_a_plugin_alone_say_so(tmp_path):
    run = make_run(tmp_path)
    several = [of_run(edited(run, model={"source": digit * 64})) for digit in "12"]
    assert telling(several) == ["model source"]
    assert labels(several) == ["some-net, model source 11111111", "some-net, model source 22222222"]


def test_the_version_is_told_once_and_not_the_sources_that_follow_from_it(tmp_path):
    run = make_run(tmp_path)
    several = [
        of_run(edited(run, **{part: {"version": version, "source": version * 20} for part in ("model", "loss")}))
        for version in ("0.1", "0.2")
    ]
    for one in several:
        one["ferbench version"] = one["model source"][:3]
    assert telling(several) == ["ferbench version"]
    assert labels(several) == ["some-net, ferbench version 0.1", "some-net, ferbench version 0.2"]


def test_runs_that_learnt_from_other_samples_say_so_where_nothing_else_tells(tmp_path):
    run = make_run(tmp_path)
    records = [run.load(), run.load()]
    for record, digit in zip(records, "12", strict=True):
        record.data.train_digest = f"v1:{digit * 64}"
    assert labels([of_run(one) for one in records]) == [
        "some-net, training samples 11111111",
        "some-net, training samples 22222222",
    ]
    assert telling([{**of_run(one), "data.limit": n} for n, one in enumerate(records)]) == ["data.limit"]


def test_changes_are_old_and_new_without_what_changes_no_result(tmp_path):
    before, after = make_run(tmp_path, sampler="shuffled").load(), make_run(tmp_path, sampler="weighted", seed=3).load()
    after.recipe.data = {**after.recipe.data, "path": "/elsewhere"}
    after.components["sampler"].source = "6" * 64
    assert changes(before, after) == {"sampler": ["shuffled", "weighted"], "training.seed": [0, 3]}


def test_a_changed_plugin_is_a_change(tmp_path):
    before, after = make_run(tmp_path).load(), make_run(tmp_path).load()
    after.components["sampler"].source = "6" * 64
    assert changes(before, after) == {"sampler source": ["55555555", "66666666"]}


def test_what_is_no_experiment_are_fields_of_no_id_and_what_acts_through_the_samples():
    fields = {
        f"{name}.{key}": field
        for name, part in (("data", DataSettings), ("training", TrainingSettings))
        for key, field in part.model_fields.items()
    }
    environment = {key for key, field in fields.items() if Role.ENVIRONMENT in field.metadata}
    assert environment <= differences.NO_EXPERIMENT <= set(fields)


plain = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=60)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)
options = st.dictionaries(st.sampled_from(["lr", "width", "seed", "name2"]), values, max_size=3)
component = st.builds(lambda name, more: {"name": name, **more}, st.sampled_from(["a", "b", "a, lr 1"]), options)
tables = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("dataset", "model", "loss", "sampler", "optimizer"), component),
        "data": st.dictionaries(st.sampled_from(["fold", "exclude", "seed"]), values, max_size=2),
        "training": st.dictionaries(st.sampled_from(["seed", "epochs", "lr"]), values, max_size=2),
        "from": st.none() | st.text(max_size=5),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(tables, min_size=2, max_size=5))
@example([{}, {"data": {"fold": []}}])
@example([{}, {"data": {"fold": ""}}])
def test_labels_of_unlike_settings_are_unlike(several):
    found = of(*several)
    keys = differing(found)
    short, names = labels(found), titles(found, keys)
    for one, other in itertools.combinations(range(len(found)), 2):
        if any(mark(found[one].get(key)) != mark(found[other].get(key)) for key in keys):
            assert short[one] != short[other]
            assert names[one] != names[other]
    assert all(name.isprintable() for name in short)
