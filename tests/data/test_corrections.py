"""Labels that a loss puts in the place of given ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ferbench.data.corrections import Corrections
from ferbench.data.targets import Targets

GIVEN = np.array([0, 1, 2, 0, 1, 2], dtype=np.int64)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def table(corrections: Corrections) -> list[tuple[int, ...]]:
    return list(zip(*(part.tolist() for part in corrections.table()), strict=True))


def test_samples_have_the_labels_that_they_were_given_last():
    corrections = Corrections(GIVEN)
    corrections.take(numbers(4, 1, 4), numbers(0, 2, 2), epoch=3)
    assert table(corrections) == [(1, 2, 3), (4, 2, 3)]
    assert (len(corrections), corrections.changes) == (2, 2)
    targets = Targets(torch.from_numpy(GIVEN[[4, 0, 1]]))
    corrections.correct(targets, numbers(4, 0, 1))
    assert targets.labels.tolist() == [2, 0, 2]
    assert targets.soft is None
    assert GIVEN.tolist() == [0, 1, 2, 0, 1, 2]


def test_a_correction_keeps_its_first_epoch_until_the_given_label_is_back():
    corrections = Corrections(GIVEN)
    corrections.take(numbers(0), numbers(1), epoch=2)
    corrections.take(numbers(0), numbers(2), epoch=5)
    assert table(corrections) == [(0, 2, 2)]
    corrections.take(numbers(0, 3), numbers(0, 0), epoch=6)
    assert table(corrections) == []
    assert corrections.changes == 3, "sample 3 kept its label"
    corrections.take(numbers(0), numbers(1), epoch=7)
    assert table(corrections) == [(0, 1, 7)]


def test_the_distribution_of_a_corrected_sample_is_all_on_its_class():
    corrections = Corrections(GIVEN)
    corrections.take(numbers(1), numbers(0), epoch=1)
    soft = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    targets = Targets(torch.tensor([1, 2]), soft.clone())
    corrections.correct(targets, numbers(1, 2))
    assert targets.soft.tolist() == [[1.0, 0.0, 0.0], soft[1].tolist()]


def test_a_state_gives_the_same_corrections_again():
    one, other = Corrections(GIVEN), Corrections(GIVEN)
    one.take(numbers(5, 0), numbers(1, 2), epoch=1)
    one.take(numbers(5), numbers(0), epoch=2)
    other.take(numbers(3), numbers(1), epoch=1)
    other.load_state_dict(one.state_dict())
    assert (table(other), other.changes) == ([(0, 2, 1), (5, 0, 1)], 3)
    assert other.misfit(one.state_dict(), classes=3, epoch=2) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"positions": numbers(0, 6)}, "of other samples"),
        ({"positions": numbers(5, 0)}, "of other samples"),
        ({"positions": numbers(0)}, "none"),
        ({"positions": np.array([0.0, 5.0])}, "none"),
        ({"labels": numbers(1, 3)}, "to other classes"),
        ({"labels": numbers(0, 1)}, "to other classes"),
        ({"epochs": numbers(1, 3)}, "of other epochs"),
        ({"epochs": numbers(0, 1)}, "of other epochs"),
        ({"changes": -1}, "none"),
        ({"changes": True}, "none"),
    ],
)
def test_a_state_of_something_else_is_seen(change, said):
    corrections = Corrections(GIVEN)
    corrections.take(numbers(5, 0), numbers(1, 2), epoch=1)
    state = corrections.state_dict()
    assert Corrections(GIVEN).misfit({**state, **change}, classes=3, epoch=2) == f"its corrections are {said}"
    assert Corrections(GIVEN).misfit(list(state), classes=3, epoch=2) == "its corrections are none"
