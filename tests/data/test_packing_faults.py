"""Packing: what is refused, and what is skipped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listed import Listed, good, pack, picture, reasons, with_image

import ferbench
from ferbench import Fault, PixelText, Sample, UserError
from ferbench.data.decode import FORMAT_LIST
from ferbench.data.pack import open_pack
from ferbench.data.packing import FaultyDataset


def test_undecodable_image(tmp_path: Path) -> None:
    file = tmp_path / "broken.jpg"
    file.write_bytes(b"no image")
    items = good()
    items[3] = replace(items[3], image=file, location=str(file))
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path / "cache")
    assert caught.value.faults == (Fault(str(file), None, f"not a readable {FORMAT_LIST} image"),)


def test_fault_in_a_table_names_file_and_row(tmp_path: Path) -> None:
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(with_image(PixelText("1 2 3", 6, 6))), tmp_path)
    assert caught.value.faults == (Fault("table.csv", 5, "short pixel row: 3 of 36 values"),)
    assert "table.csv, row 5: short pixel row" in caught.value.message
    assert "--skip-faulty" in caught.value.remedy


def test_non_numeric_value(tmp_path: Path) -> None:
    assert reasons(with_image(PixelText("x" + " 1" * 35, 6, 6)), tmp_path) == ["non-numeric value 'x'"]


def test_shape_unlike_the_native_one(tmp_path: Path) -> None:
    found = reasons(with_image(picture(1, 7, 6)), tmp_path, native_size=(6, 6))
    assert found == ["wrong shape 7×6, expected 6×6"]


def test_shape_unlike_the_first_image(tmp_path: Path) -> None:
    assert reasons(with_image(picture(1, 6, 5)), tmp_path) == ["wrong shape 6×5, expected 6×6"]


@pytest.mark.parametrize("sides", [(6, 7, 8, 9, 10, 11, 12, 13), (6, 6, 6, 6, 6, 6, 9, 6)], ids=["all", "one"])
def test_images_of_unlike_sizes_are_to_be_brought_to_one(tmp_path: Path, sides: tuple[int, ...]) -> None:
    items = [replace(item, image=picture(1, side, 6)) for item, side in zip(good(), sides, strict=True)]
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path)
    assert "--set dataset.size=N" in caught.value.remedy
    assert "--skip-faulty" not in caught.value.remedy


def test_a_few_images_of_unlike_size_among_other_faults_are_to_be_mended(tmp_path: Path) -> None:
    items = with_image(picture(1, 7, 6)) + [Fault("table.csv", row, "unknown Usage") for row in (10, 11)]
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path)
    assert caught.value.remedy.startswith("mend them")


def test_unknown_label(tmp_path: Path) -> None:
    items = good()
    items[3] = replace(items[3], label="sly")
    assert reasons(items, tmp_path) == ["unknown label 'sly'"]


def test_duplicate_id_names_both_places(tmp_path: Path) -> None:
    items = good()
    items[6] = replace(items[6], id="s1")
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path)
    assert caught.value.faults == (Fault("table.csv", 8, "duplicate id 's1', which table.csv, row 3 has"),)


def test_fault_from_the_dataset(tmp_path: Path) -> None:
    items = [*good(), Fault("table.csv", 10, "unknown Usage 'Secret'")]
    assert reasons(items, tmp_path) == ["unknown Usage 'Secret'"]


def test_class_without_any_image(tmp_path: Path) -> None:
    found = reasons(good(), tmp_path, class_names=("calm", "glad", "sly"))
    assert found == ["class 'sly' has no image in any part"]


def test_class_that_loses_its_only_images_in_a_part(tmp_path: Path) -> None:
    items = [
        replace(item, image=b"broken") if (item.part, item.label) == ("train", "glad") else item
        for item in good()
        if isinstance(item, Sample)
    ]
    assert reasons(items, tmp_path)[-1] == "class 'glad' has no usable image in part 'train'"


def test_part_that_loses_all_its_images(tmp_path: Path) -> None:
    items = [replace(item, image=b"broken") if item.part == "test" else item for item in good()]
    assert reasons(items, tmp_path)[-1] == "no usable image in part 'test'"


def test_dataset_without_samples(tmp_path: Path) -> None:
    with pytest.raises(ferbench.UserError, match="no usable image"):
        pack(Listed([]), tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": ""}, "id is not a text of 1 to 512 characters"),
        ({"id": "a\0b"}, "id is not a text of 1 to 512 characters"),
        ({"id": "\udc80"}, "id is not valid Unicode"),
        ({"part": ""}, "part is not a text of 1 to 512 characters"),
        ({"valence": 1.5}, "valence 1.5 outside -1..1"),
        ({"arousal": float("nan")}, "arousal nan outside -1..1"),
        ({"votes": (1.0,)}, "1 votes for 2 classes"),
        ({"votes": (1.0, -1.0)}, "votes that are negative, infinite or all zero"),
        ({"votes": (0.0, 0.0)}, "votes that are negative, infinite or all zero"),
        ({"frame": -1}, "frame -1 outside 0..2147483647"),
    ],
)
def test_facts_out_of_range(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    items = good()
    items[3] = replace(items[3], **change)
    assert reasons(items, tmp_path) == [reason]


def test_all_faults_are_listed_and_the_first_few_named(tmp_path: Path) -> None:
    items = [replace(item, image=b"x") if index > 1 else item for index, item in enumerate(good(8))]
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path)
    assert sum("readable" in fault.reason for fault in caught.value.faults) == 6
    assert "row 4" in caught.value.message
    assert "row 9" not in caught.value.message
    assert "\n" not in caught.value.message


def test_fault_in_a_file_with_an_awkward_name_is_one_line_of_text(tmp_path: Path) -> None:
    items = good()
    items[3] = replace(items[3], image=b"x", location="a\nb\udcff.jpg")
    with pytest.raises(FaultyDataset) as caught:
        pack(Listed(items), tmp_path)
    assert caught.value.faults[0].file == "a\\nb\\udcff.jpg"


def test_skipping_keeps_the_rest_and_records_the_faults(tmp_path: Path) -> None:
    items = good(300)
    items[3] = replace(items[3], image=b"x")
    items[200] = replace(items[200], id="s7")
    items[299] = Fault("table.csv", 301, "unknown Usage")
    found = pack(Listed(items), tmp_path, skip_faulty=True)
    left = [item for index, item in enumerate(items) if index not in (3, 200, 299)]
    assert found.ids.tolist() == [item.id for item in left if isinstance(item, Sample)]
    assert found.skipped == 3
    assert [fault.row for fault in found.faults] == [5, 301, 202]
    for index, item in enumerate(left):
        assert isinstance(item, Sample)
        np.testing.assert_array_equal(found.images[index, 0], item.image)
    assert found.damaged_rows() == []
    assert open_pack(found.path).skipped == 3
    assert pack(Listed(items), tmp_path, skip_faulty=True).faults == found.faults


def test_skipped_samples_do_not_change_what_the_pack_is(tmp_path: Path) -> None:
    clean = pack(Listed(good()), tmp_path)
    faulty = pack(Listed([*good(), Fault("f", 1, "bad")], stamp="faulty"), tmp_path, skip_faulty=True)
    assert faulty.digest == clean.digest
    assert (clean.skipped, faulty.skipped) == (0, 1)
    assert pack(Listed(good()), tmp_path).skipped == 0
    assert pack(Listed([], stamp="faulty"), tmp_path, skip_faulty=True).skipped == 1


def test_skipping_everything_is_refused(tmp_path: Path) -> None:
    items = [replace(item, image=b"x") for item in good()]
    with pytest.raises(FaultyDataset, match="no usable image"):
        pack(Listed(items), tmp_path, skip_faulty=True)
    assert not list((tmp_path / "packs").iterdir())


def test_refusal_without_skipping_does_not_stand_in_the_way_of_skipping(tmp_path: Path) -> None:
    with pytest.raises(FaultyDataset):
        pack(Listed(with_image(b"x")), tmp_path)
    assert pack(Listed(with_image(b"x")), tmp_path, skip_faulty=True).skipped == 1


def spelled(*names: str) -> Listed:
    """A dataset with a sample of each class, and two of the last."""
    labels = [*names, names[-1]]
    items = [Sample(f"s{k}", "train", label, picture(k)) for k, label in enumerate(labels)]
    return Listed([*items, Fault("table.csv", 9, "no image is named")], class_names=names)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("calm", "pain", "Pain"), "'pain' (1), 'Pain' (2)"),
        (("calm", "cafe\u0301", "caf\u00e9"), r"'cafe\u0301' (1), 'caf\xe9' (2)"),
        (("calm", "pain", "pa\u200bin"), r"'pain' (1), 'pa\u200bin' (2)"),
        (("calm", "pain", "pain\u00a0"), r"'pain' (1), 'pain\xa0' (2)"),
        (("calm", "3", "03"), "'3' (1), '03' (2)"),
        (("calm", "3", "3.0"), "'3' (1), '3.0' (2)"),
    ],
)
def test_classes_that_differ_in_spelling_alone_are_refused_before_packing(
    tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    for skip in (False, True):
        with pytest.raises(UserError) as caught:
            pack(spelled(*names), tmp_path / "cache", skip_faulty=skip)
        assert caught.value.message == f"dataset 'listed' has classes that differ in spelling alone: {said}"
    assert not (tmp_path / "cache").exists()


def test_words_for_one_expression_stay_two_classes(tmp_path: Path) -> None:
    dataset = spelled("happiness", "happy")
    dataset.items.pop()
    assert pack(dataset, tmp_path).class_names == ("happiness", "happy")


@pytest.mark.parametrize("name", ["", " ", "\u200b"])
def test_a_class_needs_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="has a class without a name"):
        pack(spelled("calm", name), tmp_path)


def test_a_label_in_another_spelling_than_its_class_is_a_fault_that_names_both(tmp_path: Path) -> None:
    items = good()
    items[3] = replace(items[3], label="Glad")
    assert reasons(items, tmp_path) == ["label 'Glad' is spelled otherwise than the class 'glad'"]
