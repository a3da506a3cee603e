"""Who is in a test part without an official split."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from ferbench_builtin.datasets.held_out import held_out


def test_those_with_the_smallest_digests_are_held_out() -> None:
    """The form of the digest is fixed: published results rest on who is in the test part."""
    names = [f"S{number:03d}" for number in range(10)]
    smallest = sorted(names, key=lambda name: hashlib.blake2b(name.encode(), digest_size=16).hexdigest())[:2]
    assert held_out(names) == set(smallest)


@given(st.lists(st.text(max_size=5), min_size=1), st.randoms())
def test_neither_order_nor_repetition_matters(names: list[str], random: object) -> None:
    shuffled = [*names, names[0]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert held_out(shuffled) == held_out(names)


@given(st.sets(st.text(max_size=5), min_size=2))
def test_about_a_fifth_and_at_least_one(names: set[str]) -> None:
    found = held_out(names)
    assert found < names
    assert len(found) == -(-len(names) // 5)
