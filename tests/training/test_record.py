"""What a record says of a run that starts, goes on or fails."""

from __future__ import annotations

import pytest

from ferbench.records.environment import Environment
from ferbench.training.record import other_threads


def at(threads, device="cpu"):
    return Environment(threads=threads, device=device)


def test_another_number_of_threads_is_said_in_a_line():
    line = other_threads(at(4), at(2), "this run was")
    assert line.startswith("this run was trained with 4 CPU threads and now it goes on with 2")
    assert "OMP_NUM_THREADS=4" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("before", "now"), [(at(2), at(2)), (at(None), at(2)), (at(4, "cuda"), at(2, "cuda")), (Environment(), at(2))]
)
def test_nothing_is_said_where_no_bit_changes_or_it_is_not_known(before, now):
    assert other_threads(before, now, "this run was") is None
