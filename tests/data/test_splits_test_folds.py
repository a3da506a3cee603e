"""Folds of a dataset that are all tested: who is tested with whom, and by whom."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_packs import make_pack

from ferbench.data.splits import SplitRequest, cut, people, protocol_name
from ferbench.errors import UserError
from ferbench.plugin.specs import Protocol

CLASSES = ("angry", "happy", "sad")
COUNTS = {"train": dict.fromkeys(CLASSES, 20), "test": dict.fromkeys(CLASSES, 4), "more": dict.fromkeys(CLASSES, 5)}
OWN = Protocol("own", ("train",), ("test",))
EVERYTHING = Protocol("everything", ("train", "test"), ())
JOINED = Protocol("joined", ("train",), ("test",), train_only=("more",))


@pytest.fixture
def pack():
    """24 people, each of whom shows every class once, and what is learnt from alone."""
    made = make_pack(COUNTS, classes=CLASSES)
    people = np.array([f"{sample.split('-')[0]}-{sample.split('-')[2]}" for sample in made.ids])
    return dataclasses.replace(made, subject=people)


def folds(pack, of=4, protocols=(OWN,), **asked):
    requests = [SplitRequest(test_fold=f"{place}/{of}", **asked) for place in range(1, of + 1)]
    return [cut(pack, protocols, request) for request in requests]


def of_people(pack, rows):
    return set(pack.subject[rows])


def test_every_sample_is_tested_once_and_its_person_is_nowhere_else(pack):
    several = folds(pack)
    tested = np.concatenate([split.test for split in several])
    assert sorted(pack.ids[tested]) == sorted(pack.ids[pack.part < 2])  # the dataset's own test part too
    for split in several:
        learnt, chosen, test = (of_people(pack, rows) for rows in (split.train, split.validation, split.test))
        assert len(learnt | chosen | test) == len(learnt) + len(chosen) + len(test) == 24
        assert split.counts(split.test) == dict.fromkeys(CLASSES, 6)
        assert len(chosen) == pytest.approx(0.2 * 18, abs=1)


def test_the_protocol_is_the_cutting_whatever_parts_the_dataset_has(pack):
    one, other = folds(pack)[0], folds(pack, protocols=(EVERYTHING,))[0]
    assert one.protocol == other.protocol == "4 folds by person"
    assert one.tested == other.tested
    assert one.test_digest == other.test_digest
    assert protocol_name(pack, (OWN,), SplitRequest(test_fold="3/4")) == "4 folds by person"


def test_what_is_for_training_alone_is_learnt_from_in_every_fold_and_tested_in_none(pack):
    for split in folds(pack, protocols=(JOINED,)):
        assert set(np.flatnonzero(pack.part == 2)) <= set(split.train)
        assert not set(np.flatnonzero(pack.part == 2)) & set(split.test)


def test_all_folds_share_what_makes_them_one_test_and_another_cutting_is_another(pack):
    def together(**asked):
        (digest,) = {split.tested.digest for split in folds(pack, **asked)}
        return digest

    first = together()
    assert together(validation=0.4) == together(train_limit=30) == first  # what is learnt from is not what is tested
    others = [together(of=5), together(split_seed=1), together(group_by="none"), together(test_limit=24)]
    assert len({first, *others}) == 5
    relabelled = dataclasses.replace(pack, labels=np.where(np.arange(len(pack.ids)) == 0, 1, pack.labels))
    assert {split.tested.digest for split in folds(relabelled)} != {first}
    assert len({split.test_digest for split in folds(pack)}) == 4


def test_the_cutting_does_not_depend_on_the_order_of_files_or_classes(pack):
    turned = make_pack(COUNTS, classes=CLASSES, reverse=True)
    turned = dataclasses.replace(turned, subject=pack.subject[::-1])
    for one, other in zip(folds(pack), folds(turned), strict=True):
        assert set(pack.ids[one.test]) == set(turned.ids[other.test])
        assert one.tested.digest == other.tested.digest
    reordered = folds(pack, classes=("sad", "angry", "happy"))
    assert [set(split.test) for split in reordered] == [set(split.test) for split in folds(pack)]


def test_every_person_can_be_a_fold(pack):
    assert people(pack, (OWN,), SplitRequest(test_fold="person")) == 24
    several = folds(pack, of=24)
    assert {len(of_people(pack, split.test)) for split in several} == {1}
    assert len({person for split in several for person in of_people(pack, split.test)}) == 24


def test_somebody_of_few_people_is_validated_on_though_no_two_have_most_images_of_one_class():
    made = make_pack({"train": {"angry": 4, "happy": 4, "sad": 4}}, classes=CLASSES)
    shown = [
        f"p{(int(sample[-1]) + (int(sample[-1]) == 3) * CLASSES.index(sample.split('-')[1])) % 3}"
        for sample in made.ids
    ]
    pack = dataclasses.replace(made, subject=np.array(shown))  # three people, each with one class twice
    split = cut(pack, (Protocol("p", ("train",), ()),), SplitRequest(test_fold="1/3"))
    assert [len(rows) for rows in (split.train, split.validation, split.test)] == [4, 4, 4]


def test_folds_are_of_nearly_as_many_people_though_these_have_most_images_of_unlike_classes():
    made = make_pack({"train": {"angry": 7, "happy": 9, "sad": 10}}, classes=CLASSES)
    alone = dataclasses.replace(made, subject=made.ids)  # 26 people with an image each
    sizes = [len(split.test) for split in folds(alone, of=4, protocols=(Protocol("p", ("train",), ()),))]
    assert sorted(sizes) == [6, 6, 7, 7]


@pytest.mark.parametrize(
    ("columns", "asked", "by", "groups"),
    [
        ({"subject": None}, {}, "", 72),
        ({}, {"group_by": "none"}, "", 72),
        ({"subject": None, "clip": "pairs"}, {}, "clip", 24),
        ({"subject": "half", "clip": "pairs"}, {}, "person or clip", None),
        ({"subject": "half"}, {}, "person, where known", None),
    ],
)
def test_the_record_says_what_stays_together(pack, columns, asked, by, groups):
    half = np.where(np.arange(len(pack.ids)) % 2, pack.subject, "")
    values = {"half": half, "pairs": np.array([f"clip {person}" for person in pack.subject]), None: None}
    other = dataclasses.replace(pack, **{key: values[value] for key, value in columns.items()})
    tested = folds(other, **asked)[0].tested
    assert tested.by == by
    assert groups is None or tested.groups == groups
    assert tested.protocol == (f"4 folds by {by}" if by else "4 folds at random")


def test_a_limit_of_the_test_set_is_one_of_all_folds_together(pack):
    several = folds(pack, test_limit=24)
    assert sum(len(split.test) for split in several) == 24 == several[0].tested.n
    whole = folds(pack)
    assert all(set(split.test) < set(all_of.test) for split, all_of in zip(several, whole, strict=True))
    assert all(np.array_equal(one.train, other.train) for one, other in zip(several, whole, strict=True))


def test_a_class_that_one_person_shows_is_refused_in_the_fold_of_that_person():
    made = make_pack({"train": {"angry": 12, "happy": 12, "sad": 2}}, classes=CLASSES)
    shown = np.array(["alone" if "-sad-" in sample else f"p{sample[-1]}" for sample in made.ids])
    pack = dataclasses.replace(made, subject=shown)
    protocols = (Protocol("p", ("train",), ()),)
    refused = []
    for place in range(1, 5):
        try:
            cut(pack, protocols, SplitRequest(test_fold=f"{place}/4"))
        except UserError as error:
            refused.append(error.message)
    (message,) = refused
    assert "has every sample of class 'sad', so that no other is left to learn it from" in message


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"test_fold": "1/25"}, "25 folds of 24 people, clips or groups that stay together"),
        ({"test_fold": "person"}, "data.test_fold = 'person' is every fold, and one is asked for here"),
    ],
)
def test_folds_that_there_cannot_be_are_refused(pack, asked, message):
    with pytest.raises(UserError, match=message):
        cut(pack, (OWN,), SplitRequest(**asked))


@pytest.mark.parametrize(
    ("subject", "asked", "message"),
    [
        (None, {}, "does not say who is shown in 72 of 72 samples"),
        ("half", {}, "does not say who is shown in 36 of 72 samples"),
        ("all", {"group_by": "none"}, "data.group_by = 'none' does not keep people together"),
        ("one", {}, "shows one person"),
    ],
)
def test_people_that_are_not_known_cannot_be_folds(pack, subject, asked, message):
    half = np.where(np.arange(len(pack.ids)) % 2, pack.subject, "")
    one = np.full(len(pack.ids), "me")
    other = dataclasses.replace(pack, subject={None: None, "half": half, "all": pack.subject, "one": one}[subject])
    with pytest.raises(UserError, match=message):
        people(other, (OWN,), SplitRequest(**asked))
