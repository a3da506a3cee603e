"""What the ids of a run cover."""

from __future__ import annotations

import hashlib

import pytest

from ferbench.experiment import fingerprint
from ferbench.experiment.recipe import Component, Recipe, Role
from ferbench.experiment.settings import build_recipe
from ferbench.ids import digest
from ferbench.kinds import IN_IDS, SECTIONS
from ferbench.records.evaluation import evaluation_id

COMPONENTS = {
    section: {"name": section, "distribution": "ferbench", "version": "1", "source": None, "options": {}}
    for section in SECTIONS
}
ROWS = {"classes": ["a", "b"], "train": "v1:1", "validation": "v1:2", "input": [1, 64, 64, [0.0], [1.0]]}
LOOP_FEATURES = {
    "accumulate": 2,
    "patience": 3,
    "min_gain": 0.1,
    "mixup": 0.2,
    "cutmix": 1.0,
    "mix_probability": 0.5,
    "clip_norm": 1.0,
    "ema": 0.99,
    "precision": "bf16",
    "start_size": 24,
}


def identity(components=COMPONENTS, rows=ROWS, **sections):
    return fingerprint.training_identity(build_recipe(sections), components, rows)


def test_every_field_of_a_recipe_has_exactly_one_role():
    """A new field must say how it enters the ids: give it a Role in its annotation (experiment/recipe.py)."""
    without = []
    for name, field in Recipe.model_fields.items():
        fields = getattr(field.annotation, "model_fields", None)
        if field.annotation is Component:
            continue
        inner = {f"{name}.{key}": value for key, value in fields.items()} if fields else {name: field}
        without += [key for key, value in inner.items() if sum(isinstance(m, Role) for m in value.metadata) != 1]
    assert without == []


def test_the_digest_is_sha256_of_canonical_json():
    expected = hashlib.sha256(b'{"a":[1,0.5,null],"b":"\\u00e9"}').hexdigest()
    assert digest({"b": "é", "a": [1, 0.5, None]}) == "v1:" + expected


@pytest.mark.parametrize(
    "changed",
    [
        {"training": {"epochs": 11}},
        {"training": {"batch_size": 1}},
        {"training": {"select": "loss"}},
        {"training": {"deterministic": False}},
        {"data": {"image_size": 32}},
        *({"training": {field: value}} for field, value in LOOP_FEATURES.items()),
    ],
)
def test_what_changes_the_weights_changes_both_ids(changed):
    assert fingerprint.training_id(identity(**changed)) != fingerprint.training_id(identity())
    assert fingerprint.config_id(identity(**changed)) != fingerprint.config_id(identity())


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "another"},
        {"data": {"path": "elsewhere"}},
        {"data": {"split_seed": 3}},
        {"runtime": {"device": "cpu", "threads": 1}},
        {"training": {"parameter_budget": 10**6}},
    ],
)
def test_names_places_and_machines_are_in_no_id(changed):
    assert fingerprint.training_id(identity(**changed)) == fingerprint.training_id(identity())


def test_a_seed_is_another_run_of_the_same_configuration():
    one, other = identity(training={"seed": 1}), identity(training={"seed": 2})
    assert fingerprint.training_id(one) != fingerprint.training_id(other)
    assert fingerprint.config_id(one) == fingerprint.config_id(other)


@pytest.mark.parametrize("key", ["name", "distribution", "version", "source", "options"])
@pytest.mark.parametrize("section", IN_IDS)
def test_every_fact_of_a_component_counts(section, key):
    value = {"x": 1} if key == "options" else "changed"
    changed = {**COMPONENTS, section: {**COMPONENTS[section], key: value}}
    assert fingerprint.training_id(identity(changed)) != fingerprint.training_id(identity())


def test_a_field_that_was_added_later_leaves_the_ids_of_before_alone():
    assert not {"start_size", "growing"} & set(identity()["training"])
    assert identity(training={"growing": 0.5})["training"]["growing"] == 0.5


def test_the_rows_count():
    changed = identity(rows={**ROWS, "train": "v1:3"})
    assert fingerprint.training_id(changed) != fingerprint.training_id(identity())


def test_training_and_configuration_never_share_an_id():
    assert fingerprint.training_id(identity()) != fingerprint.config_id(identity())


def test_what_is_done_at_test_time_changes_the_evaluation_alone():
    assert fingerprint.training_id(identity(evaluation={"tta": "flip"})) == fingerprint.training_id(identity())
    plain, flipped = (evaluation_id("v1:1", "v1:2", {"tta": tta}) for tta in ("none", "flip"))
    assert plain != flipped
