"""What a pack is a copy of, found out once for each pack."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from ferbench.audit.reference.card import cards
from ferbench.audit.reference.recognise import recognise
from ferbench.audit.reference.unlike_parts import unlike_parts
from ferbench.bounded import Damaged, from_json, read_file
from ferbench.data.pack import Pack
from ferbench.errors import UserError
from ferbench.ids import digest, own_digest, short
from ferbench.records.base import Record
from ferbench.records.reference import Reference, UnlikeParts
from ferbench.storage import replace_file

_LARGEST = 2**20

#: What this process has found out, for caches that cannot be written.
_looked_at: dict[str, _Known] = {}


class _Known(Record):
    """A file of the cache."""

    own: str
    """Digest of what it says and of what it says it for."""
    reference: Reference | None
    """Null: it is a copy of nothing that is known."""
    unlike: list[UnlikeParts]
    """In what its parts differ."""


def reference_of(pack: Pack) -> Reference | None:
    """What a pack is a copy of, as `recognise` says."""
    return _known(pack).reference


def unlike_parts_of(pack: Pack) -> list[UnlikeParts]:
    """In what the parts of a pack differ, as `unlike_parts` says."""
    return _known(pack).unlike


def _known(pack: Pack) -> _Known:
    """Both. The cache beside the packs keeps it; one that cannot be written, or has something else there, costs the
    time to look again."""
    key = _key(pack)
    if key not in _looked_at:
        _looked_at[key] = _read_or_find(pack, key)
    return _looked_at[key]


def _read_or_find(pack: Pack, key: str) -> _Known:
    file = pack.path.parent.parent / "references" / f"{short(key)}.json"
    with contextlib.suppress(OSError, Damaged, ValidationError):
        known = _Known.model_validate(from_json(read_file(file, largest=_LARGEST)))
        if known.own == _own(key, known):
            return known
    known = _Known(own="", reference=recognise(pack), unlike=unlike_parts(pack))
    known.own = _own(key, known)
    if pack.path.parent.name == "packs":
        with contextlib.suppress(OSError, UserError):
            replace_file(file, known.model_dump_json(indent=1).encode())
    return known


def _own(key: str, known: _Known) -> str:
    return own_digest([key, known.model_dump(mode="json", exclude={"own"})])


def _key(pack: Pack) -> str:
    noted = {key: pack.notes.get(key) for card in cards() for key in card.when}
    return digest({"pack": pack.digest, "dataset": pack.dataset, "notes": noted, "files": pack.files, "by": _release()})


@lru_cache(maxsize=1)
def _release() -> str:
    """Of the cards and of how they are used."""
    here = Path(__file__).parent
    files = sorted([*here.glob("*.py"), *here.glob("cards/*.json")])
    return digest([file.read_text("utf-8") for file in files])
