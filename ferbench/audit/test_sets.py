"""Images per class of test sets that tables are often about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ferbench.data.expressions import BASIC, expression_named

#: By name, in the order of `BASIC`: angry, disgust, fear, happy, neutral, sad, surprise.
_SUPPORTS = {
    "FER2013's PublicTest": (467, 56, 496, 895, 607, 653, 415),
    "FER2013's PrivateTest": (491, 55, 528, 879, 626, 594, 416),
    "FER2013's PublicTest and PrivateTest together": (958, 111, 1024, 1774, 1233, 1247, 831),
}


def known_supports(classes: Sequence[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The test sets with exactly these classes: their names and supports in the order of ``classes``."""
    names = [expression_named(name) for name in classes]
    if sorted(name or "" for name in names) == sorted(BASIC):
        for title, supports in _SUPPORTS.items():
            by_class = dict(zip(BASIC, supports, strict=True))
            yield title, tuple(by_class[name] for name in names if name is not None)
