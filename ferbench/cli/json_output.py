"""JSON on stdout."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from typing import Any

import click

from ferbench.errors import UserError

_PERHAPS = re.compile(r"[^\x20-\x7e\n]")
_LIVE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def echo_json(value: Any) -> None:
    """Print plain values as JSON, letters as they are; what a terminal acts on or cannot print is escaped, and all that
    is beyond ASCII where the output's encoding lacks any of it."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    click.echo(_PERHAPS.sub(_escaped, text))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return json.dumps(character)[1:-1] if unicodedata.category(character) in _LIVE else character


def chosen_format(form: str, as_json: bool) -> str:
    """What ``--format`` and its short form ``--json`` ask for together.

    Raises:
        UserError: they ask for unlike things.
    """
    if not as_json:
        return form
    source = click.get_current_context().get_parameter_source("form")
    if form != "json" and source is not None and source.name == "COMMANDLINE":
        raise UserError(f"--json and --format {form} are given", "give one of them; --json is --format json")
    return "json"
