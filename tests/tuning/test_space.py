"""From components and --search to what varies."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.errors import UserError
from ferbench.experiment.prepare import Preparer, pack_in
from ferbench.plugin.discovery import load_registry
from ferbench.tuning.ranges import Choices, Range, read_values
from ferbench.tuning.space import build_space

optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(scope="module")
def registry():
    return load_registry(environ={"FERBENCH_PLUGINS": ""})


@pytest.fixture(scope="module")
def preparer(registry):
    return Preparer(registry, pack_in(Path("unused")))


@pytest.fixture
def space(preparer):
    def call(base=None, *searches, only=True):
        asked = [(key, value, "--search") for key, value in searches]
        settings = {"data": {"path": "unused"}, **(base or {"model": {"name": "basic-cnn"}})}
        return build_space(settings, preparer, searches=asked, only=only)

    return call


def by_key(space):
    return {dimension.key: dimension.values for dimension in space.dimensions}


def test_the_default_space_is_every_tunable_option_of_the_chosen_components(space, registry):
    found = by_key(space(only=False))
    chosen = {"model": "basic-cnn", "loss": "cross-entropy", "sampler": "shuffled", "augmentation": "standard"}
    chosen |= {"optimizer": "adam", "schedule": "constant"}
    wanted = {
        f"{section}.{option.name}"
        for section, name in chosen.items()
        for option in registry.find(section, name).options().fields
        if option.tunable is not None
    }
    assert set(found) == wanted
    assert found["model.width"] == Range(8, 64, step=8, whole=True)
    assert found["optimizer.lr"] == Range(1e-5, 1e-2, log=True)


def test_a_search_narrows_a_range_and_leaves_the_rest_of_the_default(space):
    found = by_key(space(None, ("model.dropout", "0.1..0.2"), only=False))
    assert found["model.dropout"] == Range(0.1, 0.2)
    assert found["optimizer.lr"] == Range(1e-5, 1e-2, log=True)


def test_a_single_value_takes_an_option_out_of_the_search_and_into_every_trial(space):
    made = space(None, ("model.dropout", "0.25"), ("optimizer.lr", "1e-3..1e-2"))
    assert list(by_key(made)) == ["optimizer.lr"]
    assert made.settings({"optimizer.lr": 0.002})["model"] == {"name": "basic-cnn", "dropout": 0.25}


def test_options_of_a_choice_of_components_exist_only_where_it_is_chosen(space):
    made = space(None, ("loss", "cross-entropy,focal"), ("loss.gamma", "1..3"))
    assert list(by_key(made)) == ["loss", "loss.focal.gamma"]

    def suggested(name):
        return made.suggest(optuna.trial.FixedTrial({"loss": name, "loss.focal.gamma": 2.0}))

    assert suggested("cross-entropy") == {"loss": "cross-entropy"}
    assert suggested("focal") == {"loss": "focal", "loss.focal.gamma": 2.0}
    assert made.settings(suggested("focal"))["loss"] == {"name": "focal", "gamma": 2.0}


def test_a_choice_of_another_component_leaves_the_options_of_the_recipes_own_behind(space):
    base = {"loss": {"name": "focal", "gamma": 1.0}}
    made = space(base, ("loss", "focal,cross-entropy"))
    assert made.settings({"loss": "focal"})["loss"] == {"name": "focal", "gamma": 1.0}
    assert made.settings({"loss": "cross-entropy"})["loss"] == {"name": "cross-entropy"}


def test_a_key_with_the_component_narrows_that_one_alone(space):
    made = space(None, ("loss", "cross-entropy,focal"), ("loss.focal.label_smoothing", "0..0.1"), only=False)
    found = by_key(made)
    assert found["loss.focal.label_smoothing"] == Range(0.0, 0.1)
    assert found["loss.cross-entropy.label_smoothing"] == Range(0.0, 0.3)


def test_fields_of_training_can_be_searched(space):
    found = by_key(
        space(None, ("training.batch_size", "32,64"), ("training.epochs", "2..9"), ("training.mixup", "0..1"))
    )
    assert found["training.batch_size"] == Choices((32, 64))
    assert found["training.epochs"] == Range(2, 9, whole=True)
    assert not found["training.mixup"].whole


def test_a_list_is_one_value_of_a_choice(space):
    made = space({"model": {"name": "cnn4"}}, ("model.widths", "[8,8,8,8],[16,16,16,16]"))
    picked = made.suggest(optuna.trial.FixedTrial({"model.widths": "[16, 16, 16, 16]"}))
    assert made.settings(picked)["model"]["widths"] == [16, 16, 16, 16]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("model.dropuot", "0..1", "did you mean"),
        ("modle.dropout", "0..1", "did you mean 'model'"),
        ("dataset", "fer2013,folder", "the dataset cannot be searched"),
        ("training.seed", "0,1", "a seed is no setting"),
        ("data.split_seed", "0,1", "unlike samples"),
        ("runtime.threads", "1,2", "it changes no result"),
        ("model.dropout", "0.5..2", "model.dropout"),
        ("model.dropout", "0.5..0.1", "not below"),
        ("model.dropout", "a..b", "no range of numbers"),
        ("model.dropout", "0..0.5:log", "starts above 0"),
        ("model.dropout", "0.1..0.5:lgo", "says nothing"),
        ("model.width", "8.5..16", "whole numbers"),
        ("model.width", "8..64:step=0", "a step is above 0"),
        ("loss", "cross-entropy,nothing", "nothing"),
        ("loss", "0..1", "these are no components"),
        ("model.dropout", ",", "no values"),
    ],
)
def test_a_search_that_makes_no_sense_says_what_to_write(space, key, value, said):
    with pytest.raises(UserError) as caught:
        space(None, (key, value))
    assert said in f"{caught.value.message} {caught.value.remedy}"


def test_nothing_to_search_is_an_error(space):
    with pytest.raises(UserError, match="nothing to search"):
        space()


def test_a_grid_has_every_point_once_and_those_of_a_choice_only_where_they_exist(space):
    made = space(
        None, ("loss", "cross-entropy,focal"), ("loss.gamma", "1..2:step=0.5"), ("training.batch_size", "32,64")
    )
    points = list(made.grid())
    assert len(points) == 2 + 3 * 2
    assert {"loss": "cross-entropy", "training.batch_size": 64} in points
    assert {"loss": "focal", "loss.focal.gamma": 1.5, "training.batch_size": 32} in points


def test_a_grid_over_a_continuous_range_is_refused(space):
    with pytest.raises(UserError, match="continuous"):
        list(space(None, ("model.dropout", "0..0.5")).grid())


@pytest.mark.parametrize(
    ("searches", "points"),
    [
        ([("training.batch_size", "1..10001")], "10,001"),
        ([("training.batch_size", "1..10000000"), ("training.epochs", "1..1000")], "10,000,000,000"),
    ],
)
def test_a_grid_that_nobody_waits_for_is_refused_before_it_is_laid_out(space, searches, points):
    with pytest.raises(UserError, match=f"a grid of {points} points: 10,000 at most"):
        space(None, *searches).refuse_large_grid()


def test_a_grid_as_large_as_one_may_be(space):
    space(None, ("training.batch_size", "1..100"), ("training.epochs", "1..100")).refuse_large_grid()


def test_every_trial_of_the_default_space_is_a_valid_recipe(space, preparer):
    base = {"model": {"name": "basic-cnn"}}
    made = space(
        base, ("loss", "cross-entropy,focal"), ("optimizer", "adam,sgd"), ("model", "basic-cnn,linear"), only=False
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        preparer.resolve(made.settings(made.suggest(study.ask())))


def test_a_table_of_the_recipe_says_what_the_text_says():
    table = {"low": 1e-4, "high": 1e-2, "log": True}
    assert read_values(table, "optimizer.lr", "", whole=False) == read_values("1e-4..1e-2:log", "", "", whole=False)


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-3, 1e6))
def test_any_range_is_read_back_as_it_was_written(low, width):
    high = low + width
    assert read_values(f"{low!r}..{high!r}", "", "", whole=False) == Range(low, high)


@given(low=st.integers(-50, 50), steps=st.integers(1, 20), step=st.integers(1, 7))
def test_the_points_of_stepped_numbers_are_pythons_range(low, steps, step):
    high = low + steps * step
    assert Range(low, high, step=step, whole=True).points("") == list(range(low, high + 1, step))
