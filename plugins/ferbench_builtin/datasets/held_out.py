"""Who is in the test part of a dataset that has no official split."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

#: The share of the people (or photos) that is held out for testing.
SHARE = 0.2


def held_out(names: Iterable[str]) -> frozenset[str]:
    """A fifth of the names, rounded up: those with the smallest BLAKE2b digests.

    Neither the order of the names nor how often each is given matters, and no generator is drawn from: the same
    names always give the same fifth.
    """
    ordered = sorted(set(names), key=lambda name: (hashlib.blake2b(name.encode(), digest_size=16).digest(), name))
    return frozenset(ordered[: math.ceil(SHARE * len(ordered))])
