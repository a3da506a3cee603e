"""Classes of a model and of a dataset, matched by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench import UserError
from ferbench.data.class_mapping import find_class, match_classes, order_of_classes


def test_classes_are_matched_in_whatever_spelling_and_order():
    mapping = match_classes(("angry", "happy", "sad"), ("Sadness", "Happiness", "Anger"))
    assert mapping.class_names == ("Sadness", "Happiness", "Anger")
    assert mapping.columns.tolist() == [2, 1, 0]
    assert mapping.scored == 3


def test_what_only_one_side_knows_is_told_apart():
    mapping = match_classes(("contempt", "happy", "sad"), ("happy", "pain", "sad"))
    assert mapping.class_names == ("happy", "sad", "contempt")
    assert mapping.only_model == ("contempt",)
    assert mapping.unknown == ("pain",)
    assert mapping.ids(("happy", "pain", "sad")).tolist() == [0, -1, 1]


@given(st.permutations(["angry", "fear", "happy", "sad"]), st.permutations(["fear", "happy", "neutral", "sad"]))
def test_columns_lead_from_results_to_the_models_own_classes(model, dataset):
    mapping = match_classes(model, dataset)
    assert [model[column] for column in mapping.columns] == list(mapping.class_names)


@pytest.mark.parametrize(
    ("model", "dataset", "message"),
    [
        (("happy", "sad"), ("angry", "fear"), "no class in common"),
        (("happy", "Happiness"), ("happy", "sad"), "mean one expression"),
        (("happy", "happiness"), ("joy", "sad"), "class 'joy' may be 'happy' or 'happiness'"),
        (("happy", "sad"), ("sad", "Sadness"), "mean one expression"),
    ],
)
def test_classes_that_cannot_be_matched_are_an_error(model, dataset, message):
    with pytest.raises(UserError, match=message):
        match_classes(model, dataset)


COLLIDING = [("happy", "happiness", "sad"), ("HAPPY", "Happy", "sad"), ("straße", "STRASSE", "sad"), ("3", "03", "3.0")]


@pytest.mark.parametrize("names", COLLIDING)
def test_classes_of_one_meaning_are_told_apart_by_their_own_spelling(names):
    assert [find_class(name, names) for name in names] == [0, 1, 2]
    assert match_classes(names, names[::-1]).columns.tolist() == [2, 1, 0]
    assert order_of_classes(names, names[::-1]).tolist() == [2, 1, 0]


@pytest.mark.parametrize(("name", "names"), [("Happy", ("happy", "sad")), ("cafe\u0301", ("caf\u00e9", "sad"))])
def test_another_spelling_finds_the_only_class_that_means_it(name, names):
    assert find_class(name, names) == 0


@pytest.mark.parametrize(("name", "names"), list(zip(("joy", "happy", "Strasse", "3.00"), COLLIDING, strict=True)))
def test_another_spelling_of_two_classes_is_refused_with_both(name, names):
    with pytest.raises(UserError, match=f"class '{name}' may be '{names[0]}' or '{names[1]}'"):
        find_class(name, names)


def test_other_classes_have_no_order():
    assert order_of_classes(("happy", "sad"), ("happy", "fear")) is None
    assert order_of_classes(("happy", "sad"), ("happy", "sad", "fear")) is None
    assert order_of_classes(("happy", "happiness"), ("happy", "joy")) is None
