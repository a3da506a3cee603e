"""Several datasets as one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferbench import Dataset, DatasetSpec, Fault, Protocol, Sample, UserError
from ferbench.data.pack import Pack
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset
from ferbench.data.splits import Split, SplitRequest, cut
from ferbench.data.union import Member, Union, union_protocols

FIRST = DatasetSpec(
    "first",
    build="a:b",
    protocols=(
        Protocol("official", ("Training",), ("PrivateTest",), ("PublicTest",)),
        Protocol("cut", ("Training",), ("PrivateTest",)),
    ),
)
SECOND = DatasetSpec("second", build="a:b", protocols=(Protocol("official", ("train",), ("test",)),))
SPECS = (("first", FIRST), ("second", SECOND))


class Made(Dataset):
    """Noise images, ``per_class`` of each class in each part."""

    def __init__(
        self,
        class_names: tuple[str, ...],
        parts: tuple[str, ...],
        *,
        side: int,
        channels: int = 1,
        per_class: int = 4,
        native: bool = False,
        **facts: Any,
    ) -> None:
        self.class_names = class_names
        self.channels = channels
        self.native_size = (side, side) if native else None
        self.parts = parts
        self.side = side
        self.per_class = per_class
        self.facts = facts
        self.extra: list[Sample | Fault] = []

    def source(self) -> Mapping[str, Any]:
        return {"side": self.side, "per_class": self.per_class}

    def samples(self) -> Iterator[Sample | Fault]:
        for part in self.parts:
            for k, name in enumerate(self.class_names):
                for i in range(self.per_class):
                    seed = zlib.crc32(f"{part} {k} {i} {self.side}".encode())
                    pixels = np.random.default_rng(seed).integers(0, 256, (self.side, self.side, 3), dtype=np.uint8)
                    yield Sample(f"{part}-{name}-{i}", part, name, pixels, **self.facts)
        yield from self.extra


def first(**facts: Any) -> Made:
    return Made(("angry", "disgust", "happy"), ("Training", "PublicTest", "PrivateTest"), side=8, native=True, **facts)


def second(**facts: Any) -> Made:
    return Made(("Anger", "contempt", "disgust"), ("train", "test"), side=10, channels=3, **facts)


def members(one: Dataset | None = None, other: Dataset | None = None) -> list[Member]:
    return [
        Member("first", first() if one is None else one, ("Training",)),
        Member("second", second() if other is None else other, ("train",)),
    ]


def packed(dataset: Dataset, tmp_path: Path, name: str = "first+second") -> Pack:
    return pack_dataset(dataset, name=name, cache=tmp_path / "cache")


def split_of(pack: Pack, *, supplemented: bool = False, **request: Any) -> Split:
    return cut(pack, union_protocols(SPECS, supplemented=supplemented), SplitRequest(**request))


def from_second(pack: Pack, rows: np.ndarray) -> int:
    return sum(name.startswith("second:") for name in pack.ids[rows].tolist())


def test_classes_are_joined_by_what_their_names_mean(tmp_path: Path) -> None:
    pack = packed(Union(members()), tmp_path)
    assert pack.class_names == ("angry", "contempt", "disgust", "happy")
    labels = dict(zip(pack.ids.tolist(), (pack.class_names[k] for k in pack.labels), strict=True))
    assert labels["second:train-Anger-0"] == "angry"
    assert labels["second:test-contempt-1"] == "contempt"
    assert labels["Training-happy-2"] == "happy"


def test_ids_and_parts_of_all_but_the_first_begin_with_their_source(tmp_path: Path) -> None:
    pack = packed(Union(members()), tmp_path)
    assert pack.parts == ("Training", "PublicTest", "PrivateTest", "second:train", "second:test")
    assert pack.source is not None
    for sample_id, source in zip(pack.ids.tolist(), pack.source.tolist(), strict=True):
        assert sample_id.startswith("second:") == (source == "second")


def test_people_and_clips_of_two_members_are_never_one(tmp_path: Path) -> None:
    joined = Union(members(first(subject="S1", clip="c"), second(subject="S1", clip="c")))
    pack = packed(joined, tmp_path)
    assert pack.subject is not None
    assert pack.clip is not None
    assert set(pack.subject.tolist()) == {"S1", "second:S1"}
    assert set(pack.clip.tolist()) == {"c", "second:c"}


def test_test_set_is_that_of_the_first_member_alone(tmp_path: Path) -> None:
    alone = packed(first(), tmp_path, "first")
    expected = cut(alone, FIRST.protocols, SplitRequest()).test_digest
    for options in ({}, {"size": 6}, {"supplement": ("disgust",)}):
        pack = packed(Union(members(), **options), tmp_path)
        assert split_of(pack, supplemented="supplement" in options).test_digest == expected


def test_first_protocols_learn_from_all_and_validate_on_the_first(tmp_path: Path) -> None:
    pack = packed(Union(members()), tmp_path)
    for protocol in ("official", "cut"):
        split = split_of(pack, protocol=protocol)
        assert from_second(pack, split.train) == 12
        assert from_second(pack, split.validation) == from_second(pack, split.test) == 0
        assert len(split.validation) > 0


def test_folds_are_cut_from_the_first_alone(tmp_path: Path) -> None:
    pack = packed(Union(members()), tmp_path)
    folds = [split_of(pack, fold=f"{i}/4") for i in range(1, 5)]
    assert [from_second(pack, fold.train) for fold in folds] == [12] * 4
    assert [from_second(pack, fold.validation) for fold in folds] == [0] * 4


def test_protocols_on_all_test_and_validate_on_all(tmp_path: Path) -> None:
    pack = packed(Union(members()), tmp_path)
    split = split_of(pack, protocol="official-all")
    assert from_second(pack, split.test) == 12
    assert from_second(pack, split.validation) > 0
    assert len(split.test) == 24


def test_supplement_takes_single_classes_for_training_alone(tmp_path: Path) -> None:
    joined = Union(members(), supplement=("disgust",))
    pack = packed(joined, tmp_path)
    assert pack.class_names == ("angry", "disgust", "happy")
    assert {name for name in pack.ids.tolist() if name.startswith("second:")} == {
        f"second:train-disgust-{i}" for i in range(4)
    }
    split = split_of(pack, supplemented=True, protocol="cut")
    assert from_second(pack, split.train) == 4
    with pytest.raises(UserError, match="no protocol 'official-all'"):
        split_of(pack, supplemented=True, protocol="official-all")


def test_supplement_may_bring_a_class_that_the_first_lacks(tmp_path: Path) -> None:
    pack = packed(Union(members(), supplement=("contempt",)), tmp_path)
    assert pack.class_names == ("angry", "contempt", "disgust", "happy")


def test_notes_say_what_was_joined_and_who_lacks_what(tmp_path: Path) -> None:
    notes = packed(Union(members()), tmp_path).notes
    assert notes["joined"] == ["first", "second"]
    assert notes["lacking"] == {"first": ["contempt"], "second": ["happy"]}
    assert notes["images"] == {"first": 36, "second": 24}


def test_images_are_stored_as_the_first_members_are(tmp_path: Path) -> None:
    assert packed(Union(members()), tmp_path).images.shape[1:] == (1, 8, 8)
    assert packed(Union(members(), size=12), tmp_path).images.shape[1:] == (1, 12, 12)
    turned = Union(list(reversed(members())))
    assert packed(turned, tmp_path).images.shape[1:] == (3, 8, 8)


@pytest.mark.parametrize(
    ("options", "other_size", "follows"),
    [({}, None, True), ({"size": 8}, None, False), ({"fit": "crop"}, None, False), ({}, (8, 8), False)],
)
def test_a_size_that_nobody_chose_follows_from_the_images(tmp_path: Path, options, other_size, follows) -> None:
    other = second()
    other.stored_size = other_size
    pack = packed(Union(members(other=other), **options), tmp_path)
    assert pack.form is not None
    assert pack.form.follows is follows


def test_a_chosen_size_is_told_from_the_same_that_follows_in_one_cache(tmp_path: Path) -> None:
    for options, follows in (({}, True), ({"size": 8}, False), ({}, True)):
        pack = packed(Union(members(), **options), tmp_path)
        assert pack.form is not None
        assert pack.form.follows is follows


def test_images_of_unknown_and_unlike_sizes_are_refused_without_size(tmp_path: Path) -> None:
    one = first()
    one.native_size = None
    with pytest.raises(FaultyDataset, match="wrong shape 10×10, expected 8×8") as error:
        packed(Union(members(one)), tmp_path)
    assert "--set dataset.size=N" in error.value.remedy


def test_native_size_of_a_member_is_still_checked(tmp_path: Path) -> None:
    one = first()
    one.extra = [Sample("odd", "Training", "happy", np.zeros((9, 9), np.uint8))]
    with pytest.raises(FaultyDataset, match="wrong shape 9×9, expected 8×8"):
        packed(Union(members(one), size=12), tmp_path)


def test_cast_votes_follow_their_names(tmp_path: Path) -> None:
    one, other = first(cast_votes=(7.0, 3.0)), second(cast_votes=(5.0, 4.0, 1.0))
    one.vote_names, other.vote_names = ("angry", "unknown"), ("nothing", "unknown", "angry")
    pack = packed(Union(members(one, other)), tmp_path)
    assert pack.vote_names == ("angry", "unknown", "nothing")
    assert pack.cast_votes is not None
    assert (pack.cast_votes[0].tolist(), pack.cast_votes[-1].tolist()) == ([7, 3, 0], [1, 4, 5])


def test_a_dataset_whose_labels_are_drawn_is_not_joined_with_one_whose_labels_are_not() -> None:
    drawing = second(votes=(1.0, 1.0, 0.0))
    drawing.draws_labels = True
    with pytest.raises(UserError, match="labels of 'second' are drawn by votes in each epoch"):
        Union(members(first(), drawing))


def test_votes_follow_their_classes(tmp_path: Path) -> None:
    pack = packed(Union(members(first(votes=(1.0, 2.0, 3.0)))), tmp_path)
    assert pack.votes is not None
    np.testing.assert_array_equal(pack.votes[0], [1, 0, 2, 3])
    assert np.isnan(pack.votes[-1]).all()


def test_faults_of_members_are_faults_of_the_union(tmp_path: Path) -> None:
    other = second()
    other.extra = [Fault("list.csv", 3, "is torn")]
    with pytest.raises(FaultyDataset, match=r"list\.csv, row 3: is torn"):
        packed(Union(members(other=other)), tmp_path)


def test_supplement_that_no_other_member_has_is_refused() -> None:
    with pytest.raises(UserError, match="names 'happy', which 'second' does not have") as error:
        Union(members(), supplement=("happy",))
    assert "angry, contempt, disgust" in error.value.remedy


def test_one_expression_under_two_names_in_a_member_is_refused() -> None:
    with pytest.raises(UserError, match="'Anger' and 'angry' of 'first' mean one expression"):
        Union(members(Made(("Anger", "angry"), ("Training",), side=8)))


def test_a_member_with_a_size_of_its_own_is_refused() -> None:
    other = second()
    other.stored_size = (6, 6)
    with pytest.raises(UserError, match="'second' is to be resampled on its own"):
        Union(members(other=other))
    other.stored_size = (8, 8)
    Union(members(other=other))


def test_source_covers_members_and_supplement() -> None:
    sources = [
        Union(members()).source(),
        Union(members(), supplement=("disgust",)).source(),
        Union(members(), supplement=("contempt",)).source(),
        Union(members(first(per_class=5))).source(),
        Union(list(reversed(members()))).source(),
    ]
    assert all(one != other for index, one in enumerate(sources) for other in sources[:index])
    assert Union(members()).source() == sources[0]


def test_a_missing_validation_part_of_one_member_is_no_obstacle_on_all(tmp_path: Path) -> None:
    folders = DatasetSpec("folders", build="a:b")
    specs = (("first", FIRST), ("second", folders))
    protocol = next(p for p in union_protocols(specs, supplemented=False) if p.name == "official-all")
    assert protocol.validation == ("PublicTest", "second:validation")
    split = cut(packed(Union(members()), tmp_path), (protocol,), SplitRequest())
    assert len(split.validation) == 12


def test_people_of_the_first_stay_together_in_the_union() -> None:
    people = DatasetSpec("people", build="a:b", protocols=(Protocol("p", ("train",), ("test",), group_by="subject"),))
    own = union_protocols((("people", people), ("first", FIRST)), supplemented=False)
    turned = union_protocols((("first", FIRST), ("people", people)), supplemented=False)
    assert [p.group_by for p in own] == ["subject", "subject"]
    assert {p.name: p.group_by for p in turned} == {
        "official": None,
        "cut": None,
        "official-all": "subject",
        "cut-all": "subject",
    }


def test_a_union_has_at_least_what_its_members_say_to_have() -> None:
    members = [Member(name, Made(("a", "b"), ("train",), side=8), ("train",)) for name in ("first", "second")]
    for member, count in zip(members, (10, 1000), strict=True):
        member.dataset.least_count = count
    assert Union(members).least_count == 1010
    assert Union(members, supplement=("a",)).least_count == 10
