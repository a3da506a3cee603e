"""Whose word a setting needs before its value is taken out of a record, which anybody may have written.

The type of a setting decides, so that a new one is on the safe side until its author says more.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Collection, Iterable
from os import PathLike
from typing import Annotated, Any, Literal, Union

from ferbench.plugin.specs import Inert, Permission


class Consent(enum.IntEnum):
    """Whose word a value needs that a record has, and a command has not."""

    #: Nobody's: it has no effect outside the results directory and the cache.
    NONE = 0
    #: The user's, who has given the same value before, in a command, a recipe or a call of their own.
    BEFORE = 1
    #: The user's, in this command.
    NOW = 2


def consent_for(annotation: Any, metadata: Iterable[object] = ()) -> Consent:
    """Whose word the values of a type need.

    Numbers and choices among given words need nobody's, nor does what is marked `Inert`. A text may name a file, a
    server or a program, and a truth value may be a permission. Of everything else nothing is known.

    Args:
        annotation: the type.
        metadata: of its ``Annotated[…]``, where that was taken off.
    """
    for mark in metadata:
        if isinstance(mark, Inert):
            return Consent.NONE
        if isinstance(mark, Permission):
            return Consent.NOW
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return consent_for(annotation.__origin__, annotation.__metadata__)
    if origin is Literal:
        return Consent.NONE
    if origin in (Union, types.UnionType) or (inspect.isclass(origin) and issubclass(origin, Collection)):
        return max(map(consent_for, arguments), default=Consent.NOW)
    if annotation in (types.NoneType, Ellipsis, int, float):
        return Consent.NONE
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        return Consent.NONE
    if inspect.isclass(annotation) and issubclass(annotation, (str, bool, PathLike)):
        return Consent.BEFORE
    return Consent.NOW
