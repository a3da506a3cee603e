"""States as JSON beside tensors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ferbench.training.storable import NotStorable, pack, unpack

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.integers() | st.text(), inner),
    max_leaves=12,
)


def there_and_back(value):
    tensors = {}
    stored = json.loads(json.dumps(pack(value, tensors, "x"), allow_nan=False))
    return unpack(stored, tensors)


@given(PLAIN)
def test_plain_values_come_back_as_they_were(value):
    assert repr(there_and_back(value)) == repr(value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_tensors_come_back_to_the_bit(dtype):
    tensor = torch.arange(6).reshape(2, 3).to(dtype)
    back = there_and_back({"a": [tensor]})["a"][0]
    assert back.dtype == dtype
    assert torch.equal(back, tensor)


def test_what_is_stored_does_not_change_with_the_tensor():
    tensors = {}
    tensor = torch.zeros(2)
    stored = pack(tensor, tensors, "x")
    tensor += 1
    assert unpack(stored, tensors).tolist() == [0, 0]


def test_arrays_and_numpy_numbers_come_back():
    back = there_and_back({"a": np.array([1.5, 2.5]), "b": np.float64(0.1), "c": np.int32(3)})
    assert isinstance(back["a"], np.ndarray)
    assert back["a"].tolist() == [1.5, 2.5]
    assert (back["b"], back["c"]) == (0.1, 3)


def test_keys_that_look_the_same_do_not_meet():
    back = there_and_back({1: torch.tensor(1), "1": torch.tensor(2)})
    assert (back[1].item(), back["1"].item()) == (1, 2)


def test_anything_else_is_refused_with_its_place():
    with pytest.raises(NotStorable, match=r"sampler\.rng is a object"):
        pack({"rng": object()}, {}, "sampler")
