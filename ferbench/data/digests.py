"""Digests of samples: what makes two training sets, validation sets or test sets the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferbench.data.stratified import Rows

if TYPE_CHECKING:
    from ferbench.data.pack import Pack


def rows_digest(
    pack: Pack,
    rows: Rows,
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    votes: NDArray[np.float32] | None,
    *,
    drawn: bool = False,
) -> str:
    """``v1:`` + SHA-256 over the content of ``rows`` in order: ids, labels, native pixels, affect and votes, and
    whether labels are ``drawn`` by these."""
    state = hashlib.sha256()
    _feed(state, "classes", "\x00".join(class_names).encode())
    _feed(state, "ids", "\x00".join(pack.ids[rows].tolist()).encode())
    columns: Mapping[str, np.ndarray | None] = {
        "labels": labels.astype("<i8"),
        "pixels": pack.pixel_hashes,
        "affect": None if pack.affect is None else np.asarray(pack.affect).astype("<f4"),
        "votes": None if votes is None else votes.astype("<f4"),
    }
    for name, column in columns.items():
        if column is not None:
            _feed(state, name, np.ascontiguousarray(column[rows]).tobytes())
    if drawn:
        _feed(state, "drawn", b"")
    return "v1:" + state.hexdigest()


def stored_digest(pack: Pack, rows: Rows) -> str | None:
    """``v1:`` + SHA-256 over the stored pixels of ``rows`` in order; None where their native pixels, which other
    digests cover, say what is stored: where none of them was resampled, or to the size that others of them have."""
    if pack.stored_hashes is None:
        return None
    stored = np.ascontiguousarray(pack.stored_hashes[rows])
    resampled = (stored != pack.pixel_hashes[rows]).any(axis=1)
    follows = pack.form is not None and pack.form.follows and not resampled.all()
    if follows or not resampled.any():
        return None
    return "v1:" + hashlib.sha256(stored.tobytes()).hexdigest()


def digest_of_test_set(pack: Pack, rows: Rows, labels: NDArray[np.int64], class_names: tuple[str, ...]) -> str:
    """``v1:`` + SHA-256 over the sorted (id, class name, native pixel hash): what makes two test sets the same."""
    state = hashlib.sha256()
    entries = sorted((str(pack.ids[row]), class_names[int(labels[row])], bytes(pack.pixel_hashes[row])) for row in rows)
    for sample_id, name, pixels in entries:
        for part in (sample_id.encode(), name.encode(), pixels):
            state.update(len(part).to_bytes(4, "little"))
            state.update(part)
    return "v1:" + state.hexdigest()


def _feed(state: hashlib._Hash, name: str, content: bytes) -> None:
    state.update(f"{name}:{len(content)}:".encode())
    state.update(content)
