"""Cutting packs into train, validation and test."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_packs import make_pack

from ferbench.data.splits import SplitRequest, cut
from ferbench.errors import UserError
from ferbench.plugin.specs import Protocol

CLASSES = ("angry", "happy", "sad")
COUNTS = {
    "Training": {"angry": 40, "happy": 100, "sad": 60},
    "PublicTest": {"angry": 10, "happy": 20, "sad": 10},
    "PrivateTest": {"angry": 11, "happy": 21, "sad": 12},
}
OFFICIAL = Protocol("official", ("Training",), ("PrivateTest",), ("PublicTest",))
PUBLIC = Protocol("public-test", ("Training",), ("PublicTest",))
MERGED = Protocol("merged", ("Training",), ("PublicTest", "PrivateTest"))
PROTOCOLS = (OFFICIAL, MERGED, PUBLIC)


@pytest.fixture
def pack():
    return make_pack(COUNTS, classes=CLASSES)


def ids(pack, rows):
    return set(pack.ids[rows])


def test_the_first_protocol_is_the_default(pack):
    split = cut(pack, PROTOCOLS, SplitRequest())
    assert split.protocol == "official"
    assert split.counts(split.train) == COUNTS["Training"]
    assert split.counts(split.validation) == COUNTS["PublicTest"]
    assert split.counts(split.test) == COUNTS["PrivateTest"]


def test_validation_is_cut_from_train_stratified(pack):
    split = cut(pack, PROTOCOLS, SplitRequest(protocol="public-test"))
    assert split.counts(split.validation) == {"angry": 8, "happy": 20, "sad": 12}
    assert ids(pack, split.train).isdisjoint(ids(pack, split.validation))
    assert len(split.train) + len(split.validation) == 200


def test_merged_tests_on_both_parts(pack):
    split = cut(pack, PROTOCOLS, SplitRequest(protocol="merged"))
    assert split.counts(split.test) == {"angry": 21, "happy": 41, "sad": 22}


def test_the_only_sample_of_a_class_is_for_training():
    pack = make_pack(
        {"Training": {"angry": 1, "happy": 20, "sad": 20}, "PublicTest": COUNTS["PublicTest"]}, classes=CLASSES
    )
    split = cut(pack, PROTOCOLS, SplitRequest(protocol="public-test"))
    assert split.counts(split.train)["angry"] == 1
    assert split.counts(split.validation)["angry"] == 0


def test_a_missing_part_is_an_error_that_names_a_protocol_that_would_do():
    pack = make_pack({k: v for k, v in COUNTS.items() if k != "PrivateTest"}, classes=CLASSES)
    with pytest.raises(UserError) as error:
        cut(pack, PROTOCOLS, SplitRequest())
    assert "PrivateTest" in error.value.message
    assert "data.protocol=public-test" in error.value.remedy


def test_cut_if_missing_falls_back_to_a_cut():
    pack = make_pack({"train": COUNTS["Training"], "test": COUNTS["PublicTest"]}, classes=CLASSES)
    folders = Protocol("folders", ("train",), ("test",), ("validation",), cut_if_missing=True)
    assert len(cut(pack, (folders,), SplitRequest()).validation) == 40


def test_cut_if_missing_takes_the_validation_parts_that_are_there():
    pack = make_pack({"train": COUNTS["Training"], "dev": COUNTS["PublicTest"]}, classes=CLASSES)
    folders = Protocol("folders", ("train",), ("dev",), ("validation", "dev"), cut_if_missing=True)
    assert len(cut(pack, (folders,), SplitRequest()).validation) == 40


@pytest.mark.parametrize("request_", [SplitRequest(), SplitRequest(fold="2/5")])
def test_parts_for_training_only_are_learnt_and_never_validated_on(pack, request_):
    protocol = Protocol("more", ("Training",), ("PrivateTest",), train_only=("PublicTest",))
    split = cut(pack, (protocol,), request_)
    extra = {i for i in pack.ids if i.startswith("PublicTest")}
    assert extra < ids(pack, split.train)
    assert len(split.train) + len(split.validation) == 240
    assert ids(pack, split.validation) == ids(pack, cut(pack, (PUBLIC,), request_).validation)


def test_a_limit_counts_parts_for_training_only(pack):
    protocol = Protocol("more", ("Training",), ("PrivateTest",), train_only=("PublicTest",))
    split = cut(pack, (protocol,), SplitRequest(train_limit=60))
    assert len(split.train) + len(split.validation) == 60


def test_a_protocol_without_test_is_for_folds(pack):
    folds = Protocol("folds", ("Training", "PublicTest"), ())
    with pytest.raises(UserError, match="'folds' of 'made-up' is for folds") as error:
        cut(pack, (folds,), SplitRequest())
    assert "--test-folds 5" in error.value.remedy
    assert len(cut(pack, (folds,), SplitRequest(fold="1/2")).validation) == 120


def test_a_protocol_may_say_what_stays_together_and_the_recipe_has_the_last_word():
    pack = make_pack(COUNTS, classes=CLASSES, clips=4)
    people = dataclasses.replace(pack, subject=np.array([name.rpartition("clip")[0] for name in pack.clip]))
    protocol = Protocol("people", ("Training",), ("PrivateTest",), group_by="subject")
    with pytest.raises(UserError, match="validation has no sample"):  # one person each class: all are learnt
        cut(people, (protocol,), SplitRequest())
    split = cut(people, (protocol,), SplitRequest(group_by="clip"))
    assert set(people.clip[split.train]).isdisjoint(people.clip[split.validation])


def test_classes_are_chosen_and_numbered_by_name(pack):
    split = cut(pack, PROTOCOLS, SplitRequest(classes=("sad", "angry")))
    assert split.class_names == ("sad", "angry")
    assert split.counts(split.train) == {"sad": 60, "angry": 40}
    for row in split.train:
        assert str(pack.ids[row]).split("-")[1] == split.class_names[split.labels[row]]


@pytest.mark.parametrize(
    ("request_", "message", "remedy"),
    [
        (SplitRequest(classes=("sad", "bored")), "no class 'bored'", "angry, happy, sad"),
        (SplitRequest(num_classes=7), "has 3 classes", "data.num_classes"),
        (SplitRequest(protocol="other"), "no protocol 'other'", "official, merged, public-test"),
        (SplitRequest(train_limit=2), "less than the 3 classes", "3 or more"),
        (SplitRequest(group_by="subject"), "does not say the subject", "none"),
    ],
)
def test_what_the_data_cannot_serve_is_refused(pack, request_, message, remedy):
    with pytest.raises(UserError) as error:
        cut(pack, PROTOCOLS, request_)
    assert message in error.value.message
    assert remedy in error.value.remedy


def test_a_limit_in_total_keeps_the_proportions(pack):
    split = cut(pack, PROTOCOLS, SplitRequest(protocol="public-test", train_limit=50, validation=0.2))
    assert len(split.train) == 40
    assert len(split.validation) == 10
    together = np.concatenate([split.train, split.validation])
    assert split.counts(together) == {"angry": 10, "happy": 25, "sad": 15}


def test_limits_per_class_for_train_and_test(pack):
    split = cut(pack, PROTOCOLS, SplitRequest(train_limit_per_class=30, test_limit_per_class=5))
    assert split.counts(split.train) == {"angry": 30, "happy": 30, "sad": 30}
    assert split.counts(split.test) == {"angry": 5, "happy": 5, "sad": 5}


def test_a_smaller_draw_is_part_of_a_larger_one(pack):
    small = cut(pack, PROTOCOLS, SplitRequest(train_limit_per_class=10))
    large = cut(pack, PROTOCOLS, SplitRequest(train_limit_per_class=25))
    assert ids(pack, small.train) < ids(pack, large.train)


def test_another_split_seed_draws_other_samples(pack):
    one = cut(pack, PROTOCOLS, SplitRequest(protocol="public-test", split_seed=0))
    other = cut(pack, PROTOCOLS, SplitRequest(protocol="public-test", split_seed=1))
    assert ids(pack, one.validation) != ids(pack, other.validation)
    assert one.train_digest != other.train_digest
    assert one.test_digest == other.test_digest


def test_draws_do_not_depend_on_the_order_of_rows(pack):
    turned = make_pack(COUNTS, classes=CLASSES, reverse=True)
    request = SplitRequest(protocol="public-test", train_limit=90, test_limit=20)
    one, other = cut(pack, PROTOCOLS, request), cut(turned, PROTOCOLS, request)
    for role in ("train", "validation", "test"):
        assert ids(pack, getattr(one, role)) == ids(turned, getattr(other, role))
    assert one.test_digest == other.test_digest


def test_folds_partition_train_and_leave_test_unread(pack):
    folds = [cut(pack, PROTOCOLS, SplitRequest(fold=f"{i}/5")) for i in range(1, 6)]
    validations = [ids(pack, fold.validation) for fold in folds]
    assert sum(map(len, validations)) == 200
    assert len(set().union(*validations)) == 200
    for fold in folds:
        assert fold.test_digest is None
        assert len(fold.test) == 0
        assert fold.counts(fold.validation) == {"angry": 8, "happy": 20, "sad": 12}
        assert ids(pack, fold.train).isdisjoint(ids(pack, fold.validation))


def test_another_split_seed_cuts_other_folds(pack):
    one, other = (cut(pack, PROTOCOLS, SplitRequest(fold="1/5", split_seed=seed)) for seed in (0, 1))
    assert ids(pack, one.validation) != ids(pack, other.validation)
    assert one.counts(one.validation) == other.counts(other.validation)


@pytest.mark.parametrize("request_", [SplitRequest(protocol="public-test"), SplitRequest(fold="2/5")])
def test_samples_without_a_clip_belong_to_no_group(request_):
    pack = make_pack(COUNTS, classes=CLASSES, clips=4)
    alone = np.char.find(pack.ids, "-happy-") >= 0
    pack = dataclasses.replace(pack, clip=np.where(alone, "", pack.clip))
    assert cut(pack, PROTOCOLS, request_).counts(cut(pack, PROTOCOLS, request_).validation)["happy"] == 20


@pytest.mark.parametrize("request_", [SplitRequest(protocol="public-test"), SplitRequest(fold="2/4")])
def test_a_clip_stays_on_one_side(request_):
    pack = make_pack(COUNTS, classes=CLASSES, clips=4)
    split = cut(pack, PROTOCOLS, request_)
    assert set(pack.clip[split.train]).isdisjoint(pack.clip[split.validation])
    assert len(split.validation) >= 40


def test_votes_become_distributions_over_the_chosen_classes():
    votes = np.zeros((len(make_pack(COUNTS, classes=CLASSES)), 3), dtype=np.float32)
    votes[0] = (6, 2, 2)
    votes[1] = (0, 9, 0)
    pack = make_pack(COUNTS, classes=CLASSES, votes=votes)
    split = cut(pack, PROTOCOLS, SplitRequest(classes=("sad", "angry")))
    assert split.votes is not None
    np.testing.assert_allclose(split.votes[0], (0.25, 0.75))
    assert np.isnan(split.votes[1]).all()


def people_of(pack, each, unknown=()):
    """The pack with ``each`` rows after one another of one person; ``unknown`` rows: nobody knows."""
    subjects = np.array([f"{pack.parts[part]}-p{row // each:04d}" for row, part in enumerate(pack.part)])
    subjects[list(unknown)] = ""
    return dataclasses.replace(pack, subject=subjects)


@pytest.mark.parametrize("request_", [SplitRequest(protocol="public-test"), SplitRequest(fold="2/4")])
def test_people_stay_on_one_side_where_they_are_known(request_):
    pack = make_pack(COUNTS, classes=CLASSES)
    order = np.random.default_rng(0).permutation(len(pack))
    mixed = dataclasses.replace(pack, **{one: getattr(pack, one)[order] for one in ("ids", "labels", "part")})
    people = people_of(mixed, 5)
    split = cut(people, PROTOCOLS, request_)
    assert len(split.validation) >= 20
    assert set(people.subject[split.train]).isdisjoint(people.subject[split.validation])
    torn = cut(people, PROTOCOLS, dataclasses.replace(request_, group_by="none"))
    assert not set(people.subject[torn.train]).isdisjoint(people.subject[torn.validation])


def test_who_is_not_known_is_kept_together_by_clip_or_alone():
    pack = make_pack(COUNTS, classes=CLASSES, clips=4)
    people = people_of(pack, 8, unknown=range(0, 100))
    clip = np.where(np.arange(len(pack)) < 50, "", pack.clip)
    split = cut(dataclasses.replace(people, clip=clip), PROTOCOLS, SplitRequest(protocol="public-test"))
    train, validation = split.train, split.validation
    known = lambda column, rows: set(column[rows]) - {""}  # noqa: E731
    assert known(people.subject, train).isdisjoint(known(people.subject, validation))
    assert known(clip, train[train < 100]).isdisjoint(known(clip, validation[validation < 100]))
    assert any(row < 50 for row in validation)


def test_a_class_that_few_people_show_is_learnt_before_it_is_validated():
    """Everybody is mostly happy, and two people are sad once: one of them is for training, whatever the draw."""
    pack = make_pack(
        {"Training": {"angry": 30, "happy": 200, "sad": 2}, **{k: COUNTS[k] for k in ("PublicTest",)}}, classes=CLASSES
    )
    subjects = np.array([f"p{i % 10}" for i in range(len(pack))])
    people = dataclasses.replace(pack, subject=subjects)
    for seed in range(20):
        split = cut(people, PROTOCOLS, SplitRequest(protocol="public-test", split_seed=seed))
        assert split.counts(split.train)["sad"] >= 1
        assert set(subjects[split.train]).isdisjoint(subjects[split.validation])


@pytest.mark.parametrize(
    "request_",
    [
        SplitRequest(protocol="public-test", validation=0.13),
        SplitRequest(fold="1/7"),
        SplitRequest(train_limit=77, test_limit=17),
        SplitRequest(protocol="public-test", train_limit_per_class=9),
    ],
)
def test_no_draw_depends_on_the_order_of_the_classes(request_):
    counts = {
        part: dict.fromkeys(CLASSES, n) for part, n in (("Training", 37), ("PublicTest", 11), ("PrivateTest", 12))
    }
    pack = make_pack(counts, classes=CLASSES)
    first = cut(pack, PROTOCOLS, request_)
    for classes in (("sad", "happy", "angry"), ("happy", "angry", "sad")):
        other = cut(pack, PROTOCOLS, dataclasses.replace(request_, classes=classes))
        for role in ("train", "validation", "test"):
            assert np.array_equal(getattr(first, role), getattr(other, role)), role
        names = np.array(classes)[other.labels[other.train]]
        assert names.tolist() == np.array(CLASSES)[first.labels[first.train]].tolist()


def test_too_few_people_to_keep_apart_are_an_error_that_says_what_tears_them():
    pack = make_pack(COUNTS, classes=CLASSES)
    alone = dataclasses.replace(pack, subject=np.full(len(pack), "one"))
    with pytest.raises(UserError, match="validation has no sample at all") as caught:
        cut(alone, PROTOCOLS, SplitRequest(protocol="public-test"))
    assert "data.group_by=none" in caught.value.remedy
    split = cut(alone, PROTOCOLS, SplitRequest(protocol="public-test", group_by="none"))
    assert split.counts(split.validation) == {"angry": 8, "happy": 20, "sad": 12}


def test_a_class_is_found_in_another_spelling_and_keeps_its_own(pack):
    name = pack.class_names[0]
    wanted = (f" {name.upper()}\u200b", pack.class_names[1])
    assert cut(pack, PROTOCOLS, SplitRequest(classes=wanted)).class_names == pack.class_names[:2]


def test_a_class_is_named_once(pack):
    name = pack.class_names[0]
    with pytest.raises(UserError, match=f"data.classes names '{name}' twice"):
        cut(pack, PROTOCOLS, SplitRequest(classes=(name, name.upper())))


@pytest.mark.parametrize("fold", ["1/201", "7/999999999"])
def test_more_folds_than_samples_are_refused(pack, fold):
    with pytest.raises(UserError, match="folds of 200 samples") as error:
        cut(pack, PROTOCOLS, SplitRequest(fold=fold))
    assert error.value.remedy == "use at most 200 folds"
