"""What a builder's signature and docstring say of its options."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast

from ferbench.plugin.consent import Consent, consent_for
from ferbench.plugin.specs import Added, InitialWeights, Permission, Tunable


@dataclass(frozen=True)
class Option:
    """One option of a component: a keyword-only parameter of its builder.

    Attributes:
        name: what users type.
        annotation: its type with all metadata, resolved.
        default: as the signature has it; of the options of an `OptionSchema`, as a JSON value. None where the option is
            required.
        required: whether there is no default.
        type: readable text such as ``float``, ``'a' | 'b'`` or ``list[str]``.
        bounds: readable text such as ``0 ≤ x < 1``; empty without bounds.
        tunable: the range that ``ferbench tune`` searches, if the author gave one.
        initial_weights: how its value names a model's initial weights, if it does.
        consent: whose word its value needs before it is taken out of a record.
        permits: the option that it is a permission for, if it says so.
        description: from the builder's docstring.
        added: whether it is left out of ids at its default.
    """

    name: str
    annotation: Any
    default: Any
    required: bool
    type: str
    bounds: str
    tunable: Tunable | None
    initial_weights: InitialWeights | None
    consent: Consent
    permits: str | None
    description: str
    added: bool = False

    @property
    def choices(self) -> tuple[object, ...]:
        """The values that it may have, where they are listed."""
        return tuple(value for kind in _literals(self.annotation) for value in typing.get_args(kind))


def read_options(
    builder: Callable[..., Any], skip: Collection[str] = (), given: int | None = None
) -> tuple[Option, ...]:
    """The keyword-only parameters of a builder, but for those in ``skip``.

    Args:
        builder: a function, or a class whose ``__init__`` is read.
        skip: names of parameters that are no options.
        given: how many positional parameters are no options; None: do not count them.

    Raises:
        TypeError: ``**options``, an option before the ``*``, or one without a type that can be resolved.
    """
    name = getattr(builder, "__qualname__", repr(builder))
    try:
        signature = inspect.signature(builder)
    except ValueError as error:
        raise TypeError(f"the signature of {name} cannot be read: {error}") from error
    described = _argument_docs(builder)
    options = []
    positional = 0
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            raise TypeError(f"{name} takes **{parameter.name}: name each option as a keyword-only parameter")
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional += 1
            if given is not None and positional > given:
                raise TypeError(
                    f"{name} takes '{parameter.name}' by position, where the harness gives {given}: "
                    f"put it behind a '*' to make it an option"
                )
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in skip:
            options.append(_read(parameter, builder, described.get(parameter.name, "")))
    return tuple(options)


def _read(parameter: inspect.Parameter, builder: Callable[..., Any], description: str) -> Option:
    annotation = _resolve(parameter, builder)
    metadata = list(_metadata(annotation))
    ranges = [item for item in metadata if isinstance(item, Tunable)]
    if len(ranges) > 1:
        raise TypeError(f"option '{parameter.name}' has {len(ranges)} search ranges")
    required = parameter.default is parameter.empty
    return Option(
        name=parameter.name,
        annotation=annotation,
        default=None if required else parameter.default,
        required=required,
        type=type_text(annotation),
        bounds=_bounds_text(metadata),
        tunable=ranges[0] if ranges else None,
        initial_weights=next((item for item in metadata if isinstance(item, InitialWeights)), None),
        consent=consent_for(annotation),
        permits=next((item.of for item in metadata if isinstance(item, Permission)), None),
        description=description,
        added=Added in metadata,
    )


def _literals(annotation: Any) -> Iterator[Any]:
    if typing.get_origin(annotation) is Literal:
        yield annotation
    elif typing.get_origin(annotation) is Annotated:
        yield from _literals(annotation.__origin__)


def _resolve(parameter: inspect.Parameter, builder: Callable[..., Any]) -> Any:
    """The annotation as a type. Only options' are resolved: ``task``'s may be for type checkers alone."""
    if parameter.annotation is parameter.empty:
        raise TypeError(f"option '{parameter.name}' has no type annotation")
    namespace = _namespace(builder)
    holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        return typing.get_type_hints(holder, globalns=namespace, localns={}, include_extras=True)[parameter.name]
    except Exception as error:  # whatever evaluating the author's text raises
        raise TypeError(f"the type of option '{parameter.name}' cannot be resolved: {error}") from error


def _namespace(builder: Callable[..., Any]) -> dict[str, Any]:
    function: Any = builder
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isclass(function):
        function = function.__init__
    elif not inspect.isroutine(function):
        function = type(function).__call__
    function = inspect.unwrap(function)
    if hasattr(function, "__globals__"):
        return function.__globals__
    return vars(sys.modules[function.__module__]) if getattr(function, "__module__", None) in sys.modules else {}


def _metadata(annotation: Any) -> Iterator[object]:
    """What ``Annotated[…]`` holds, also that of the one in ``Annotated[…] | None``; groups taken apart."""
    if typing.get_origin(annotation) is Annotated:
        yield from _flatten(annotation.__metadata__)
        yield from _metadata(annotation.__origin__)
    elif typing.get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        if len(members) == 1:
            yield from _metadata(members[0])


def _flatten(metadata: Iterable[object]) -> Iterator[object]:
    for item in metadata:
        if isinstance(item, Tunable):
            yield item
        elif hasattr(item, "metadata"):  # pydantic.Field
            yield from _flatten(item.metadata)
        elif getattr(item, "__is_annotated_types_grouped_metadata__", False):  # Interval, Len
            yield from _flatten(cast(Iterable[object], item))
        else:
            yield item


#: The ``annotated_types`` constraints that have a short form: where each keeps its limit, and what it says in words.
#: What has none is left to the error.
_LIMITS = {
    "Ge": ("ge", "at least {}"),
    "Gt": ("gt", "greater than {}"),
    "Le": ("le", "at most {}"),
    "Lt": ("lt", "less than {}"),
    "MultipleOf": ("multiple_of", "a multiple of {}"),
    "MinLen": ("min_length", "at least {} long"),
    "MaxLen": ("max_length", "at most {} long"),
}


def _limits(metadata: Iterable[object]) -> dict[str, str]:
    """The limits that constraints set, as texts by the constraint's class."""
    known = [(item, type(item).__name__) for item in metadata]
    return {kind: _number(getattr(item, _LIMITS[kind][0])) for item, kind in known if kind in _LIMITS}


def _worded(limits: Mapping[str, str], forms: Mapping[str, str]) -> list[str]:
    return [form.format(limits[kind]) for kind, form in forms.items() if kind in limits]


def _bounds_text(metadata: Iterable[object]) -> str:
    """``0 ≤ x < 1``."""
    limits = _limits(metadata)
    low, high = _worded(limits, {"Ge": "{} ≤", "Gt": "{} <"}), _worded(limits, {"Le": "≤ {}", "Lt": "< {}"})
    if low and high:
        ends = [f"{low[0]} x {high[0]}"]
    else:
        ends = _worded(limits, {"Ge": "x ≥ {}", "Gt": "x > {}", "Le": "x ≤ {}", "Lt": "x < {}"})
    rest = {"MultipleOf": "multiple of {}", "MinLen": "length ≥ {}", "MaxLen": "length ≤ {}"}
    return ", ".join([*ends, *_worded(limits, rest)])


_PLAIN_TYPES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list: "a list",
    tuple: "a list",
    dict: "a table",
    Path: "a path",
}


def expectation(annotation: Any, metadata: Iterable[object] = ()) -> str:
    """What a value should be, in plain words: ``a whole number, at least 1``, ``'a', 'b' or 'c'``.

    Args:
        annotation: its type; that it may be None is left out.
        metadata: of its ``Annotated[…]``, where that was taken off.
    """
    metadata = [*_flatten(metadata), *_metadata(annotation)]
    while typing.get_origin(annotation) in (Annotated, Union, types.UnionType):
        members = [argument for argument in typing.get_args(annotation) if argument is not types.NoneType]
        if typing.get_origin(annotation) is not Annotated and len(members) > 1:
            break
        annotation = members[0]
    choices = (
        [repr(argument) for argument in typing.get_args(annotation)] if typing.get_origin(annotation) is Literal else []
    )
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        choices = [repr(member.value) for member in annotation]
    if choices:
        return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))
    plain = _PLAIN_TYPES.get(typing.get_origin(annotation) or annotation) or type_text(annotation)
    return plain + _bounds_in_words(metadata)


def item_type(annotation: Any) -> Any | None:
    """The type of a list's items, ``str`` where that is not said; None: a value of the type is no list."""
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is Annotated:
        return item_type(arguments[0])
    if origin in (Union, types.UnionType):
        return next((item for member in arguments if (item := item_type(member)) is not None), None)
    if inspect.isclass(origin) and issubclass(origin, list | tuple | set | frozenset):
        return arguments[0] if arguments else str
    return None


def _bounds_in_words(metadata: Iterable[object]) -> str:
    limits, ends = _limits(metadata), ""
    if "Ge" in limits and "Le" in limits:
        ends = f" from {limits.pop('Ge')} to {limits.pop('Le')}"
    words = _worded(limits, {kind: words for kind, (_, words) in _LIMITS.items()})
    return ends + (f", {' and '.join(words)}" if words else "")


def _number(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def type_text(annotation: Any) -> str:
    """A type as people write it: ``float | None``, ``'a' | 'b'``, ``list[str]``, ``tuple[float, …]``."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return type_text(annotation.__origin__)
    if origin is Literal:
        return " | ".join(repr(value) for value in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(type_text(member) for member in arguments)
    if origin is not None:
        name = getattr(origin, "__name__", str(origin)).lower()
        return f"{name}[{', '.join(type_text(argument) for argument in arguments)}]"
    if annotation is Ellipsis:
        return "…"
    if annotation is types.NoneType:
        return "None"
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return " | ".join(repr(member.value) for member in annotation)
    return getattr(annotation, "__name__", None) or str(annotation)


def names_paths(annotation: Any) -> bool:
    """Whether a value of a type may be a path: the type is one, or a union with one."""
    if typing.get_origin(annotation) is Annotated:
        return names_paths(annotation.__origin__)
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return any(names_paths(member) for member in typing.get_args(annotation))
    return issubclass(typing.get_origin(annotation) or annotation, PathLike) if inspect.isclass(annotation) else False


_ARGUMENT = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


def _argument_docs(builder: Callable[..., Any]) -> dict[str, str]:
    """The ``Args:`` sections of the docstrings of a function, or of a class and its ``__init__``, by name."""
    function: Any = builder
    while isinstance(function, functools.partial):
        function = function.func
    sources = [function, function.__init__] if inspect.isclass(function) else [function]
    described: dict[str, str] = {}
    for source in sources:
        described |= _args_section(inspect.cleandoc(source.__doc__ or ""))
    return described


def _args_section(docstring: str) -> dict[str, str]:
    described: dict[str, str] = {}
    inside, indent, current = False, 0, ""
    for line in docstring.splitlines():
        depth = len(line) - len(line.lstrip())
        if not inside:
            inside, indent = line.strip() in ("Args:", "Arguments:") and depth == 0, 0
        elif line.strip():
            if depth == 0:  # the next section
                inside = False
                continue
            indent = indent or depth
            match = _ARGUMENT.match(line.strip()) if depth == indent else None
            if match:
                current = match[1]
                described[current] = match[2]
            elif current:
                described[current] += f" {line.strip()}"
    return described
