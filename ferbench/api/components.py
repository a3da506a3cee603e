"""What Python users choose components and values with: names, classes and functions, and values of any library."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ferbench.api.notebook import FOLDER, plugin_of
from ferbench.errors import UserError
from ferbench.kinds import SECTIONS
from ferbench.wording import did_you_mean, one_line

#: A component: its name, or a class or function that builds it.
Chosen = str | Callable[..., Any]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def takes_components(function: _Function) -> _Function:
    """Let help and completion show a parameter for each section of a recipe, where ``**components`` stands."""
    own = inspect.signature(function)
    annotation = "Chosen | Sequence[Chosen] | None"
    chosen = [
        inspect.Parameter(section, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for section in SECTIONS
    ]
    rest = [argument for argument in own.parameters.values() if argument.kind is not argument.VAR_KEYWORD]
    function.__signature__ = own.replace(parameters=[*chosen, *rest])  # type: ignore[attr-defined]
    return function


def component_names(
    function: str, components: Mapping[str, Chosen | Sequence[Chosen] | None], results: Path, plugins: list[str]
) -> dict[str, list[str]]:
    """Names of components by section; a class or function becomes a local plugin, which is added to ``plugins``.

    Args:
        function: what messages call the function that was given them.
        components: by section: one, or several.
        results: the results directory, which keeps those plugins.
        plugins: files of local plugins.

    Raises:
        UserError: there is no such section, or what is given is no component.
    """
    names: dict[str, list[str]] = {}
    for section, chosen in components.items():
        if section not in SECTIONS:
            raise UserError(
                f"{function} takes no '{one_line(section)}'",
                f"{did_you_mean(section, SECTIONS)}components: {', '.join(SECTIONS)}; options and fields go into "
                "settings",
            )
        names[section] = []
        for component in [] if chosen is None else several(chosen):
            if not isinstance(component, str):
                component, file = plugin_of(section, component, results / FOLDER)
                plugins.append(str(file))
            names[section].append(component)
    return names


def several(value: Any) -> list[Any]:
    """A sequence as a list, anything else, and text, as a list of it."""
    return [value] if isinstance(value, str | bytes) or not isinstance(value, Sequence) else list(value)


def plain(value: Any) -> Any:
    """A value as a recipe may hold it: paths as texts, tuples as lists, numpy's numbers as Python's.

    Raises:
        UserError: a recipe cannot hold it.
    """
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if not isinstance(value, str | int | float | None):
        raise UserError(f"a setting is of type {type(value).__name__}", "use numbers, text and lists")
    return value
