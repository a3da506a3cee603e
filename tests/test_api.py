"""The public names and their signatures, pinned: a change to them is seen, and is no accident."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ferbench
import ferbench.testing
from ferbench.kinds import BY_NAME
from ferbench.plugin.loading import HOOKS
from ferbench.plugin.versions import SPOKEN

PINNED = Path(__file__).with_name("api.txt")


def described(module: Any) -> Iterator[str]:
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if inspect.ismodule(value):
            yield from _module(f"{module.__name__}.{name}", value)
        elif inspect.isclass(value):
            yield from _class(f"{module.__name__}.{name}", value)
        elif callable(value):
            yield f"{module.__name__}.{name}{_signature(value)}"
        else:
            yield f"{module.__name__}.{name}: {type(value).__name__}"


def _module(name: str, module: Any) -> Iterator[str]:
    yield f"{name} (module)"
    for member, value in sorted(vars(module).items()):
        if not member.startswith("_") and getattr(value, "__module__", None) == module.__name__:
            lines = _class(member, value) if inspect.isclass(value) else [f"{member}{_signature(value)}"]
            yield from (f"  {line}" for line in lines)


def _class(name: str, value: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
    yield f"{name}({bases})" if bases else name
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            default = "" if field.default is dataclasses.MISSING else f" = {field.default!r}"
            if field.default_factory is not dataclasses.MISSING:
                default = f" = {field.default_factory.__name__}()"
            yield f"  {field.name}: {field.type}{default}"
    elif "__init__" in vars(value):
        yield f"  __init__{_signature(value.__init__)}"
    for member, what in sorted(vars(value).items()):
        if not member.startswith("_") and inspect.isfunction(what):
            yield f"  {member}{_signature(what)}"
        elif not member.startswith("_") and isinstance(what, property):
            yield f"  {member} (property)"


def _signature(value: Any) -> str:
    try:
        return str(inspect.signature(value))
    except ValueError:
        return "(…)"


def api() -> str:
    lines = [f"API_VERSION {ferbench.API_VERSION}", *described(ferbench), *described(ferbench.testing)]
    lines += [
        f"hook {hook} -> {spec.__name__}, built with {BY_NAME[spec.kind].given} positional"
        for hook, spec in HOOKS.items()
    ]
    lines += [f"event {event}" for event in ferbench.TrackerSpec.EVENTS]
    return "\n".join(lines) + "\n"


def test_the_public_names_and_signatures_are_those_that_are_pinned():
    """If the change is wanted: read "Versions of the interface" in docs/reference/plugins.md, decide whether
    API_VERSION rises, add a line to CHANGELOG.md, and run `python tests/test_api.py` to pin it."""
    assert api() == PINNED.read_text(encoding="utf-8")


def test_the_interface_that_is_spoken_is_the_newest():
    assert SPOKEN[-1] == ferbench.API_VERSION
    assert list(SPOKEN) == sorted(set(SPOKEN))


if __name__ == "__main__":
    PINNED.write_text(api(), encoding="utf-8")
    sys.exit(0)
