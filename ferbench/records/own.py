"""The digest that ``run.json`` holds of itself.

It is of bytes, not of what they mean: records are read by the thousand, and a digest of bytes costs a fortieth of
reading them. It is the last field, and covers everything before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ferbench.storage import json_bytes

_OWN = "own"


def with_own(about: Mapping[str, Any]) -> bytes:
    """A record as its file has it; a digest that it had before is replaced.

    Args:
        about: plain values by name, one at least.
    """
    content = json_bytes({key: value for key, value in about.items() if key != _OWN}).removesuffix(b"\n}\n")
    return content + _end(content)


def own_of(content: bytes) -> str:
    """The digest that a file which `with_own` made holds."""
    return content[-_LENGTH:].split(b'"')[3].decode()


def is_whole(content: bytes) -> bool:
    """Whether a file that `with_own` made is what was written, to the byte."""
    length = len(content) - _LENGTH
    return length > 0 and content[length:] == _end(memoryview(content)[:length])


def _end(before: bytes | memoryview) -> bytes:
    return f',\n  "{_OWN}": "{hashlib.sha256(before).hexdigest()}"\n}}\n'.encode()


_LENGTH = len(_end(b""))
