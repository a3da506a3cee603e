"""Options as a signature declares them: what is read, accepted and refused, and in which words."""

from __future__ import annotations

import functools
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Len, Lt, MultipleOf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from ferbench import Tunable, UserError
from ferbench.plugin.options import OptionSchema
from ferbench.plugin.signature import expectation

if TYPE_CHECKING:
    from ferbench.nowhere import Task


class Side(Enum):
    LEFT = "left"
    RIGHT = "right"


def build(
    task: Task,  # resolvable by type checkers only
    *,
    seed: int,
    width: int,
    dropout: Annotated[float, Interval(ge=0, lt=1), Tunable(0.0, 0.6)] = 0.3,
    rate: Annotated[float, Gt(0), Tunable(1e-5, 1.0, log=True)] | None = None,
    norm: Literal["batch", "layer"] = "batch",
    sizes: tuple[float, ...] = (1.0, 2.0),
    weights: Path | None = None,
    side: Side = Side.LEFT,
    copy: bool = False,
    either: int | str = 1,
    channels: Annotated[int, Field(ge=8, multiple_of=8)] = 16,
    endless: Annotated[float, Field(allow_inf_nan=True)] = 0.0,
) -> None:
    """Build something.

    Args:
        task: the learning problem.
        dropout: share of the features
            that are dropped.
        rate (float): with a type: and a colon.

    Returns:
        norm: not an argument.
    """


SCHEMA = OptionSchema.of(build)
FIELDS = {option.name: option for option in SCHEMA.fields}


def check(**values):
    return SCHEMA.validate({"width": 3, **values}, "model 'net'")


def refusal(**values) -> str:
    with pytest.raises(UserError) as caught:
        check(**values)
    assert "\n" not in caught.value.message
    return caught.value.message


# what is read


def test_options_are_the_keyword_only_parameters_in_order_without_the_seed():
    assert SCHEMA.names[:3] == ("width", "dropout", "rate")
    assert not {"task", "seed"} & set(SCHEMA.names)


def test_a_parameter_without_a_default_is_required():
    assert [option.name for option in SCHEMA.fields if option.required] == ["width"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("width", "int"),
        ("dropout", "float"),
        ("rate", "float | None"),
        ("norm", "'batch' | 'layer'"),
        ("sizes", "tuple[float, …]"),
        ("weights", "Path | None"),
        ("side", "'left' | 'right'"),
        ("either", "int | str"),
    ],
)
def test_types_are_readable(name, text):
    assert FIELDS[name].type == text


@pytest.mark.parametrize(
    ("name", "text"),
    [("width", ""), ("dropout", "0 ≤ x < 1"), ("rate", "x > 0"), ("channels", "x ≥ 8, multiple of 8")],
)
def test_bounds_are_readable(name, text):
    assert FIELDS[name].bounds == text


def test_search_ranges_are_read_also_from_optional_types():
    assert FIELDS["dropout"].tunable == Tunable(0.0, 0.6)
    assert FIELDS["rate"].tunable == Tunable(1e-5, 1.0, log=True)
    assert FIELDS["width"].tunable is None


def test_descriptions_come_from_the_docstring():
    assert FIELDS["dropout"].description == "share of the features that are dropped."
    assert FIELDS["rate"].description == "with a type: and a colon."
    assert FIELDS["norm"].description == ""


class Sampler:
    """A sampler.

    Args:
        power: from the class's docstring.
    """

    def __init__(self, labels, task: Task, *, seed: int, power: Annotated[float, Ge(0)] = 0.5) -> None:
        """
        Args:
            seed: given by the harness.
        """


@dataclass
class Tracker:
    _: KW_ONLY
    folder: str = "here"


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@decorated
def wrapped(task, *, folder: str = "here"): ...


@pytest.mark.parametrize(
    ("builder", "names"),
    [
        (Sampler, ("power",)),
        (Tracker, ("folder",)),
        (wrapped, ("folder",)),
        (functools.partial(wrapped, None), ("folder",)),
        (lambda task: task, ()),
    ],
)
def test_classes_dataclasses_and_wrapped_functions_have_options(builder, names):
    assert OptionSchema.of(builder).names == names


def test_a_class_describes_its_options_in_its_docstring():
    assert OptionSchema.of(Sampler).fields[0].description == "from the class's docstring."


# what is accepted


def test_every_option_is_resolved_as_a_json_value():
    assert check() == {
        "width": 3,
        "dropout": 0.3,
        "rate": None,
        "norm": "batch",
        "sizes": [1.0, 2.0],
        "weights": None,
        "side": "left",
        "copy": False,
        "either": 1,
        "channels": 16,
        "endless": 0.0,
    }


def test_an_int_is_a_float():
    dropout = check(dropout=0)["dropout"]
    assert dropout == 0.0
    assert isinstance(dropout, float)


def test_arguments_have_the_types_that_the_builder_declares():
    settings = check(sizes=[1, 2], weights="a/b.pt", side="right")
    arguments = SCHEMA.arguments(settings)
    assert arguments["sizes"] == (1.0, 2.0)
    assert arguments["weights"] == Path("a/b.pt")
    assert arguments["side"] is Side.RIGHT
    assert arguments["copy"] is False


def test_what_was_validated_validates_to_itself():
    settings = check(sizes=[0.1], weights="x", rate=1, endless=float("inf"))
    assert SCHEMA.validate(settings, "model") == settings


def test_paths_tuples_and_numpy_scalars_are_taken_as_json():
    import numpy as np

    settings = check(weights=Path("x"), sizes=(1, 2), width=np.int64(4), dropout=np.float64(0.5))
    assert (settings["weights"], settings["sizes"]) == ("x", [1.0, 2.0])
    assert (settings["width"], settings["dropout"]) == (4, 0.5)


@given(st.floats(min_value=0, max_value=1, exclude_max=True))
def test_any_float_within_the_bounds_comes_back_unchanged(value):
    assert check(dropout=value)["dropout"] == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_finite_float_comes_back_unchanged_where_there_are_no_bounds(value):
    assert check(endless=value)["endless"] == value


@given(st.integers())
def test_any_int_comes_back_unchanged_where_there_are_no_bounds(value):
    assert check(width=value)["width"] == value


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_any_text_comes_back_unchanged(value):
    assert check(either=value)["either"] == value


# what is refused


@given(st.floats().filter(lambda value: not 0 <= value < 1))
def test_any_float_outside_the_bounds_is_refused_by_name(value):
    assert refusal(dropout=value).startswith("model.dropout = ")


@given(st.one_of(st.none(), st.booleans(), st.text(), st.lists(st.integers()), st.floats()))
def test_anything_but_an_int_is_no_int(value):
    assert refusal(width=value).startswith("model.width = ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dropout": 1.5}, "model.dropout = 1.5: must be less than 1"),
        ({"dropout": -0.1}, "model.dropout = -0.1: must be at least 0"),
        ({"dropout": float("nan")}, "model.dropout = nan: must be a finite number"),
        ({"dropout": True}, "model.dropout = true: must be a number"),
        ({"width": "3"}, 'model.width = "3": must be a whole number'),
        ({"width": True}, "model.width = true: must be a whole number"),
        ({"width": 3.0}, "model.width = 3.0: must be a whole number"),
        ({"rate": 0}, "model.rate = 0: must be greater than 0"),
        ({"norm": "group"}, "model.norm = \"group\": must be 'batch' or 'layer'"),
        ({"side": "up"}, "model.side = \"up\": must be 'left' or 'right'"),
        ({"sizes": 3}, "model.sizes = 3: must be a list"),
        ({"sizes": [1, "a"]}, 'model.sizes[1] = "a": must be a number'),
        ({"copy": 1}, "model.copy = 1: must be true or false"),
        ({"either": [1]}, "model.either = [1]: must be int | str"),
        ({"channels": 12}, "model.channels = 12: must be a multiple of 8"),
    ],
)
def test_a_wrong_value_is_told_in_one_line(values, message):
    assert refusal(**values) == message


def test_what_is_no_json_value_is_told():
    assert refusal(weights=object) == "model: <class 'object'> is type, no value for an option"


def test_half_a_surrogate_pair_is_refused_in_one_line():
    assert refusal(either="\ud800").startswith("model: Invalid JSON")


def test_the_remedy_says_what_the_option_takes():
    with pytest.raises(UserError) as caught:
        check(dropout=2)
    assert (
        caught.value.remedy == "set model.dropout to a number, at least 0 and less than 1, in the recipe or with --set"
    )


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (Annotated[int, Ge(1)], "a whole number, at least 1"),
        (Annotated[int, Ge(1)] | None, "a whole number, at least 1"),
        (Annotated[int | None, Interval(ge=8, le=1024)], "a whole number from 8 to 1024"),
        (Annotated[int, Interval(ge=8, le=64), MultipleOf(8)], "a whole number from 8 to 64, a multiple of 8"),
        (Annotated[float, Interval(gt=0, le=1)], "a number, greater than 0 and at most 1"),
        (Annotated[float, Field(ge=0, lt=0.5)], "a number, at least 0 and less than 0.5"),
        (Annotated[float, Tunable(0.0, 1.0)], "a number"),
        (bool, "true or false"),
        (str | None, "text"),
        (Path, "a path"),
        (Annotated[tuple[float, ...], Len(2)], "a list, at least 2 long"),
        (dict[str, int], "a table"),
        (Literal["a"], "'a'"),
        (Literal["a", "b", 3] | None, "'a', 'b' or 3"),
        (Side, "'left' or 'right'"),
        (int | str, "int | str"),
    ],
    ids=str,
)
def test_what_a_value_should_be_is_said_in_plain_words(annotation, words):
    assert expectation(annotation) == words


def test_a_missing_option_is_told():
    with pytest.raises(UserError, match=r"^model.width: model 'net' requires it"):
        SCHEMA.validate({}, "model 'net'")


def test_an_unknown_option_suggests_the_nearest():
    with pytest.raises(UserError) as caught:
        check(drpout=0.3)
    assert caught.value.message == "unknown option 'drpout' for model 'net'"
    assert caught.value.remedy.startswith("did you mean 'dropout'? options: width, dropout, ")


def test_an_owner_names_the_component_where_the_place_does_not():
    with pytest.raises(UserError, match="unknown option 'x' for model 'net'"):
        OptionSchema.of(build, owner="model 'net'").validate({"x": 1}, "model")


def test_an_option_of_a_component_without_any_is_told_so():
    with pytest.raises(UserError) as caught:
        OptionSchema.of(lambda task: task).validate({"x": 1}, "loss 'l'")
    assert caught.value.remedy == "it has no options"


# what an author gets wrong


def takes_anything(task, **options): ...


def untyped(task, *, width=3): ...


def unresolvable(task, *, width: NoSuchType = 3): ...  # type: ignore[name-defined]  # noqa: F821


def uncheckable(task, *, parts: Sampler = None): ...


def default_outside(task, *, rate: Annotated[float, Gt(0)] = 0.0): ...


def default_of_another_type(task, *, width: int = "3"): ...


def range_outside(task, *, rate: Annotated[float, Gt(0), Tunable(0.0, 1.0)] = 0.5): ...


def range_of_halves(task, *, width: Annotated[int, Tunable(0.5, 2.5)] = 1): ...


def range_of_text(task, *, name: Annotated[str, Tunable(1, 2)] = "a"): ...


def range_of_flag(task, *, flag: Annotated[bool, Tunable(0, 1)] = True): ...


def two_ranges(task, *, rate: Annotated[float, Tunable(0, 1), Tunable(1, 2)] = 1.0): ...


def bounds_of_another_type(task, *, width: Annotated[int, Lt("a")] = 1): ...


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (takes_anything, "name each option as a keyword-only parameter"),
        (untyped, "option 'width' has no type annotation"),
        (unresolvable, "the type of option 'width' cannot be resolved: name 'NoSuchType' is not defined"),
        (uncheckable, "option 'parts' has a type that cannot be checked"),
        (default_outside, "option 'rate': its default 0.0 must be greater than 0"),
        (default_of_another_type, "option 'width': its default \"3\" must be a whole number"),
        (range_outside, r"search range 0 to 1 lies outside the option \(x > 0\): 0 must be greater than 0"),
        (range_of_halves, "0.5 must be a whole number"),
        (range_of_text, "outside the option of type str"),
        (range_of_flag, "outside the option of type bool"),
        (two_ranges, "option 'rate' has 2 search ranges"),
        (bounds_of_another_type, "option 'width' has a type that cannot be checked"),
    ],
)
def test_an_author_s_mistake_is_told(builder, message):
    with pytest.raises((TypeError, ValueError), match=message):
        OptionSchema.of(builder)


def test_an_option_before_the_star_is_told_where_the_number_of_arguments_is_known():
    def build(task, width: int = 3): ...

    with pytest.raises(TypeError, match=r"'width' by position, where the harness gives 1: put it behind a '\*'"):
        OptionSchema.of(build, given=1)


@given(
    low=st.floats(min_value=-10, max_value=10),
    high=st.floats(min_value=-10, max_value=10),
)
def test_a_search_range_is_accepted_exactly_within_the_bounds(low, high):
    if not low < high:
        return

    def build(task, *, x: Annotated[float, Interval(ge=-5, lt=5), Tunable(low, high)] = 0.0): ...

    build.__annotations__["x"] = Annotated[float, Interval(ge=-5, lt=5), Tunable(low, high)]
    if low >= -5 and high < 5:
        assert OptionSchema.of(build).fields[0].tunable == Tunable(low, high)
    else:
        with pytest.raises(ValueError, match="lies outside"):
            OptionSchema.of(build)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Annotated[int, Ge(1)], "x ≥ 1"),
        (Annotated[int, Lt(5)], "x < 5"),
        (Annotated[float, Interval(gt=0, le=0.5)], "0 < x ≤ 0.5"),
        (Annotated[int, MultipleOf(4)], "multiple of 4"),
        (Annotated[list[int], Len(1, 3)], "length ≥ 1, length ≤ 3"),
        (Annotated[float, Field(ge=0, le=1)], "0 ≤ x ≤ 1"),
        (float, ""),
    ],
)
def test_bounds_text_of_each_constraint(annotation, text):
    def build(*, x): ...

    build.__annotations__["x"] = annotation
    assert OptionSchema.of(build).fields[0].bounds == text
