"""Which samples err together, by what is known of them: those of one person, or of one clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Columns of the samples that say which of them are drawn together; of each sample the first that is known counts.
CLUSTERS = ("subject", "clip")


def coarser(column: str) -> tuple[str, ...]:
    """A column of clusters and those that it is a part of: samples with one value of it are alike in all of them."""
    return CLUSTERS[: CLUSTERS.index(column) + 1] if column in CLUSTERS else ()


@dataclass(frozen=True)
class Clusters:
    """Which samples err together, and are drawn as a whole.

    Attributes:
        by: the column that says so: ``subject``, ``clip``, or ``subject or clip`` where it depends on the sample.
        of: int64[n], the cluster of each sample, numbered from 0.
        unknown: samples without a value in any of these columns, each of which is a cluster of its own.
    """

    by: str
    of: NDArray[np.int64]
    unknown: int

    @property
    def count(self) -> int:
        return int(self.of.max()) + 1


def clusters_of(
    ids: NDArray[np.str_], columns: Mapping[str, NDArray[np.str_]], known: Sequence[str] = ()
) -> Clusters | None:
    """Which samples belong together; None where nothing is known of that, or no two of them do.

    Args:
        ids: text[n].
        columns: what else is known of them, text[n] by name.
        known: columns in which all of them are alike, which then tell none of them apart.
    """
    keys, unknown, used = ids, np.ones(len(ids), np.bool_), []
    for name in CLUSTERS:
        values = columns.get(name)
        if name in known or values is None or not (tells := unknown & (values != "")).any():
            continue
        # What a column calls a value, no other column means by it.
        keys = np.where(tells, np.char.add(f"{name}:", values), keys)
        unknown = unknown & ~tells
        used.append(name)
    if not used:
        return None
    distinct, numbers = np.unique(np.where(unknown, np.char.add("alone:", ids), keys), return_inverse=True)
    if len(distinct) == len(ids) > 1:
        return None
    return Clusters(" or ".join(used), numbers.astype(np.int64), int(unknown.sum()))
