"""A dataset's classes seen by a model that may know others: matched by name, never by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.data.expressions import class_key
from ferbench.errors import UserError


@dataclass(frozen=True)
class ClassMapping:
    """How a model's K classes and a dataset's meet.

    Attributes:
        class_names: the K classes in the order that results have them: first those that both know, in the dataset's
            order and spelling, then what only the model knows.
        scored: how many of them both know; they come first, and macro averages are taken over them.
        columns: int64[K]: ``probabilities[:, columns]`` brings the model's own order into that of ``class_names``.
        unknown: classes that only the dataset knows; their samples cannot be scored.
    """

    class_names: tuple[str, ...]
    scored: int
    columns: NDArray[np.int64]
    unknown: tuple[str, ...]

    @property
    def only_model(self) -> tuple[str, ...]:
        """Classes that only the model knows: they have no sample, and each sample taken for one is an error."""
        return self.class_names[self.scored :]

    def ids(self, dataset: Sequence[str]) -> NDArray[np.int64]:
        """int64: place in ``class_names`` of each of the dataset's classes, -1 for one that the model lacks."""
        places = {name: place for place, name in enumerate(self.class_names[: self.scored])}
        return np.array([places.get(name, -1) for name in dataset], dtype=np.int64)


def match_classes(model: Sequence[str], dataset: Sequence[str]) -> ClassMapping:
    """Match classes whose names mean one expression, in whatever spelling (``Anger`` is ``angry``).

    Raises:
        UserError: no class is in both, or two classes of one side mean the same.
    """
    places = _by_meaning(model, "the model")
    known = [name for name in dataset if class_key(name) in places]
    if not known:
        raise UserError(
            f"the model and the dataset have no class in common: {', '.join(model)}; and {', '.join(dataset)}",
            "test it on a dataset with classes that it was trained on",
        )
    meanings = _by_meaning(dataset, "the dataset")
    alone = [name for name in model if class_key(name) not in meanings]
    columns = [places[class_key(name)] for name in (*known, *alone)]
    return ClassMapping(
        class_names=(*known, *alone),
        scored=len(known),
        columns=np.array(columns, dtype=np.int64),
        unknown=tuple(name for name in dataset if class_key(name) not in places),
    )


def _by_meaning(names: Sequence[str], whose: str) -> Mapping[str, int]:
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        other = places.setdefault(class_key(name), place)
        if other != place:
            raise UserError(
                f"classes '{names[other]}' and '{name}' of {whose} mean one expression",
                "choose one of them with data.classes",
            )
    return places
