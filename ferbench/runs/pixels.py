"""What an evaluation says of the pixels that it read: the same samples may be resampled in other ways for the pack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ferbench.data.splits import Rows, stored_digest

if TYPE_CHECKING:
    from ferbench.data.pack import Pack

#: The entry of an evaluation, and the option that tells it apart from the run's own evaluation of the same samples.
STORED = "stored"


def stored_as(pack: Pack, rows: Rows) -> dict[str, Any] | None:
    """``size`` (height, width), ``fit`` and ``digest`` of the pixels of samples that were resampled for the pack; None
    where their native pixels say it all."""
    digest = stored_digest(pack, rows)
    if digest is None:
        return None
    return {**((pack.form and pack.form.resampling()) or {}), "digest": digest}


def own_evaluation(record: Mapping[str, Any], split: str, rows_digest: str) -> Mapping[str, Any] | None:
    """The first that a run made of these samples by itself, not ``ferbench evaluate``."""
    for entry in record["evaluations"].values():
        if "data" not in entry and entry["split"] == split and entry["rows_digest"] == rows_digest:
            return entry
    return None


def told_apart(
    record: Mapping[str, Any], split: str, rows_digest: str, stored: Mapping[str, Any] | None, pack: Pack
) -> dict[str, str]:
    """The option that says on which pixels an evaluation was made; empty where they are those of the run's own."""
    own = own_evaluation(record, split, rows_digest)
    if own is None:
        asked = stored and {key: stored[key] for key in stored if key != "digest"}
        same = record["data"].get(STORED) == asked
    elif STORED in own:
        same = own[STORED] == stored
    else:  # of an older release, which did not say
        same = record["data"].get("pack") == pack.digest
    if same:
        return {}
    return {STORED: str(pack.form) if stored else "as they are"}
