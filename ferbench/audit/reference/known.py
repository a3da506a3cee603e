"""What a pack is a copy of, found out once for each pack."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from ferbench.audit.reference.card import cards
from ferbench.audit.reference.recognise import recognise
from ferbench.bounded import Damaged, from_json, read_file
from ferbench.data.pack import Pack
from ferbench.errors import UserError
from ferbench.ids import digest, own_digest, short
from ferbench.records.base import Record
from ferbench.records.reference import Reference
from ferbench.storage import replace_file

_LARGEST = 2**20


class _Known(Record):
    """A file of the cache."""

    own: str
    """Digest of what it says and of what it says it for."""
    reference: Reference | None
    """Null: it is a copy of nothing that is known."""


def reference_of(pack: Pack) -> Reference | None:
    """What a pack is a copy of, as `recognise` says; the cache beside the packs keeps it.

    A cache that cannot be written, or has something else there, costs the time to look again.
    """
    file = pack.path.parent.parent / "references" / f"{short(_key(pack))}.json"
    with contextlib.suppress(OSError, Damaged, ValidationError):
        known = _Known.model_validate(from_json(read_file(file, largest=_LARGEST)))
        if known.own == _own(pack, known.reference):
            return known.reference
    found = recognise(pack)
    known = _Known(own=_own(pack, found), reference=found)
    if pack.path.parent.name == "packs":
        with contextlib.suppress(OSError, UserError):
            replace_file(file, known.model_dump_json(indent=1).encode())
    return found


def _own(pack: Pack, reference: Reference | None) -> str:
    return own_digest([_key(pack), None if reference is None else reference.model_dump(mode="json")])


def _key(pack: Pack) -> str:
    noted = {key: pack.notes.get(key) for card in cards() for key in card.when}
    return digest({"pack": pack.digest, "dataset": pack.dataset, "notes": noted, "by": _release()})


@lru_cache(maxsize=1)
def _release() -> str:
    """Of the cards and of how they are used."""
    here = Path(__file__).parent
    files = sorted([*here.glob("*.py"), *here.glob("cards/*.json")])
    return digest([file.read_text("utf-8") for file in files])
