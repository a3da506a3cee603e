"""``--set OPTION=VALUE`` where a command is about one component."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.plugin.component import Component


def assignments(component: Component, sets: tuple[str, ...]) -> dict[str, object]:
    """The options by name; ``model.dropout=0.5`` serves for ``dropout=0.5``.

    Raises:
        UserError: something that is not OPTION=VALUE.
    """
    from ferbench.experiment.settings import parse_value

    given: dict[str, object] = {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {text!r} is not option=value", "for example --set dropout=0.5")
        given[key.strip().removeprefix(f"{component.kind}.")] = parse_value(value.strip())
    return given
