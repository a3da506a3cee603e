"""Whose word a setting needs, by its type."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge

from ferbench.experiment.recipe import Recipe
from ferbench.kinds import DEFAULTS
from ferbench.plugin.consent import Consent, consent_for
from ferbench.plugin.discovery import load_registry
from ferbench.plugin.specs import Inert, Permission


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("annotation", "consent"),
    [
        (int, Consent.NONE),
        (Annotated[float, Ge(0)] | None, Consent.NONE),
        (Literal["a", "b"], Consent.NONE),
        (Colour, Consent.NONE),
        (list[tuple[int, ...]], Consent.NONE),
        (Annotated[str, Inert()] | None, Consent.NONE),
        (Annotated[dict[str, float], Inert()], Consent.NONE),
        (str, Consent.BEFORE),
        (bool, Consent.BEFORE),
        (Path | None, Consent.BEFORE),
        (float | str, Consent.BEFORE),
        (Mapping[str, int], Consent.BEFORE),
        (Annotated[bool, Permission()], Consent.NOW),
        (list[Annotated[bool, Permission()]], Consent.NOW),
        (Any, Consent.NOW),
        (object, Consent.NOW),
        (dict, Consent.NOW),
    ],
    ids=str,
)
def test_what_a_type_can_name_decides(annotation, consent):
    assert consent_for(annotation) is consent


def test_of_a_recipe_trackers_are_never_taken_from_a_record():
    about = Recipe.model_fields["trackers"]
    assert consent_for(about.annotation, about.metadata) is Consent.NOW


def test_every_option_of_ours_that_needs_a_word_names_something_or_allows_it():
    """A new option that is a text or a truth value and can have no effect outside is marked `ferbench.Inert()`."""
    registry = load_registry(environ={"FERBENCH_PLUGINS": ""})
    open_ones = {
        (option.name, option.consent)
        for kind in DEFAULTS
        for component in registry.components(kind)
        for option in component.options().fields
        if option.consent
    }
    assert open_ones == {
        ("weights", Consent.BEFORE),
        ("root", Consent.BEFORE),
        ("votes", Consent.BEFORE),
        ("allow_pickled_weights", Consent.NOW),
    }
