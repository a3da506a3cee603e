"""A recorded run as a recipe that runs it again."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import tomli_w

from ferbench.kinds import DEFAULTS, NONE, SECTIONS
from ferbench.records.run import Choice, Run

_HIDDEN = re.compile(r"[^\x20-\x7e\n]")

#: Fields of ``[data]`` that are a matter of the machine, and may tell more of its owner than a report should.
_PRIVATE = ("path", "paths")


def recipe_toml(record: Run) -> str:
    """The recipe of a run as TOML, with every option spelled out so that it outlives changed defaults.

    Left out: where the data lies, trackers and the runtime section; none of them enters an id.

    Args:
        record: of the run.
    """
    asked = record.recipe
    document: dict[str, Any] = {} if asked.name is None else {"name": asked.name}
    if asked.start is not None:  # as an id, where the record may have a path
        (parent,) = record.lineage.parents
        document["from"] = f"{parent.run}@{parent.at}"
    for section in SECTIONS:
        component = record.components.get(section)
        if component is None:
            if DEFAULTS[section] == NONE and isinstance(chosen := getattr(asked, section), Choice):
                document[section] = {"name": chosen.name, **_given(chosen.options)}
            continue
        document[section] = {"name": component.name, **_given(component.options)}
        for name, member in (component.members or {}).items():
            document[section][name] = _given(member.options)
    document["data"] = {key: value for key, value in _given(asked.data).items() if key not in _PRIVATE}
    document["training"] = _given(asked.training)
    if (teacher := record.lineage.teacher) is not None:  # likewise
        document["training"]["teacher"] = f"{teacher.run}@{teacher.at}"
    if asked.evaluation:  # records of the first release have none
        document["evaluation"] = _given(asked.evaluation)
    return _HIDDEN.sub(_escaped, tomli_w.dumps(document))


def _escaped(match: re.Match[str]) -> str:
    """What TOML allows in a text and nobody sees, such as marks that turn the direction of reading, as an escape."""
    character = match[0]
    if unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp"):
        return character
    return f"\\U{ord(character):08X}" if ord(character) > 0xFFFF else f"\\u{ord(character):04X}"


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: what is not set is left out."""
    return {
        key: _given(value) if isinstance(value, dict) else value for key, value in values.items() if value is not None
    }
