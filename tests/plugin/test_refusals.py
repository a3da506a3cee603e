"""One wording for the harness's own fields and for plugins' options: the same mistake on both sides, side by side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import annotated_types as at
import pytest

from ferbench.errors import UserError
from ferbench.experiment.settings import build_recipe, grid, parse_value
from ferbench.plugin.options import OptionSchema


def component(
    task: Any,
    *,
    batch_size: Annotated[int, at.Interval(ge=1, le=10**7)] = 1,
    patience: Annotated[int | None, at.Ge(1)] = None,
    validation: Annotated[float, at.Interval(gt=0, lt=1)] = 0.5,
    mix_probability: Annotated[float, at.Interval(ge=0, le=1)] = 1.0,
    image_size: Annotated[int | None, at.Interval(ge=8, le=1024)] = None,
    channels: Literal[1, 3] | None = None,
    precision: Literal["float32", "bf16", "fp16"] = "float32",
    deterministic: bool = True,
    select: str = "macro_f1",
    classes: tuple[str, ...] | None = None,
    paths: dict[str, str] | None = None,
) -> None: ...


SCHEMA = OptionSchema.of(component, owner="model 'net'")

SECTIONS = {
    "training": ("batch_size", "patience", "mix_probability", "precision", "deterministic", "select"),
    "data": ("validation", "image_size", "channels", "classes", "paths"),
}


def refused(key: str, value: str, act: Any) -> tuple[str, str]:
    """Message and remedy, with ``KEY`` in place of the key."""
    with pytest.raises(UserError) as error:
        act()
    return error.value.message.replace(key, "KEY"), error.value.remedy.replace(key, "KEY")


@pytest.mark.parametrize(
    ("name", "value", "message", "remedy"),
    [
        ("batch_size", "0", "KEY = 0: must be at least 1", "set KEY to a whole number from 1 to 10000000,"),
        ("batch_size", "many", 'KEY = "many": must be a whole number', "set KEY to a whole number from 1 to 10000000,"),
        ("batch_size", '"8"', 'KEY = "8": must be a whole number', "set KEY to a whole number from 1 to 10000000,"),
        ("batch_size", "1.5", "KEY = 1.5: must be a whole number", "set KEY to a whole number from 1 to 10000000,"),
        ("batch_size", "true", "KEY = true: must be a whole number", "set KEY to a whole number from 1 to 10000000,"),
        ("batch_size", "[8,16]", "KEY = [8, 16]: must be a whole number", "give one value; to try several, use --grid"),
        ("batch_size", "[]", "KEY = []: must be a whole number", "give one value;"),
        (
            "batch_size",
            "{a=1}",
            'KEY = {"a": 1}: must be a whole number',
            "set KEY to a whole number from 1 to 10000000,",
        ),
        ("patience", "-3", "KEY = -3: must be at least 1", "set KEY to a whole number, at least 1,"),
        ("validation", "1", "KEY = 1: must be less than 1", "set KEY to a number, greater than 0 and less than 1,"),
        ("validation", "nan", "KEY = nan: must be a finite number", "set KEY to a number, greater than 0"),
        ("mix_probability", "-1", "KEY = -1: must be at least 0", "set KEY to a number from 0 to 1,"),
        ("mix_probability", "half", 'KEY = "half": must be a number', "set KEY to a number from 0 to 1,"),
        ("image_size", "4", "KEY = 4: must be at least 8", "set KEY to a whole number from 8 to 1024,"),
        ("channels", "2", "KEY = 2: must be 1 or 3", "set KEY to 1 or 3,"),
        ("precision", "fp8", "KEY = \"fp8\": must be 'float32', 'bf16' or 'fp16'", "set KEY to 'float32', 'bf16' or"),
        ("deterministic", "yes", 'KEY = "yes": must be true or false', "set KEY to true or false,"),
        ("select", "3", "KEY = 3: must be text", "set KEY to text,"),
        ("classes", "happy", 'KEY = "happy": must be a list', "write a list: --set KEY=[a,b]"),
        ("classes", "3", "KEY = 3: must be a list", "write a list: --set KEY=[a,b]"),
        ("classes", "[[a],b]", 'KEY[0] = ["a"]: must be text', "set KEY[0] to text,"),
        ("paths", "x", 'KEY = "x": must be a table', "set KEY to a table,"),
    ],
)
def test_a_mistake_reads_the_same_on_both_sides(name, value, message, remedy):
    (section,) = (section for section, fields in SECTIONS.items() if name in fields)
    harness = f"{section}.{name}"
    (settings,) = grid({}, sets=[f"{harness}={value}"])
    said = refused(harness, value, lambda: build_recipe(settings))
    assert said == refused(f"model.{name}", value, lambda: SCHEMA.validate({name: parse_value(value)}, "model"))
    assert said[0] == message
    assert said[1].startswith(remedy)


def test_a_name_that_there_is_not_reads_the_same_on_both_sides():
    with pytest.raises(UserError) as ours:
        grid({}, sets=["training.bach_size=3"])
    with pytest.raises(UserError) as theirs:
        SCHEMA.validate({"bach_size": 3}, "model")
    assert ours.value.message == "unknown option 'bach_size' for [training]"
    assert theirs.value.message == "unknown option 'bach_size' for model 'net'"
    for error in (ours, theirs):
        assert error.value.remedy.startswith("did you mean 'batch_size'? options: ")


@pytest.mark.parametrize(
    ("given", "message"),
    [("[happy]", 'data.classes = ["happy"]: name at least two classes'), ("[a,a]", "a class is named twice")],
)
def test_too_few_classes_are_not_one_value_too_many(given, message):
    (settings,) = grid({}, sets=[f"data.classes={given}"])
    with pytest.raises(UserError, match=r"data\.classes") as error:
        build_recipe(settings)
    assert message in error.value.message
    assert error.value.remedy == "write a list: --set data.classes=[a,b]"
