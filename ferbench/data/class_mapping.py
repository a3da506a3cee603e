"""Classes are matched by name, never by position: in their own spelling where they can be, else by what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.data.expressions import class_key, spelling
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


def find_class(name: str, names: Sequence[str]) -> int | None:
    """Where a name stands among those of K classes: in its own spelling, else as the only one that means the same.

    Returns:
        Its place; None where no class has it or means it.

    Raises:
        UserError: it is spelled as none, and several mean the same.
    """
    if name in names:
        return names.index(name)
    meaning = class_key(name)
    places = [place for place, other in enumerate(names) if class_key(other) == meaning]
    if len(places) > 1:
        first, second = shown(names[places[0]], names[places[1]])
        raise UserError(
            f"class '{name}' may be {first} or {second}",
            f"spell it as one of the classes: {', '.join(names)}",
        )
    return places[0] if places else None


def match_classes(model: Sequence[str], dataset: Sequence[str]) -> ClassMapping:
    """Match classes whose names mean one expression, in whatever spelling (``Anger`` is ``angry``).

    Raises:
        UserError: no class is in both, or two classes of one side could be the same one of the other.
    """
    places = _places(dataset, model, "the dataset")
    known = [name for name in dataset if places[name] is not None]
    if not known:
        raise UserError(
            f"the model and the dataset have no class in common: {', '.join(model)}; and {', '.join(dataset)}",
            "test it on a dataset with classes that it was trained on",
        )
    meanings = _places(model, dataset, "the model")
    alone = [name for name in model if meanings[name] is None]
    columns = [places[name] for name in known] + [model.index(name) for name in alone]
    return ClassMapping(
        class_names=(*known, *alone),
        scored=len(known),
        columns=np.array(columns, dtype=np.int64),
        unknown=tuple(name for name in dataset if places[name] is None),
    )


def order_of_classes(base: Sequence[str], given: Sequence[str]) -> NDArray[np.int64] | None:
    """int64[K]: where ``given`` has each class of ``base``; None where they are not the same classes for certain."""
    try:
        places = _places(base, given, "the first")
    except UserError:
        return None
    if len(base) != len(given) or None in places.values():
        return None
    return np.array(list(places.values()), dtype=np.int64)


def refuse_lookalikes(class_names: Sequence[str], dataset: str, labels: Callable[[], Iterable[str]]) -> None:
    """Refuse classes of a dataset whose names differ in their `spelling` alone: most likely they are one.

    Names of one expression (``happy`` and ``happiness``) may be meant, and stay two classes.

    Args:
        class_names: K names.
        dataset: its name, for messages.
        labels: gives the label of every sample, to count them.

    Raises:
        UserError: there are such classes, or one with a name of which nothing can be seen.
    """
    if blank := [name for name in class_names if not spelling(name)]:
        raise UserError(f"dataset '{dataset}' has a class without a name: {blank[0]!a}", "give every class a name")
    alike = _pairs(class_names, spelling)
    if not alike:
        return
    counts = Counter(labels())
    pairs = (zip(pair, shown(*pair), strict=True) for pair in alike[:5])
    counted = [", ".join(f"{quoted} ({counts[name]:,})" for name, quoted in pair) for pair in pairs]
    raise UserError(
        f"dataset '{dataset}' has classes that differ in spelling alone: {'; '.join(counted)}",
        "give the labels one spelling, or names that tell the classes apart",
    )


def unknown_label(label: str, class_names: Sequence[str]) -> str:
    """Why a label is none of the classes, in a few words."""
    near = next((name for name in class_names if label and spelling(name) == spelling(label)), None)
    if near is None:
        return f"unknown label '{label}'"
    given, known = shown(label, near)
    return f"label {given} is spelled otherwise than the class {known}"


def of_one_expression(class_names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of classes whose names mean one expression."""
    return _pairs(class_names, class_key)


def _pairs(names: Sequence[str], key: Callable[[str], str]) -> list[tuple[str, str]]:
    """Each name after the first one with the same key, and that one."""
    first: dict[str, str] = {}
    both = [(first.setdefault(key(name), name), name) for name in names]
    return [(earlier, name) for earlier, name in both if earlier != name]


def shown(first: str, second: str) -> tuple[str, str]:
    """Two names in quotes; as code points where more than case is easily overlooked."""
    unseen = spelling(first) == spelling(second) and first.casefold() != second.casefold()
    return (ascii(first), ascii(second)) if unseen else (f"'{first}'", f"'{second}'")


def _places(names: Sequence[str], others: Sequence[str], whose: str) -> dict[str, int | None]:
    """Where ``others`` have each name."""
    places = {name: find_class(name, others) for name in names}
    first: dict[int, str] = {}
    for name, place in places.items():
        if place is not None and first.setdefault(place, name) != name:
            raise UserError(
                f"classes '{first[place]}' and '{name}' of {whose} mean one expression",
                "choose one of them with data.classes",
            )
    return places
