"""Packs without files, for tests of what comes after packing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ferbench.data.pack import Pack


def make_pack(
    counts: Mapping[str, Mapping[str, int]],
    *,
    classes: Sequence[str],
    size: int = 8,
    clips: int | None = None,
    votes: np.ndarray | None = None,
    reverse: bool = False,
) -> Pack:
    """A pack with ``counts[part][class]`` images; ``clips`` frames share a clip; ``reverse`` turns the rows round."""
    parts = tuple(counts)
    rows = [(part, name, i) for part in parts for name in classes for i in range(counts[part].get(name, 0))]
    if reverse:
        rows.reverse()
    ids = np.array([f"{part}-{name}-{i:04d}" for part, name, i in rows])
    hashes = np.array([list(hashlib.blake2b(i.encode(), digest_size=16).digest()) for i in ids], dtype=np.uint8)
    images = np.stack([np.resize(h, (1, size, size)) for h in hashes])
    clip = None if clips is None else np.array([f"{part}-{name}-clip{i // clips}" for part, name, i in rows])
    return Pack(
        path=Path("nowhere"),
        digest="v1:test",
        dataset="made-up",
        class_names=tuple(classes),
        parts=parts,
        images=images,
        ids=ids,
        labels=np.array([list(classes).index(name) for _, name, _ in rows], dtype=np.int16),
        part=np.array([parts.index(part) for part, _, _ in rows], dtype=np.int8),
        pixel_hashes=hashes,
        clip=clip,
        votes=votes,
    )
