"""Faults of a dataset, and lists of what to leave out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_packs import make_pack

from ferbench import UserError
from ferbench.audit.findings import examine
from ferbench.audit.mislabelled import suspects
from ferbench.data.exclusions import write_exclusions
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.splits import SplitRequest, cut
from ferbench.plugin.specs import Protocol
from ferbench_builtin.datasets.synthetic_faces import synthetic_faces

PROTOCOL = Protocol("plain", train=("train",), test=("test",))


def copied(rows):
    """A pack of 12 train and 6 test images in two classes in which ``rows`` have the pixels of others."""
    pack = make_pack({"train": {"a": 6, "b": 6}, "test": {"a": 3, "b": 3}}, classes=("a", "b"))
    hashes, images = pack.pixel_hashes.copy(), pack.images.copy()
    for row, other in rows.items():
        hashes[row], images[row] = hashes[other], images[other]
    return replace(pack, pixel_hashes=hashes, images=images)


def test_leaks_conflicts_and_further_copies_are_told_apart():
    # train a: 0-5, train b: 6-11, test a: 12-14, test b: 15-17
    found = examine(copied({1: 0, 12: 0, 7: 3, 16: 15}), [PROTOCOL], None, near=False)
    assert [group.tolist() for group in found.exact.groups] == [[0, 1, 12], [3, 7], [15, 16]]
    assert (found.exact.spanning, found.exact.conflicting, found.exact.images) == (1, 1, 7)
    assert found.rows("leak").tolist() == [12]
    assert found.exact.leaked_test.tolist() == [12]
    assert found.rows("conflict").tolist() == [3, 7]
    assert found.rows("copy").tolist() == [1, 7, 16]
    assert [(one.role, one.groups, one.images, one.conflicting) for one in found.exact.within] == [
        ("train", 2, 4, 1),
        ("test", 1, 2, 0),
    ]
    assert found.imbalance == 1
    assert len(found.tiny) == 4


def test_what_is_only_for_training_leaks_too_and_validation_is_not_tested_on():
    parts = {name: {"a": 2, "b": 2} for name in ("train", "more", "dev", "test")}
    pack = make_pack(parts, classes=("a", "b"))  # rows 0-3, 4-7, 8-11 and 12-15
    hashes, images = pack.pixel_hashes.copy(), pack.images.copy()
    for row, other in ((8, 0), (13, 5), (14, 2)):
        hashes[row], images[row] = hashes[other], images[other]
    protocol = Protocol("all", train=("train",), train_only=("more",), validation=("dev",), test=("test",))
    found = examine(replace(pack, pixel_hashes=hashes, images=images), [protocol], None, near=False)
    assert found.roles == ("train", "validation", "test")
    assert found.counts.tolist() == [[4, 4], [2, 2], [2, 2]]
    assert found.rows("leak").tolist() == [8, 13, 14]
    assert found.exact.leaked_test.tolist() == [13, 14]


def test_classes_below_50_images_are_tiny_and_the_imbalance_is_of_the_largest_to_the_smallest():
    pack = make_pack({"train": {"a": 98, "b": 49, "c": 50}, "test": dict.fromkeys("abc", 50)}, classes=("a", "b", "c"))
    found = examine(pack, [PROTOCOL], None, near=False)
    assert found.tiny == (("train", "b", 49),)
    assert found.imbalance == 2
    lacking = make_pack({"train": {"a": 60}, "test": {"a": 60, "b": 60}}, classes=("a", "b"))
    assert examine(lacking, [PROTOCOL], None, near=False).imbalance == float("inf")


def test_images_of_one_value_are_no_near_copies_of_each_other():
    pack = copied({})
    images = np.random.default_rng(0).integers(0, 256, pack.images.shape).astype(np.uint8)
    images[3], images[13] = 10, 200
    found = examine(replace(pack, images=images), [PROTOCOL], None)
    assert found.rows("constant").tolist() == [3, 13]
    assert not {3, 13} & set(found.rows("near-leak").tolist())


def test_near_copies_are_searched_among_images_that_differ():
    pack = copied({})
    images = np.random.default_rng(0).integers(0, 256, pack.images.shape).astype(np.uint8)
    images[14] = images[2]
    images[14, 0, 0, 0] ^= 1
    images[5] = 0
    found = examine(replace(pack, images=images), [PROTOCOL], None)
    assert [2, 14] in [group.tolist() for group in found.near.groups]
    assert 14 in found.rows("near-leak")
    assert found.exact.groups == ()
    assert found.rows("constant").tolist() == [5]


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Four people in train and four in test, each in two clips of three frames with unlike expressions."""
    made = synthetic_faces(None, size=48, train=8, test=8, frames=3, images_per_subject=2, balance="uniform")
    return pack_dataset(made, name="synthetic-faces", cache=tmp_path_factory.mktemp("cache"))


def test_frames_of_a_clip_and_pictures_of_a_person_are_no_copies(filmed):
    found = examine(filmed, [PROTOCOL], None).near
    assert found.alike.within_clip + found.alike.of_person >= 8
    assert found.alike.across == found.conflicting == found.spanning == 0
    assert [len(rows) for rows in (found.conflicts, found.further, found.leaked)] == [0, 0, 0]
    assert len(found.groups) == found.alike.within_clip + found.alike.of_person


@pytest.mark.parametrize(("other", "spanning"), [(7, 0), (24, 1)])
def test_a_frame_that_another_person_has_too_is_a_finding(filmed, other, spanning):
    images = np.array(filmed.images[:])
    images[other] = images[0, :, :, ::-1]
    found = examine(replace(filmed, images=images), [PROTOCOL], None).near
    assert (found.alike.across, found.spanning) == (1, spanning)
    assert found.conflicting == (filmed.labels[other] != filmed.labels[0])
    assert {0, other} <= set(next(group for group in found.groups if 0 in group).tolist())


def test_a_clip_that_is_in_two_parts_leaks_and_nothing_else(filmed):
    part = filmed.part.copy()
    part[2] = filmed.parts.index("test")
    found = examine(replace(filmed, part=part), [PROTOCOL], None).near
    assert found.leaked.tolist() == [2]
    assert len(found.conflicts) == len(found.further) == 0


def test_a_dataset_that_knows_only_clips_says_so(filmed):
    found = examine(replace(filmed, subject=None), [PROTOCOL], None).near
    assert not found.alike.persons
    assert examine(replace(filmed, subject=None, clip=None), [PROTOCOL], None).near.alike is None


def test_a_protocol_whose_parts_are_missing_is_passed_over():
    other = Protocol("other", train=("train",), test=("nowhere",))
    assert examine(copied({}), [other, PROTOCOL], None, near=False).protocol == "plain"
    with pytest.raises(UserError, match="needs the part nowhere"):
        examine(copied({}), [other, PROTOCOL], "other", near=False)


def test_excluded_samples_are_in_no_part_and_change_the_digests(tmp_path):
    pack = copied({})
    write_exclusions(tmp_path / "x.csv", [(str(pack.ids[row]), "leak") for row in (0, 12)])
    whole = cut(pack, [PROTOCOL], SplitRequest())
    left = cut(pack, [PROTOCOL], SplitRequest(exclude=str(tmp_path / "x.csv")))
    assert sorted([*left.train, *left.validation]) == list(range(1, 12))
    assert left.test.tolist() == [13, 14, 15, 16, 17]
    assert left.test_digest != whole.test_digest
    assert left.train_digest != whole.train_digest
    assert (left.excluded, whole.excluded) == ({"train": 1, "validation": 0, "test": 1}, {})


def test_samples_of_other_classes_are_not_counted_as_excluded(tmp_path):
    pack = copied({})
    write_exclusions(tmp_path / "x.csv", [(str(pack.ids[row]), "leak") for row in (0, 6, 12)])
    left = cut(pack, [PROTOCOL], SplitRequest(exclude=str(tmp_path / "x.csv"), classes=("b",)))
    assert left.excluded == {"train": 1, "validation": 0, "test": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "cannot be read"), ("name\nx\n", "needs a column 'id'"), ("id\nnobody\n", "names no sample of 'made-up'")],
)
def test_a_list_that_cannot_be_used_is_an_error(tmp_path, text, message):
    path = tmp_path / "x.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        cut(copied({}), [PROTOCOL], SplitRequest(exclude=str(path)))


def test_a_suspect_is_a_sample_of_whose_other_class_the_model_is_as_sure_as_of_its_own_samples():
    truth = np.array([0, 0, 0, 1, 1])
    first = np.array([0.9, 0.8, 0.1, 0.4, 0.2], np.float32)
    probabilities = np.stack([first, 1 - first], axis=1)
    # Mean of class 0 over its samples: 0.6; of class 1: 0.7. Row 2 is 0.9 sure of class 1, row 3 only 0.4 of class 0.
    (one,) = suspects(np.array(list("vwxyz")), truth, probabilities)
    assert (one.id, one.label, one.predicted) == ("x", 0, 1)
    assert one.probability == pytest.approx(0.9)
