"""Classes of a model and of a dataset, matched by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench import UserError
from ferbench.data.class_mapping import match_classes


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
        (("happy", "sad"), ("sad", "Sadness"), "mean one expression"),
    ],
)
def test_classes_that_cannot_be_matched_are_an_error(model, dataset, message):
    with pytest.raises(UserError, match=message):
        match_classes(model, dataset)
