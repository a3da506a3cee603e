"""JSON on stdout."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import click

_PERHAPS = re.compile(r"[^\x20-\x7e\n]")
_LIVE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def echo_json(value: Any) -> None:
    """Print plain values as JSON, letters as they are; what a terminal acts on or cannot print is escaped."""
    click.echo(_PERHAPS.sub(_escaped, json.dumps(value, indent=2, ensure_ascii=False)))


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return json.dumps(character)[1:-1] if unicodedata.category(character) in _LIVE else character
