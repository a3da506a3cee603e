"""A test part that is drawn from data that has none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_packs import make_pack

from ferbench.data.class_mapping import match_classes
from ferbench.data.splits import SplitRequest, cut, protocol_name
from ferbench.data.tested_rows import choose_rows
from ferbench.errors import UserError
from ferbench.plugin.specs import Protocol

CLASSES = ("angry", "happy", "sad")
OWN = (Protocol("own", ("train",), ("test",), ("validation",), cut_if_missing=True),)
FOLDS = (Protocol("folds", ("train",), ()),)


@pytest.fixture
def pack():
    return make_pack({"train": {"angry": 20, "happy": 40, "sad": 10}}, classes=CLASSES)


@pytest.fixture
def people():
    made = make_pack({"train": dict.fromkeys(CLASSES, 20)}, classes=CLASSES)
    return dataclasses.replace(made, subject=np.array([sample.split("-")[2] for sample in made.ids]))


def held_out(pack, protocols=OWN, **asked):
    return cut(pack, protocols, SplitRequest(**{"test": 0.2, **asked}))


def test_a_fifth_of_each_class_is_held_out(pack):
    split = held_out(pack)
    assert split.counts(split.test) == {"angry": 4, "happy": 8, "sad": 2}
    assert split.protocol == "test 20 % at random"
    every = np.concatenate([split.train, split.validation, split.test])
    assert sorted(every) == list(range(70))


def test_nothing_else_draws_it_anew(pack):
    test = set(pack.ids[held_out(pack).test])
    for asked in ({"split_seed": 1}, {"validation": 0.4}, {"train_limit": 20}, {"label_noise": 0.3}):
        assert set(pack.ids[held_out(pack, **asked).test]) == test
    fewer = held_out(pack, classes=("sad", "angry"))
    assert set(pack.ids[fewer.test]) == {sample for sample in test if "happy" not in sample}
    other = held_out(pack, test_seed=1)
    assert set(pack.ids[other.test]) != test
    assert other.protocol == "test 20 % at random, seed 1"


def test_a_larger_share_holds_the_smaller_one(pack):
    assert set(held_out(pack, test=0.1).test) <= set(held_out(pack, test=0.3).test)


@given(share=st.floats(0.05, 0.6), seed=st.integers(0, 5))
def test_a_person_is_on_one_side(share, seed):
    made = make_pack({"train": dict.fromkeys(CLASSES, 12)}, classes=CLASSES)
    made = dataclasses.replace(made, subject=np.array([sample.split("-")[2] for sample in made.ids]))
    split = held_out(made, test=share, test_seed=seed)
    learnt = set(made.subject[np.concatenate([split.train, split.validation])])
    assert len(split.test)
    assert not learnt & set(made.subject[split.test])
    assert split.protocol.startswith(f"test {share * 100:.4g} % by person")


def test_people_may_be_torn_apart_on_request(people):
    assert held_out(people, group_by="none").protocol == "test 20 % at random"


def test_a_person_who_is_tested_is_not_validated_on_in_a_part_of_its_own():
    made = make_pack({"train": dict.fromkeys(CLASSES, 20), "validation": dict.fromkeys(CLASSES, 20)}, classes=CLASSES)
    made = dataclasses.replace(made, subject=np.array([sample.split("-")[2] for sample in made.ids]))
    split = held_out(made)
    assert not set(made.subject[split.validation]) & set(made.subject[split.test])


def test_folds_are_cut_from_what_is_not_held_out(pack):
    test = set(held_out(pack).test)
    split = held_out(pack, fold="1/4")
    assert len(split.test) == 0
    assert not test & {*split.train, *split.validation}


def test_weights_are_tested_on_the_same_images_later(pack):
    split = held_out(pack)
    request = SplitRequest(test=0.2)
    again = choose_rows(pack, OWN, request, "test", match_classes(CLASSES, CLASSES))
    assert (again.digest, again.protocol) == (split.test_digest, split.protocol)
    assert protocol_name(pack, OWN, request) == split.protocol


def test_data_with_a_test_part_keeps_it():
    made = make_pack({"train": dict.fromkeys(CLASSES, 9), "test": dict.fromkeys(CLASSES, 3)}, classes=CLASSES)
    with pytest.raises(UserError, match="has the test part test already"):
        held_out(made)


@pytest.mark.parametrize("protocols", [OWN, FOLDS], ids=["missing", "folds"])
def test_data_without_one_is_told_how_to_get_it(pack, protocols):
    with pytest.raises(UserError) as caught:
        cut(pack, protocols, SplitRequest())
    assert "--set data.test=0.2" in caught.value.remedy


def test_one_person_cannot_be_held_out(pack):
    alone = dataclasses.replace(pack, subject=np.array(["ann"] * 70))
    with pytest.raises(UserError, match="nothing to test on"):
        held_out(alone)


def test_excluded_images_are_counted_where_they_were(pack, tmp_path):
    split = held_out(pack)
    names = [pack.ids[split.test[0]], pack.ids[split.train[0]], pack.ids[split.train[1]]]
    (tmp_path / "list.csv").write_text("id\n" + "\n".join(names) + "\n")
    without = held_out(pack, exclude=str(tmp_path / "list.csv"))
    assert without.excluded == {"train": 2, "validation": 0, "test": 1}
    assert set(without.test) == set(split.test[1:])
