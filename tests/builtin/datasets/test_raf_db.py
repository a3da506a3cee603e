"""RAF-DB: the authors' files and Kaggle's copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from kept_rules import broken_rules
from made_images import draw, faults, labels, samples

from ferbench import UserError
from ferbench.data.pack_cache import pack_dataset
from ferbench_builtin.datasets.raf_db import raf_db

#: As the authors' ReadMe numbers them.
NUMBERS = {1: "surprise", 2: "fear", 3: "disgust", 4: "happy", 5: "sad", 6: "angry", 7: "neutral"}


def authors(root: Path) -> Path:
    lines = []
    for part, offset in (("train", 0), ("test", 50)):
        for number in NUMBERS:
            stem = f"{part}_{number:05d}"
            draw(root / "Image" / "aligned" / f"{stem}_aligned.jpg", number + offset)
            draw(root / "Image" / "original" / f"{stem}.jpg", number + offset, (6 + number, 12))
            lines.append(f"{stem}.jpg {number}")
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return root


def kaggle(root: Path, *, tables: bool = True) -> Path:
    for part, offset in (("train", 0), ("test", 50)):
        rows = ["image,label"]
        for number in NUMBERS:
            name = f"{part}_{number:05d}_aligned.jpg"
            draw(root / "DATASET" / part / str(number) / name, number + offset)
            rows.append(f"{name},{number}")
        if tables:
            (root / f"{part}_labels.csv").write_text("\n".join(rows) + "\n")
    return root


EXPECTED = {f"{part}_{number:05d}": label for part in ("train", "test") for number, label in NUMBERS.items()}


@pytest.mark.parametrize("make", [authors, kaggle])
def test_numbers_are_classes_by_name(tmp_path: Path, make) -> None:
    assert labels(raf_db(make(tmp_path))) == EXPECTED


@pytest.mark.parametrize("make", [authors, kaggle])
def test_parts_are_the_authors(tmp_path: Path, make) -> None:
    assert all(sample.part == name.partition("_")[0] for name, sample in samples(raf_db(make(tmp_path))).items())


def test_both_copies_of_the_same_files_are_one_pack(tmp_path: Path) -> None:
    packs = [
        pack_dataset(raf_db(path), name="raf-db", cache=tmp_path / f"cache{index}")
        for index, path in enumerate((authors(tmp_path / "a"), kaggle(tmp_path / "b")))
    ]
    contents = [sorted(zip(p.ids.tolist(), p.labels.tolist(), map(bytes, p.pixel_hashes), strict=True)) for p in packs]
    assert contents[0] == contents[1]
    assert packs[0].class_names == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def test_the_basic_folder_may_be_inside(tmp_path: Path) -> None:
    authors(tmp_path / "basic")
    assert labels(raf_db(tmp_path)) == EXPECTED


def test_original_photos_on_request(tmp_path: Path) -> None:
    sample = samples(raf_db(authors(tmp_path), images="original"))["train_00003"]
    assert sample.image == tmp_path / "Image" / "original" / "train_00003.jpg"
    packed = pack_dataset(
        raf_db(tmp_path, images="original", size=8, fit="crop"), name="raf-db", cache=tmp_path / "cache"
    )
    assert packed.images.shape == (14, 3, 8, 8)


def test_missing_images_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text("train_00001.jpg 5\n")
    with pytest.raises(UserError, match="aligned does not exist") as error:
        raf_db(tmp_path)
    assert "aligned.zip" in error.value.remedy


def test_kaggles_copy_has_no_original_photos(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="aligned images alone"):
        raf_db(kaggle(tmp_path), images="original")


@pytest.mark.parametrize("line", ["train_00001.jpg", "train_00001.jpg 8", "valid_00001.jpg 5", "train_00001.jpg five"])
def test_malformed_line_is_a_fault_with_its_row(tmp_path: Path, line: str) -> None:
    authors(tmp_path)
    table = tmp_path / "EmoLabel" / "list_patition_label.txt"
    table.write_text(line + "\n" + table.read_text())
    (fault,) = faults(raf_db(tmp_path))
    assert (fault.file, fault.row) == (str(table), 1)
    assert line[:12] in fault.reason


def test_folder_that_disagrees_with_the_table_is_a_fault(tmp_path: Path) -> None:
    folder = kaggle(tmp_path) / "DATASET" / "train"
    (folder / "1" / "train_00001_aligned.jpg").rename(folder / "2" / "train_00001_aligned.jpg")
    (fault,) = faults(raf_db(tmp_path))
    assert fault.reason == "lies in folder '2', but train_labels.csv calls it '1'"


def test_an_image_with_two_labels_in_the_table_is_refused(tmp_path: Path) -> None:
    table = kaggle(tmp_path) / "train_labels.csv"
    table.write_text(table.read_text().replace("label\n", "label\ntrain_00001_aligned.jpg,2\n", 1))
    with pytest.raises(UserError, match=r"row 3: 'train_00001_aligned\.jpg' is there twice, with two labels"):
        list(raf_db(tmp_path).samples())


def test_image_that_only_the_table_has_is_a_fault(tmp_path: Path) -> None:
    (kaggle(tmp_path) / "DATASET" / "test" / "4" / "test_00004_aligned.jpg").unlink()
    (fault,) = faults(raf_db(tmp_path))
    assert (fault.file, fault.row) == (str(tmp_path / "test_labels.csv"), 5)


def test_folders_alone_are_enough_and_may_be_called_by_expressions(tmp_path: Path) -> None:
    folder = kaggle(tmp_path, tables=False) / "DATASET" / "train"
    (folder / "6").rename(folder / "Anger")
    assert labels(raf_db(tmp_path / "DATASET")) == EXPECTED


def test_another_directory_is_refused_with_what_is_there(tmp_path: Path) -> None:
    draw(tmp_path / "happy" / "1.png")
    with pytest.raises(UserError, match=r"no RAF-DB in .*EmoLabel/list_patition_label.txt.*found happy/"):
        raf_db(tmp_path)


def test_source_changes_with_labels_and_option(tmp_path: Path) -> None:
    authors(tmp_path)
    first = raf_db(tmp_path).source()
    assert raf_db(tmp_path).source() == first
    assert raf_db(tmp_path, images="original").source() != first
    table = tmp_path / "EmoLabel" / "list_patition_label.txt"
    table.write_text(table.read_text() + "\n")
    assert raf_db(tmp_path).source() != first


def test_it_keeps_the_rules_of_datasets(tmp_path: Path) -> None:
    kaggle(tmp_path, tables=False)
    for number in NUMBERS:  # a second image of each class, to cut validation from
        draw(tmp_path / "DATASET" / "train" / str(number) / f"train_{number + 9:05d}_aligned.jpg", number + 90)
    assert broken_rules("dataset", "raf-db", data=tmp_path) == {}


#: As the authors' ReadMe numbers the compound set.
COMPOUND = {1: "happily surprised", 5: "sadly surprised", 8: "fearfully surprised", 11: "disgustedly surprised"}


def compound(root: Path, numbers=COMPOUND) -> Path:
    """The authors' files, whose names are those of the basic set with a digit less."""
    lines = []
    for part, offset in (("train", 0), ("test", 50)):
        for place, number in enumerate(numbers, start=1):
            stem = f"{part}_{place:04d}"
            draw(root / "Image" / "aligned" / f"{stem}_aligned.jpg", number + offset)
            lines.append(f"{stem}.jpg {number}")
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return root


def test_the_compound_set_has_its_eleven_classes(tmp_path: Path) -> None:
    dataset = raf_db(compound(tmp_path), set="compound")
    expected = dict(enumerate(COMPOUND.values(), start=1))
    assert labels(dataset) == {
        f"{part}_{place:04d}": name for part in ("train", "test") for place, name in expected.items()
    }
    assert len(dataset.class_names) == 11
    assert dataset.notes["set"] == "compound"


def test_the_compound_set_may_be_inside(tmp_path: Path) -> None:
    compound(tmp_path / "compound")
    authors(tmp_path / "basic")
    assert len(labels(raf_db(tmp_path, set="compound"))) == 8
    assert labels(raf_db(tmp_path)) == EXPECTED


def test_the_compound_set_is_not_taken_for_the_basic_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="compound set, of 11 classes, not its basic set") as raised:
        raf_db(compound(tmp_path))
    assert "dataset.set=compound" in raised.value.remedy


@pytest.mark.parametrize("make", [authors, kaggle])
def test_the_basic_set_is_not_taken_for_the_compound_one(tmp_path: Path, make) -> None:
    with pytest.raises(UserError, match="basic set, of 7 classes, not its compound set"):
        raf_db(make(tmp_path), set="compound")


def test_folders_of_the_compound_set_are_numbered_to_eleven(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for number in COMPOUND:
            draw(tmp_path / part / str(number) / f"{part}_{number:04d}_aligned.jpg", number)
    assert set(labels(raf_db(tmp_path, set="compound")).values()) == set(COMPOUND.values())
    with pytest.raises(UserError, match="compound set"):
        raf_db(tmp_path)


def test_the_compound_set_keeps_the_rules_of_datasets(tmp_path: Path) -> None:
    whole = compound(tmp_path, [*range(1, 12)] * 4)
    assert not broken_rules("dataset", "raf-db", data=whole, set="compound")
