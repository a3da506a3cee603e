"""Ranges of the numbers that built-in components take."""

from __future__ import annotations

import json
import subprocess
import sys
import types
import typing
from typing import Annotated

import annotated_types as at
import pytest

from ferbench.kinds import SECTIONS

PROBE = """
import json, sys
from ferbench.errors import UserError
from ferbench.kinds import SECTIONS
from ferbench.plugin.discovery import load_registry

registry, taken = load_registry(environ={"FERBENCH_PLUGINS": ""}), []
for spec in (spec for record in registry.plugins for spec in record.components if spec.kind in SECTIONS):
    schema = registry.find(spec.kind, spec.name).options()
    needed = {option.name: "x" for option in schema.fields if option.required}
    for option in schema.fields:
        for number in (10**12, 1e300, float("nan"), float("inf"), -1e12):
            for value in (number, [number], [number] * 4, {"a": number}):
                try:
                    schema.validate({**needed, option.name: value}, spec.kind)
                    taken.append(f"{spec.kind} {spec.name}: {option.name} = {value}")
                except UserError:
                    pass
heavy = [name for name in ("torch", "timm", "sklearn", "pandas", "scipy") if name in sys.modules]
print(json.dumps([taken, heavy]))
"""


@pytest.fixture(scope="module")
def probed():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


#: Of which any number is as good as another, or means the same as never.
UNBOUNDED = {
    "dataset synthetic-faces: seed = 1000000000000",
    *(f"optimizer {name}: lr = 1000000000000" for name in ("adam", "adamw", "asam", "sam", "sgd", "timm")),
}


def test_no_built_in_component_takes_an_absurd_number(probed):
    assert set(probed[0]) <= UNBOUNDED


def test_options_of_built_in_components_are_read_without_torch(probed):
    assert SECTIONS
    assert probed[1] == []


def bounded(annotation: object, metadata: tuple[object, ...]) -> bool:
    """Whether a number of that type has a smallest and a largest value."""
    if typing.get_origin(annotation) is Annotated:
        return bounded(annotation.__origin__, (*metadata, *annotation.__metadata__))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return all(bounded(member, metadata) for member in typing.get_args(annotation))
    single = [part for item in metadata for part in (item if isinstance(item, at.GroupedMetadata) else [item])]
    names = {type(item).__name__ for item in single}
    return annotation not in (int, float) or bool(names & {"Ge", "Gt"} and names & {"Le", "Lt"})


def test_every_number_of_a_recipe_has_a_range():
    from ferbench.experiment.recipe import DataSettings, EvaluationSettings, RuntimeSettings, TrainingSettings

    open_ended = {
        name
        for section in (DataSettings, EvaluationSettings, RuntimeSettings, TrainingSettings)
        for name, field in section.model_fields.items()
        if not bounded(field.annotation, tuple(field.metadata))
    }
    assert open_ended == {"patience"}  # a longer one is never at an end
