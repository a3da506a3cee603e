"""Annotators' votes by the classes of a task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ferbench.data.expressions import class_key
from ferbench.data.pack import Pack
from ferbench.data.stratified import Rows


def vote_columns(vote_names: Sequence[str], class_names: Sequence[str]) -> list[int | None]:
    """Where the votes for each class are among what annotators could vote for; None: nobody could."""
    places = {class_key(name): place for place, name in enumerate(vote_names)}
    return [places.get(class_key(name)) for name in class_names]


def class_shares(pack: Pack, rows: Rows, class_names: Sequence[str]) -> NDArray[np.float32] | None:
    """float32[n, K]: the shares of the votes that each class has among those for any of them, as they were cast where
    that is known; NaN in rows without such votes. None: the dataset has no votes."""
    given, names = (pack.votes, pack.class_names) if pack.cast_votes is None else (pack.cast_votes, pack.vote_names)
    if given is None:
        return None
    values = np.asarray(given[rows], dtype=np.float32)
    columns = vote_columns(names, class_names)
    none = np.zeros(len(values), np.float32)
    votes = np.stack([none if place is None else values[:, place] for place in columns], axis=1)
    totals = votes.sum(axis=1, keepdims=True)
    return np.divide(votes, totals, out=np.full_like(votes, np.nan), where=totals > 0)
