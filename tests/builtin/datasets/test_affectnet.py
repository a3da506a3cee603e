"""AffectNet: arrays beside images, and the older tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_rules import broken_rules
from made_images import draw, faults, labels, samples
from PIL import Image

from ferbench import UserError
from ferbench.data.pack_cache import pack_dataset
from ferbench_builtin.datasets.affectnet import _annotation, affectnet

#: As the authors number them.
NUMBERS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"


def annotate(directory: Path, name: str, expression: object, valence: object = "0.5", arousal: object = "-0.25"):
    (directory / "annotations").mkdir(parents=True, exist_ok=True)
    for suffix, value in (("exp", expression), ("val", valence), ("aro", arousal), ("lnd", np.zeros(136))):
        np.save(directory / "annotations" / f"{name}_{suffix}.npy", np.asarray(value))


def make_sets(root: Path) -> Path:
    for part, directory in enumerate(("train_set", "val_set")):
        for number in range(8):
            draw(root / directory / "images" / f"{number}.jpg", part * 10 + number)
            annotate(root / directory, str(number), str(number))
    return root


def rows(part: int, numbers=range(8)) -> list[str]:
    return [f"{part}/{number}.png,2,1,6,5,1.5;2.5;3,{number},0.5,-0.25" for number in numbers]


def make_tables(root: Path, extra: str = "") -> Path:
    for part, name in enumerate(("training.csv", "validation.csv")):
        for number in range(8):
            draw(root / "Manually_Annotated_Images" / str(part) / f"{number}.png", part * 10 + number, (10, 12))
        lines = rows(part)
        (root / name).write_text("\n".join([HEADER, *lines]) + "\n" + (extra if part == 0 else ""))
    return root


@pytest.mark.parametrize("make", [make_sets, make_tables])
def test_numbers_are_classes_by_name(tmp_path: Path, make) -> None:
    found = samples(affectnet(make(tmp_path)))
    assert len(found) == 16
    for name, sample in found.items():
        assert sample.label == NUMBERS[int(name.rpartition("/")[2][0])]
        assert (sample.valence, sample.arousal) == (0.5, -0.25)


@pytest.mark.parametrize("make", [make_sets, make_tables])
def test_parts_are_train_and_validation(tmp_path: Path, make) -> None:
    found = samples(affectnet(make(tmp_path)))
    assert [sample.part for sample in found.values()] == ["train"] * 8 + ["validation"] * 8


@pytest.mark.parametrize("make", [make_sets, make_tables])
def test_the_edition_with_seven_classes_is_recognised(tmp_path: Path, make) -> None:
    whole = affectnet(make(tmp_path))
    assert (len(whole.class_names), whole.notes["edition"]) == (8, "eight classes")
    for path in [*tmp_path.glob("*_set/*/7*"), *tmp_path.glob("Manually*/*/7.png")]:
        path.unlink()
    for table in tmp_path.glob("*.csv"):
        table.write_text("".join(line for line in table.open() if "/7.png" not in line))
    dataset = affectnet(tmp_path, size=16)
    assert dataset.notes["edition"] == "seven classes, without contempt"
    pack = pack_dataset(dataset, name="affectnet", cache=tmp_path / "cache")
    assert (len(pack.class_names), len(pack)) == (7, 14)
    with pytest.raises(UserError, match="holds an edition of AffectNet without contempt"):
        affectnet(tmp_path, contempt=True)


@pytest.mark.parametrize("make", [make_sets, make_tables])
def test_contempt_is_left_out_on_request_and_counted(tmp_path: Path, make) -> None:
    dataset = affectnet(make(tmp_path), contempt=False)
    assert "contempt" not in {sample.label for sample in samples(dataset).values()}
    assert (len(dataset.class_names), dataset.notes["left_out"]["contempt"]) == (7, 2)


def test_all_eight_classes_are_packed_with_affect(tmp_path: Path) -> None:
    pack = pack_dataset(affectnet(make_sets(tmp_path)), name="affectnet", cache=tmp_path / "cache")
    assert set(pack.class_names) == set(NUMBERS)
    assert pack.affect is not None
    np.testing.assert_array_equal(pack.affect[0], np.float32([0.5, -0.25]))


@pytest.mark.parametrize("value", ["3", 3, 3.0, np.int64(3), b"3", " 3 "])
def test_annotations_are_texts_or_numbers(tmp_path: Path, value: object) -> None:
    annotate(make_sets(tmp_path) / "train_set", "0", value)
    assert labels(affectnet(tmp_path))["train/0"] == "surprise"


@pytest.mark.parametrize(("number", "reason"), [(8, "none"), (9, "uncertain"), (10, "no face")])
@pytest.mark.parametrize("make", [make_sets, make_tables])
def test_images_without_an_expression_are_left_out_and_counted(tmp_path: Path, make, number, reason) -> None:
    make(tmp_path)
    if make is make_sets:
        draw(tmp_path / "train_set" / "images" / "77.jpg", 77)
        annotate(tmp_path / "train_set", "77", str(number), "-2", "-2")
    else:
        make_tables(tmp_path, f"0/0.png,NULL,NULL,NULL,NULL,,{number},-2,-2\n")
    dataset = affectnet(tmp_path)
    assert len(samples(dataset)) == 16
    assert dataset.notes["left_out"] == {reason: 1}


def test_minus_two_is_no_valence(tmp_path: Path) -> None:
    annotate(make_sets(tmp_path) / "train_set", "0", "0", "-2", "-2.0")
    sample = samples(affectnet(tmp_path))["train/0"]
    assert (sample.valence, sample.arousal) == (None, None)


def test_unknown_number_is_a_fault(tmp_path: Path) -> None:
    annotate(make_sets(tmp_path) / "train_set", "0", "11")
    (fault,) = faults(affectnet(tmp_path))
    assert fault.reason == "unknown label '11', expected an expression from 0 to 10"


def test_image_without_annotation_is_a_fault(tmp_path: Path) -> None:
    (make_sets(tmp_path) / "val_set" / "annotations" / "3_exp.npy").unlink()
    (fault,) = faults(affectnet(tmp_path))
    assert fault.file == str(tmp_path / "val_set" / "images" / "3.jpg")
    assert "3_exp.npy cannot be read" in fault.reason


def test_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    file = make_sets(tmp_path) / "train_set" / "annotations" / "0_exp.npy"
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (fault,) = faults(affectnet(tmp_path))
    assert fault.reason == "0_exp.npy is no single number"


def test_an_annotation_of_what_is_no_character_is_a_fault(tmp_path):
    file = make_sets(tmp_path) / "train_set" / "annotations" / "0_exp.npy"
    np.save(file, np.array([0x110000], np.uint32).view("<U1"))
    (fault,) = faults(affectnet(tmp_path))
    assert fault.reason == "0_exp.npy is no single number"


def npy(header: str, body: bytes = b"3\0\0\0") -> bytes:
    head = header.encode("latin-1", "replace")
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + body


@given(
    st.binary(max_size=200)
    | st.builds(npy, st.text(max_size=80), st.binary(max_size=9))
    | st.builds(
        "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format,
        st.sampled_from(["'<U1'", "'|O'", "'<U0'", "[('a', 'i4')]", "'<c8'", "'<M8[s]'", "7", "'<f8'"]),
        st.sampled_from(["False", "True", "2"]),
        st.sampled_from(["()", "(1,)", "(0,)", "(10**12,)", "(-1,)", "(1000000000000,)", "'x'"]),
    ).map(npy)
)
def test_no_bytes_crash_the_reading_of_an_annotation(tmp_path_factory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "hostile_exp.npy"
    file.write_bytes(data)
    assert isinstance(_annotation(file), float | str)


def test_annotation_that_changes_changes_the_source(tmp_path: Path) -> None:
    first = affectnet(make_sets(tmp_path)).source()
    assert affectnet(tmp_path).source() == first
    annotate(tmp_path / "train_set", "0", "5.0")
    assert affectnet(tmp_path).source() != first


def test_faces_are_cut_out_by_their_boxes(tmp_path: Path) -> None:
    pack = pack_dataset(affectnet(make_tables(tmp_path)), name="affectnet", cache=tmp_path / "cache")
    assert pack.images.shape == (16, 3, 5, 6)
    photo = np.asarray(Image.open(tmp_path / "Manually_Annotated_Images" / "0" / "0.png"))
    np.testing.assert_array_equal(pack.images[0], photo[1:6, 2:8].transpose(2, 0, 1))


def test_whole_photos_on_request(tmp_path: Path) -> None:
    dataset = affectnet(make_tables(tmp_path), face_box=False)
    assert pack_dataset(dataset, name="affectnet", cache=tmp_path / "cache").images.shape == (16, 3, 10, 12)
    assert dataset.source() != affectnet(tmp_path).source()


def test_table_without_its_header_is_read_too(tmp_path: Path) -> None:
    make_tables(tmp_path)
    (tmp_path / "validation.csv").write_text("\n".join(rows(1)) + "\n")
    assert len(samples(affectnet(tmp_path))) == 16


def test_tables_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    make_tables(tmp_path)
    (tmp_path / "Manually_Annotated_file_lists").mkdir()
    for name in ("training.csv", "validation.csv"):
        (tmp_path / name).rename(tmp_path / "Manually_Annotated_file_lists" / name)
    assert len(samples(affectnet(tmp_path))) == 16


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("0/9.png,2,1,6,5,,x,0,0", "no number"),
        ("0/9.png,NULL,1,6,5,,3,0,0", "the face's box is no four numbers"),
        ("0/9.png,2,1,6,5,,12,0,0", "unknown label '12'"),
        (",2,1,6,5,,3,0,0", "no image is named"),
        ("0/9.png,2,1", "3 fields, expected 9"),
    ],
)
def test_malformed_row_is_a_fault_with_its_row(tmp_path: Path, row: str, reason: str) -> None:
    (fault,) = faults(affectnet(make_tables(tmp_path, row + "\n")))
    assert (fault.file, fault.row) == (str(tmp_path / "training.csv"), 10)
    assert reason in fault.reason


def test_another_directory_is_refused_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "training.csv").write_text(HEADER)
    with pytest.raises(UserError, match=r"no AffectNet in .*train_set/ and val_set/.*found training\.csv"):
        affectnet(tmp_path)


def test_it_keeps_the_rules_of_datasets(tmp_path: Path) -> None:
    make_sets(tmp_path)
    for number in range(8):  # a second image of each class, to cut validation from
        draw(tmp_path / "train_set" / "images" / f"{number + 8}.jpg", 50 + number)
        annotate(tmp_path / "train_set", str(number + 8), str(number))
    assert broken_rules("dataset", "affectnet", data=tmp_path) == {}
