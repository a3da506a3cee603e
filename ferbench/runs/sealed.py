"""JSON files that hold their own digest, so that a single changed byte is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.bounded import from_json
from ferbench.ids import own_digest
from ferbench.storage import json_bytes

_SEAL = "own"


def seal(about: Mapping[str, Any]) -> dict[str, Any]:
    """``about`` with its digest, to be written with `replace_json`; one that it had before is replaced."""
    content = {key: value for key, value in about.items() if key != _SEAL}
    return {**content, _SEAL: own_digest(content)}


def unseal(content: bytes, *, older: str | None = None) -> dict[str, Any]:
    """What was sealed.

    Args:
        content: of the file, to the byte.
        older: the last key of the files that older releases wrote without a digest; None: there are none.

    Raises:
        ValueError: it is not what was written.
    """
    about = from_json(content)
    if not isinstance(about, dict) or json_bytes(about) != content:
        raise ValueError("not as it was written")
    if _SEAL not in about and older is not None and list(about)[-1:] == [older]:
        return about
    if about.pop(_SEAL, None) != own_digest(about):
        raise ValueError("not what was sealed")
    return about


def is_sealed(content: bytes, *, older: str | None = None) -> bool:
    """Whether `unseal` takes it."""
    try:
        unseal(content, older=older)
    except ValueError:
        return False
    return True
