"""What is said of a value or a name that is refused: one wording for the harness's own fields and for plugins' options.

``training.batch_size = 0: must be at least 1`` and ``model.dropout = 1.5: must be less than 1``, each with what to set.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.plugin.signature import expectation, item_type, type_text
from ferbench.wording import did_you_mean, one_line

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LONGEST_VALUE = 60

_COMPLAINTS: Mapping[str, str] = {
    "less_than": "must be less than {lt:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
    "greater_than": "must be greater than {gt:.15g}",
    "greater_than_equal": "must be at least {ge:.15g}",
    "multiple_of": "must be a multiple of {multiple_of:.15g}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "path_type": "must be a path",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "finite_number": "must be a finite number",
    "none_required": "must be null",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
}


def unknown_option(name: str, names: Sequence[str], where: str) -> UserError:
    """What to say of an option that there is not.

    Args:
        name: that was given.
        names: that there are.
        where: ``model 'basic-cnn'``, or ``[training]``.
    """
    choices = f"options: {', '.join(names)}" if names else "it has no options"
    return UserError(f"unknown option '{one_line(name)}' for {where}", f"{did_you_mean(name, names)}{choices}")


def wrong_value(
    errors: Sequence[ErrorDetails], key: str, depth: int, annotation: Any, metadata: Iterable[object], where: str
) -> UserError:
    """What to say of a value that is refused, or lacking.

    Args:
        errors: what pydantic found wrong with it.
        key: that users know it by, such as ``training.batch_size``.
        depth: how many parts of the errors' places ``key`` stands for.
        annotation: type of the value.
        metadata: of its ``Annotated[…]``, where that was taken off.
        where: what requires it, ``model 'basic-cnn'`` or ``[training]``.
    """
    first = errors[0]
    given = first.get("input")
    wanted = f"set {key} to {expectation(annotation, metadata)}, in the recipe or with --set"
    if first["type"] == "missing":
        return UserError(f"{key}: {where} requires it", wanted)
    below = first["loc"][depth:]
    if len(errors) > 1 and all(any(isinstance(part, str) for part in error["loc"][depth:]) for error in errors):
        return UserError(f"{key} = {shown(given)}: must be {type_text(annotation)}", wanted)  # none of a union's types
    place = "".join(f"[{part}]" for part in below if isinstance(part, int))
    item = item_type(annotation)
    if place:
        wanted = f"set {key}{place} to {expectation(item)}, in the recipe or with --set" if len(below) == 1 else wanted
    elif item is not None:
        wanted = f"write a list: --set {key}={_example(item)}"
    elif isinstance(given, list):
        wanted = f"give one value; to try several, use --grid {key}=v1,v2"
    elif first["type"] == "value_error":  # which says itself what is wanted
        wanted = f"change {key} in the recipe or with --set"
    return UserError(f"{key}{place} = {shown(given)}: {complaint(first)}", wanted)


def _example(item: Any) -> str:
    return "[1,2]" if expectation(item).startswith(("a number", "a whole number")) else "[a,b]"


def complaint(error: ErrorDetails) -> str:
    """What pydantic found wrong with a value, in plain words: ``must be at least 1``."""
    words = _COMPLAINTS.get(error["type"])
    if words is None:
        return one_line(error["msg"].removeprefix("Value error, "))
    return words.format(**error.get("ctx", {}))


def refusal(error: ErrorDetails) -> str:
    """The value and what is wrong with it, for the author of a plugin: ``0.0 must be greater than 0``."""
    return f"{shown(error['input'])} {'' if error['type'] in _COMPLAINTS else 'is refused: '}{complaint(error)}"


def shown(value: object) -> str:
    """A value as recipes write it, in one line and cut when it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        text = repr(value)
    text = one_line(text)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
