"""Ids: canonical JSON, its digest, and the short form that names directories.

An id is ``v1:`` and the SHA-256 of canonical JSON: sorted keys, no blanks, ASCII, shortest float text.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

VERSION = "v1:"

#: Digits of an id in the name of a directory: as many are an id in full.
SHORT = 12


def canonical_json(content: Any) -> bytes:
    """Plain values as canonical JSON.

    Raises:
        TypeError: something in it is no plain value.
        ValueError: a number is not finite.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def digest(content: Any) -> str:
    """The id of plain values."""
    return VERSION + hashlib.sha256(canonical_json(content)).hexdigest()


def own_digest(content: Any) -> str:
    """The SHA-256 that a file of JSON holds of itself as ``own``: of plain values as text with sorted keys. Files of
    every release have it, which is why it is no `digest`."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def short(identifier: str) -> str:
    """The twelve hexadecimal digits that name a directory."""
    return identifier.removeprefix(VERSION)[:SHORT]
