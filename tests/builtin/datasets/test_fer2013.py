"""FER2013: every layout that it goes around in, and every way in which a copy can be wrong."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_rules import broken_rules
from PIL import Image

from ferbench import Fault, PixelText, Sample, UserError
from ferbench.data.decode import decode
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset
from ferbench_builtin.datasets.fer2013 import fer2013

#: As Goodfellow et al. number them; written out again here so that a slip in the code shows.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
FERPLUS = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def face(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


def text_of(pixels: np.ndarray) -> str:
    return " ".join(str(value) for value in pixels.ravel().tolist())


Row = tuple[str, str, str]  # emotion, pixels, usage


def good_rows() -> list[Row]:
    usages = ["Training"] * 7 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
    return [(str(index % 7), text_of(face(index)), usage) for index, usage in enumerate(usages)]


def write_table(directory: Path, rows: Sequence[Row], name: str = "fer2013.csv") -> Path:
    file = directory / name
    lines = ["emotion,pixels,Usage", *(",".join(row) for row in rows)]
    file.write_text("\n".join(lines) + "\n")
    return file


def write_votes(directory: Path, rows: Sequence[tuple[str, Sequence[int]]]) -> Path:
    file = directory / "fer2013new.csv"
    lines = [f"{usage},fer{index:07d}.png,{','.join(map(str, votes))}" for index, (usage, votes) in enumerate(rows)]
    file.write_text("\n".join([FERPLUS, *lines]) + "\n")
    return file


def write_folders(root: Path, splits: dict[str, str], classes: Sequence[str] = CLASSES) -> Path:
    """``splits`` maps a folder to the beginning of its file names; one image per class each."""
    for part, (split, beginning) in enumerate(splits.items()):
        for index, name in enumerate(classes):
            (root / split / name).mkdir(parents=True, exist_ok=True)
            number = part * 100 + index
            Image.fromarray(face(number)).save(root / split / name / f"{beginning}{number}.png")
    return root


def items(path: Path, *, votes: bool = False) -> list[Sample | Fault]:
    return list(fer2013(path, votes=votes).samples())


def samples(path: Path, *, votes: bool = False) -> list[Sample]:
    found = items(path, votes=votes)
    assert not [item for item in found if isinstance(item, Fault)]
    return [item for item in found if isinstance(item, Sample)]


def faults(path: Path, *, votes: bool = False) -> list[Fault]:
    return [item for item in items(path, votes=votes) if isinstance(item, Fault)]


def refusal(path: Path | None, *, votes: bool = False) -> UserError:
    with pytest.raises(UserError) as caught:
        items(path, votes=votes)  # type: ignore[arg-type]
    assert "\n" not in caught.value.message
    return caught.value


# The table


def test_rows_have_the_class_part_and_pixels_that_they_state(tmp_path: Path) -> None:
    write_table(tmp_path, good_rows())
    found = samples(tmp_path)
    assert [sample.label for sample in found] == list(EMOTIONS) * 3
    assert [sample.part for sample in found] == ["Training"] * 7 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
    for index, sample in enumerate(found):
        np.testing.assert_array_equal(decode(sample.image, 1)[0], face(index))


def test_class_names_are_sorted(tmp_path: Path) -> None:
    write_table(tmp_path, good_rows())
    assert fer2013(tmp_path).class_names == CLASSES


def test_ids_are_usage_and_row(tmp_path: Path) -> None:
    write_table(tmp_path, good_rows())
    assert [sample.id for sample in samples(tmp_path)][5:8] == [
        "Training-00005",
        "Training-00006",
        "PublicTest-00007",
    ]


def test_the_table_itself_may_be_named(tmp_path: Path) -> None:
    file = write_table(tmp_path, good_rows(), "my copy.csv")
    assert len(samples(file)) == 21


def test_icml_face_data_with_blanks_in_its_header_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_table(tmp_path / "a", good_rows())
    lines = [
        "emotion, Usage, pixels",
        *(f"{emotion},{usage},{pixels}" for emotion, pixels, usage in good_rows()),
    ]
    (tmp_path / "b" / "icml_face_data.csv").write_text("\n".join(lines))
    digests = {pack_dataset(fer2013(tmp_path / name), name="fer2013", cache=tmp_path / "cache").digest for name in "ab"}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "disguise",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.rstrip(b"\n"),
        lambda data: data + b"\n\n",
        lambda data: data.replace(b"emotion,pixels,Usage", b"EMOTION,Pixels,usage"),
        lambda data: data.replace(b",Training", b',"Training"'),
        lambda data: data.replace(b",Training", b", Training "),
    ],
    ids=["byte-order mark", "CRLF", "no last newline", "empty lines", "case", "quotes", "blanks"],
)
def test_ways_to_write_the_same_table(tmp_path: Path, disguise: Callable[[bytes], bytes]) -> None:
    file = write_table(tmp_path, good_rows())
    plain = samples(tmp_path)
    file.write_bytes(disguise(file.read_bytes()))
    assert samples(tmp_path) == plain


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda row: ("7", row[1], row[2]), "unknown label '7', expected an emotion from 0 to 6"),
        (lambda row: ("happy", row[1], row[2]), "unknown label 'happy', expected an emotion from 0 to 6"),
        (lambda row: ("3.0", row[1], row[2]), "unknown label '3.0', expected an emotion from 0 to 6"),
        (lambda row: ("", row[1], row[2]), "unknown label '', expected an emotion from 0 to 6"),
        (lambda row: ("٣", row[1], row[2]), "unknown label '\\u0663', expected an emotion from 0 to 6"),
        (
            lambda row: (row[0], row[1], "Secret"),
            "unknown Usage 'Secret', expected Training, PublicTest, PrivateTest",
        ),
        (lambda row: (row[0], row[1] + ",extra", row[2]), "4 fields, expected 3"),
        (lambda row: (row[0], '"' + row[1], row[2]), "malformed CSV: unexpected end of data"),
    ],
)
def test_malformed_row_is_a_fault_with_its_line(tmp_path: Path, change: Callable[[Row], Row], reason: str) -> None:
    rows = [*good_rows(), *good_rows()]
    rows[5] = change(rows[5])
    file = write_table(tmp_path, rows)
    assert faults(tmp_path) == [Fault(str(file), 7, reason)]
    assert len(items(tmp_path)) == 42, "the other rows are read"


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        ("1 2 3", "short pixel row: 3 of 2304 values"),
        (text_of(face(0)) + " 1", "long pixel row: 2305 of 2304 values"),
        ("abc" + " 0" * 2303, "non-numeric value 'abc'"),
        ("300" + " 0" * 2303, "value 300 outside 0..255"),
    ],
)
def test_malformed_pixels_refuse_the_pack(tmp_path: Path, pixels: str, reason: str) -> None:
    rows = [*good_rows(), *good_rows()]
    rows[30] = (rows[30][0], pixels, rows[30][2])
    file = write_table(tmp_path, rows)
    with pytest.raises(FaultyDataset) as caught:
        pack_dataset(fer2013(tmp_path), name="fer2013", cache=tmp_path / "cache")
    assert caught.value.faults == (Fault(str(file), 32, reason),)


def test_bytes_that_are_no_text_are_a_fault_of_their_row(tmp_path: Path) -> None:
    file = write_table(tmp_path, good_rows())
    file.write_bytes(file.read_bytes().replace(b"PublicTest", b"Public\xff\xfeTest", 1))
    assert [fault.row for fault in faults(tmp_path)] == [9]


def test_missing_column_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_text("emotion,pixels\n0,1 2 3\n")
    assert "should start with the columns emotion, pixels, Usage" in refusal(tmp_path).message


def test_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_bytes(bytes(range(256)) * 2000)
    refusal(tmp_path)


def test_empty_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_bytes(b"")
    assert "it has: nothing" in refusal(tmp_path).message


def test_class_missing_from_training_alone_is_a_fault(tmp_path: Path) -> None:
    rows = [row for row in good_rows() if (row[0], row[2]) != ("1", "Training")]
    file = write_table(tmp_path, rows)
    assert faults(tmp_path) == [Fault(str(file), None, "class 'disgust' has no image in part 'Training'")]


def test_class_missing_from_a_test_part_alone_is_none(tmp_path: Path) -> None:
    write_table(tmp_path, [row for row in good_rows() if (row[0], row[2]) != ("1", "PublicTest")])
    assert faults(tmp_path) == []


def test_class_missing_everywhere_refuses_the_pack(tmp_path: Path) -> None:
    file = write_table(tmp_path, [row for row in good_rows() if row[0] != "1"])
    with pytest.raises(FaultyDataset) as caught:
        pack_dataset(fer2013(tmp_path), name="fer2013", cache=tmp_path / "cache")
    assert caught.value.faults == (Fault(str(file), None, "class 'disgust' has no image in any part"),)


def test_table_without_training_is_a_fault(tmp_path: Path) -> None:
    file = write_table(tmp_path, [row for row in good_rows() if row[2] != "Training"])
    assert faults(tmp_path) == [Fault(str(file), None, "no image in part 'Training'")]


def test_notes_count_rows_and_images(tmp_path: Path) -> None:
    write_table(tmp_path, good_rows()[:14])
    dataset = fer2013(tmp_path)
    list(dataset.samples())
    assert dataset.notes == {
        "layout": "fer2013.csv",
        "votes": False,
        "rows": 14,
        "images": {"Training": 7, "PublicTest": 7},
    }


def test_source_changes_with_the_table_and_with_the_votes(tmp_path: Path) -> None:
    write_table(tmp_path, good_rows())
    write_votes(tmp_path, [(row[2], [0] * 10) for row in good_rows()])
    first = fer2013(tmp_path).source()
    assert fer2013(tmp_path).source() == first
    assert fer2013(tmp_path, votes=True).source() != first
    write_table(tmp_path, good_rows()[:-1])
    assert fer2013(tmp_path).source() != first


rows_of_bytes = st.tuples(
    st.sampled_from("0123456"), st.integers(0, 2**32 - 1), st.sampled_from(["Training", "PublicTest"])
)


@settings(max_examples=25, deadline=None)
@given(st.lists(rows_of_bytes, min_size=1, max_size=4))
def test_any_table_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, str]]
) -> None:
    directory = tmp_path_factory.mktemp("table")
    write_table(directory, [(emotion, text_of(face(seed)), usage) for emotion, seed, usage in rows])
    found = [item for item in items(directory) if isinstance(item, Sample)]
    assert len(found) == len(rows)
    for (emotion, seed, usage), sample in zip(rows, found, strict=True):
        assert (sample.label, sample.part) == (EMOTIONS[int(emotion)], usage)
        np.testing.assert_array_equal(decode(sample.image, 1)[0], face(seed))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_to_a_row_is_refused_or_read_as_it_stands(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Held against Python's csv module reading the same line."""
    line = f"3,{'7 ' * 2303}9,Training"
    edge = st.one_of(st.integers(0, 12), st.integers(len(line) - 14, len(line)))
    place = data.draw(edge)
    removed = data.draw(st.integers(0, 4))
    inserted = data.draw(st.text(st.sampled_from("0123456789 ,.\"'-\t\0abPT\xff"), max_size=4))
    damaged = line[:place] + inserted + line[place + removed :]
    directory = tmp_path_factory.mktemp("damaged")
    (directory / "fer2013.csv").write_text(f"emotion,pixels,Usage\n{damaged}\n", encoding="utf-8")
    read = [item for item in items(directory) if isinstance(item, Sample)]
    if not read:
        return
    emotion, pixels, usage = next(csv.reader(io.StringIO(damaged)))
    assert read[0].label == EMOTIONS[int(emotion)]
    assert read[0].part == usage.strip()
    assert isinstance(read[0].image, PixelText)
    assert read[0].image.text == pixels


# Votes


def test_votes_are_joined_by_order_and_mapped_by_name(tmp_path: Path) -> None:
    rows = good_rows()
    write_table(tmp_path, rows)
    write_votes(tmp_path, [(row[2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) for row in rows])
    found = samples(tmp_path, votes=True)
    expected = {"neutral": 1, "happy": 2, "surprise": 3, "sad": 4, "angry": 5, "disgust": 6, "fear": 7}
    assert all(sample.votes == tuple(float(expected[name]) for name in CLASSES) for sample in found)


def test_row_voted_outside_the_seven_classes_has_no_votes(tmp_path: Path) -> None:
    rows = good_rows()
    write_table(tmp_path, rows)
    write_votes(
        tmp_path,
        [(row[2], [0] * 7 + [4, 3, 3] if index == 2 else [1] * 10) for index, row in enumerate(rows)],
    )
    found = samples(tmp_path, votes=True)
    assert [index for index, sample in enumerate(found) if sample.votes is None] == [2]


def test_votes_stay_with_their_row_beside_a_faulty_one(tmp_path: Path) -> None:
    rows = good_rows()
    rows[2] = ("x", rows[2][1], rows[2][2])
    write_table(tmp_path, rows)
    write_votes(tmp_path, [(row[2], [index, *[0] * 9]) for index, row in enumerate(rows)])
    found = [item for item in items(tmp_path, votes=True) if isinstance(item, Sample)]
    assert found[2].id == "Training-00003"
    assert found[2].votes is not None
    assert sum(found[2].votes) == 3


def test_votes_for_other_rows_are_refused_naming_the_first(tmp_path: Path) -> None:
    rows = good_rows()
    write_table(tmp_path, rows)
    usages = [row[2] for row in rows]
    usages[6] = "PublicTest"
    write_votes(tmp_path, [(usage, [1] * 10) for usage in usages])
    assert "row 8 of the one is 'Training', row 8 of the other 'PublicTest'" in refusal(tmp_path, votes=True).message


@pytest.mark.parametrize("count", [20, 22])
def test_votes_for_another_number_of_rows_are_refused(tmp_path: Path, count: int) -> None:
    rows = [*good_rows(), good_rows()[-1]]
    write_table(tmp_path, rows[:21])
    write_votes(tmp_path, [(row[2], [1] * 10) for row in rows[:count]])
    assert f"ends after {min(count, 21)} rows" in refusal(tmp_path, votes=True).message


def test_vote_that_is_no_number_is_a_fault_in_the_votes(tmp_path: Path) -> None:
    rows = good_rows()
    write_table(tmp_path, rows)
    file = write_votes(tmp_path, [(row[2], [1] * 10) for row in rows])
    file.write_text(file.read_text().replace("fer0000003.png,1", "fer0000003.png,many"))
    assert faults(tmp_path, votes=True)[0] == Fault(str(file), 5, "neutral: 'many' is no number of votes")


def test_missing_votes_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path, good_rows())
    error = refusal(tmp_path, votes=True)
    assert "fer2013new.csv does not exist" in error.message
    assert "FERPlus" in error.remedy


def test_votes_beside_folders_are_refused(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    assert "order of rows" in refusal(tmp_path, votes=True).message


def test_votes_reach_the_pack(tmp_path: Path) -> None:
    rows = good_rows()
    write_table(tmp_path, rows)
    write_votes(tmp_path, [(row[2], [0] * 10 if index == 4 else [9] * 10) for index, row in enumerate(rows)])
    found = pack_dataset(fer2013(tmp_path, votes=True), name="fer2013", cache=tmp_path / "cache")
    assert found.votes is not None
    assert np.isnan(found.votes).any(axis=1).nonzero()[0].tolist() == [4]
    assert found.votes[0].tolist() == [9.0] * 7


# Folders


def test_kaggle_folders_tell_the_tests_apart_by_file_name(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    for index, name in enumerate(CLASSES):
        Image.fromarray(face(index)).save(tmp_path / "test" / name / f"PrivateTest_{index}.jpg")
    dataset = fer2013(tmp_path)
    counts: dict[str, int] = {}
    for sample in samples(tmp_path):
        counts[sample.part] = counts.get(sample.part, 0) + 1
        assert isinstance(sample.image, Path)
        assert sample.image.parent.name == sample.label
        assert sample.id == sample.image.stem
    assert counts == {"Training": 7, "PublicTest": 7, "PrivateTest": 7}
    list(dataset.samples())
    assert dataset.notes == {"layout": "2 folders", "images": counts, "ignored_files": 0}


@pytest.mark.parametrize("validation", ["validation", "val", "Validation"])
def test_three_folders_are_the_three_parts(tmp_path: Path, validation: str) -> None:
    write_folders(tmp_path, {"train": "im", validation: "im", "test": "im"})
    found = samples(tmp_path)
    assert [sample.part for sample in found] == ["Training"] * 7 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
    assert found[0].id == "Training/angry/im0.png"
    assert len({sample.id for sample in found}) == 21


def test_one_of_the_folders_points_to_the_one_above_it(tmp_path: Path) -> None:
    write_folders(tmp_path / "copy", {"train": "im", "test": "PublicTest_"})
    for name in ("train", "test"):
        assert refusal(tmp_path / "copy" / name).remedy == f"name the directory above it: {tmp_path / 'copy'}"
    (tmp_path / "copy" / "train").rename(tmp_path / "train")
    assert refusal(tmp_path / "train").remedy.startswith("get it from Kaggle")


def test_folders_and_table_agree_on_classes(tmp_path: Path) -> None:
    write_folders(tmp_path / "folders", {"train": "Training_", "test": "PublicTest_"})
    write_table(tmp_path, good_rows())
    assert fer2013(tmp_path / "folders").class_names == fer2013(tmp_path).class_names


def test_class_folders_may_have_other_common_names(tmp_path: Path) -> None:
    names = ("Anger", "disgusted", "fearful", "happiness", "NEUTRAL", "Sadness", "surprised")
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"}, names)
    assert {sample.label for sample in samples(tmp_path)} == set(CLASSES)


def test_name_used_twice_is_told_apart_by_class(tmp_path: Path) -> None:
    """As in Kaggle's copy, where Training_8475486 is one image in angry and another in surprise."""
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    for name in ("angry", "surprise"):
        Image.fromarray(face(len(name))).save(tmp_path / "train" / name / "Training_8475486.png")
    ids = [sample.id for sample in samples(tmp_path) if "8475486" in sample.id]
    assert ids == ["angry/Training_8475486", "surprise/Training_8475486"]


def test_name_used_twice_in_one_class_is_a_duplicate(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    for suffix in ("png", "bmp"):
        Image.fromarray(face(1)).save(tmp_path / "train" / "sad" / f"Training_77.{suffix}")
    with pytest.raises(FaultyDataset, match="duplicate id 'sad/Training_77'"):
        pack_dataset(fer2013(tmp_path), name="fer2013", cache=tmp_path / "cache")


def test_unknown_class_folder_is_a_fault_for_each_image(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"}, [*CLASSES, "contempt"])
    assert [fault.reason for fault in faults(tmp_path)] == ["unknown label 'contempt'"] * 2


def test_image_beside_the_class_folders_is_a_fault(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    Image.fromarray(face(1)).save(tmp_path / "train" / "Training_5.png")
    assert faults(tmp_path) == [Fault(str(tmp_path / "train" / "Training_5.png"), None, "lies in no class folder")]


def test_test_files_that_tell_nothing_are_refused_at_once(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "im", "test": "im"})
    error = refusal(tmp_path)
    assert "PublicTest_* or PrivateTest_*" in error.message
    assert "--dataset folder" in error.remedy


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("face.png", "the name says neither PublicTest_* nor PrivateTest_*"),
        ("Training_9.png", "the name says 'Training', but it lies in test/"),
    ],
)
def test_single_test_file_that_tells_nothing_or_otherwise_is_a_fault(tmp_path: Path, name: str, reason: str) -> None:
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    file = tmp_path / "test" / "sad" / name
    Image.fromarray(face(1)).save(file)
    assert faults(tmp_path) == [Fault(str(file), None, reason)]


def test_name_against_its_folder_is_a_fault(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "val": "PublicTest_", "test": "PublicTest_9"})
    assert {fault.reason for fault in faults(tmp_path)} == {"the name says 'PublicTest', but it lies in test/"}


def test_folder_without_images_is_a_fault(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    shutil.rmtree(tmp_path / "test")
    (tmp_path / "test" / "sad").mkdir(parents=True)
    assert [fault.reason for fault in faults(tmp_path)] == ["no image in parts 'PublicTest' and 'PrivateTest'"]


def test_image_of_another_size_refuses_the_pack(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    file = tmp_path / "train" / "sad" / "Training_501.png"
    Image.new("L", (48, 50)).save(file)
    with pytest.raises(FaultyDataset) as caught:
        pack_dataset(fer2013(tmp_path), name="fer2013", cache=tmp_path / "cache")
    assert caught.value.faults == (Fault(str(file), None, "wrong shape 50×48, expected 48×48"),)


def test_source_changes_when_a_file_does(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    first = fer2013(tmp_path).source()
    assert fer2013(tmp_path).source() == first
    Image.fromarray(face(5)).save(tmp_path / "train" / "sad" / "Training_99.png")
    assert fer2013(tmp_path).source() != first


# Finding the layout


def test_table_is_preferred_to_folders_and_the_notes_say_so(tmp_path: Path) -> None:
    write_table(tmp_path, good_rows())
    write_table(tmp_path, good_rows(), "icml_face_data.csv")
    write_folders(tmp_path, {"train": "Training_", "test": "PublicTest_"})
    assert fer2013(tmp_path).notes == {
        "layout": "fer2013.csv",
        "votes": False,
        "also_there": "not read: icml_face_data.csv, train/, test/",
    }


def test_directory_that_the_archive_unpacks_to_is_found(tmp_path: Path) -> None:
    (tmp_path / "fer2013").mkdir()
    write_table(tmp_path / "fer2013", good_rows())
    assert len(samples(tmp_path)) == 21


def test_nothing_found_says_what_is_there_and_where_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "cats.txt").write_text("meow")
    error = refusal(tmp_path)
    assert "fer2013.csv, icml_face_data.csv, train/ and test/" in error.message
    assert "cats.txt" in error.message
    assert "msambare/fer2013" in error.remedy


def test_path_that_does_not_exist(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none").message


def test_no_path() -> None:
    assert "--data" in refusal(None).remedy


def test_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "fer2013.tar.gz").write_bytes(b"")
    assert "unpack" in refusal(tmp_path / "fer2013.tar.gz").remedy


def test_it_keeps_the_rules_of_datasets(tmp_path: Path) -> None:
    write_table(tmp_path, [*good_rows(), *((str(k), text_of(face(50 + k)), "Training") for k in range(7))])
    assert broken_rules("dataset", "fer2013", data=tmp_path) == {}


def test_names_without_a_suffix_and_what_file_servers_leave_change_nothing(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train": "Training_", "val": "PublicTest_", "test": "PrivateTest_"})
    before = [(sample.id, sample.part, sample.label) for sample in samples(tmp_path)]
    for file in list(tmp_path.rglob("*.png")):
        file.rename(file.with_suffix(""))
    for left in ("train/@eaDir/happy", "test/happy/.thumbnails", "#recycle"):
        (tmp_path / left).mkdir(parents=True)
        Image.fromarray(face(1)).save(tmp_path / left / "PrivateTest_1.png")
    assert [(sample.id, sample.part, sample.label) for sample in samples(tmp_path)] == before
