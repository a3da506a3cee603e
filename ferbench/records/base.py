"""What all records have in common: types, their checking, and the values that JSON cannot hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticCustomError


class Record(BaseModel):
    """A record, or a part of one.

    Every field has a docstring, from which the reference of the run directory is made. A field without a value is not
    written. What a record has beside its fields, as one of a later release may have, is kept and written again.
    """

    model_config = ConfigDict(
        strict=True, extra="allow", allow_inf_nan=False, use_attribute_docstrings=True, validate_by_name=True
    )

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON: what was said, under the names that the file has."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _score(value: Any) -> Any:
    """A score as JSON can hold it: a component of a loss may be NaN or infinite, which becomes null. Counts, such as
    ``valence_n``, stay whole numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63):
        return value
    raise PydanticCustomError("float_type", "should be a number")


def _plain(value: Any) -> Any:
    """A value as JSON holds it: tuples become lists.

    Raises:
        ValueError: it is no plain value, or a number that JSON or an index cannot hold.
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("should be a finite number")
        return value
    if isinstance(value, int):
        if abs(value) >= 2**63:
            raise ValueError("should be a number below 2^63")
        return value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    raise ValueError("should be a plain value")


def table(value: Any) -> dict[str, Any]:
    """Plain values by name, as JSON holds them."""
    if not isinstance(value, Mapping):
        raise PydanticCustomError("dict_type", "should be a table")
    return {key: _plain(item) for key, item in value.items()}


def misplaced(field: str, wanted: str) -> PydanticCustomError:
    """The error for a value by name that is no ``wanted``, among values that are free otherwise."""
    return PydanticCustomError("field_type", "{field} is not {wanted}", {"field": field, "wanted": wanted})


def lacking(key: str) -> PydanticCustomError:
    """The error for a table without something that readers need."""
    return PydanticCustomError("lacking", "lacks '{key}'", {"key": key})


#: A number of things.
Count = Annotated[int, Field(ge=0, lt=2**63)]

#: Pixels of a side of an image.
Side = Annotated[int, Field(gt=0, lt=2**15)]

#: A score; None where it is not defined.
Score = Annotated[int | float | None, PlainValidator(_score)]

#: Any plain value. Nothing that a record says freely is looked at twice: the checks of pydantic cost much more.
Json = Annotated[Any, PlainValidator(_plain)]

#: Plain values by name: options, fields of a recipe's section.
Values = Annotated[dict[str, Any], PlainValidator(table)]
