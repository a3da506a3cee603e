"""Records of older layouts as today's, one step a version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Of the layout of ``run.json`` today.
SCHEMA_VERSION = 3


def _to_2(record: dict[str, Any]) -> dict[str, Any]:
    """Version 1 said by its keys what a record is of."""
    imported = record.pop("imported", False)
    kind = "imported" if imported else "ensemble" if "ensemble" in record else "trained"
    return {"schema": 2, "kind": kind, **{key: value for key, value in record.items() if key != "schema"}}


def _to_3(record: dict[str, Any]) -> dict[str, Any]:
    """Version 2 had digests neither of the run's files nor of itself: what it says of them nobody can make up for."""
    return {**record, "schema": 3, "files": None}


#: By the version that a step begins with.
_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _to_2, 2: _to_3}

#: The first version whose records hold their own digest.
_SEALED = 3


def is_sealed(record: dict[str, Any]) -> bool:
    """Whether a record of that version holds its own digest, or says that it does."""
    version = record.get("schema")
    return "own" in record or (isinstance(version, int) and version >= _SEALED)


def upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """A record of any version that there was, as one of today's.

    Raises:
        ValueError: it is of another version; the error's text is that version.
    """
    while (version := record.get("schema")) != SCHEMA_VERSION:
        step = _STEPS.get(version) if isinstance(version, int) else None
        if step is None:
            raise ValueError(repr(version))
        record = step(dict(record))
    return record
