"""Images that a CSV file lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_rules import broken_rules
from made_images import draw, faults, samples

from ferbench import Sample, UserError
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset
from ferbench.data.splits import SplitRequest, cut
from ferbench.plugin.discovery import load_registry
from ferbench_builtin.datasets.csv_faces import csv_faces

FULL = "path,label,split,valence,arousal,subject,clip"


def write(root: Path, *lines: str, header: str = "path,label", name: str = "faces.csv") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join([header, *lines]) + "\n")
    for index in range(4):
        draw(root / "pictures" / f"{index}.png", index)
    return root / name


def test_path_and_label_are_enough(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,happy", "pictures/1.png,sad")
    found = samples(csv_faces(table))
    assert [(s.id, s.label, s.part, s.image) for s in found.values()] == [
        ("pictures/0.png", "happy", "train", tmp_path / "pictures" / "0.png"),
        ("pictures/1.png", "sad", "train", tmp_path / "pictures" / "1.png"),
    ]


def test_everything_else_is_taken_where_it_is_known(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,happy,train,0.5,-1,ann,c1", "pictures/1.png,sad,TEST,,,,", header=FULL)
    first, second = samples(csv_faces(table)).values()
    assert (first.part, first.valence, first.arousal, first.subject, first.clip) == ("train", 0.5, -1.0, "ann", "c1")
    assert (second.part, second.valence, second.arousal, second.subject, second.clip) == ("test", *[None] * 4)


@pytest.mark.parametrize("word", ["validation", "val", "valid", "dev", "VAL"])
def test_validation_goes_by_many_names(tmp_path: Path, word: str) -> None:
    table = write(tmp_path, f"pictures/0.png,a,{word}", "pictures/1.png,b,train", header="path,label,split")
    assert samples(csv_faces(table))["pictures/0.png"].part == "validation"


def test_names_of_expressions_get_one_spelling_and_others_stay(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,Anger", "pictures/1.png,Bored", "pictures/2.png,angry")
    dataset = csv_faces(table)
    assert dataset.class_names == ("Bored", "angry")
    assert [sample.label for sample in samples(dataset).values()] == ["angry", "Bored", "angry"]


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    table = write(tmp_path, "x,pictures/0.png,happy,0.1", "y,pictures/1.png,sad,", header="who,file,emotion,v")
    dataset = csv_faces(table, path_column="file", label_column="emotion", valence_column="v", subject_column="who")
    first = samples(dataset)["pictures/0.png"]
    assert (first.label, first.valence, first.subject) == ("happy", 0.1, "x")


@pytest.mark.parametrize("between", [";", "\t"])
def test_semicolons_and_tabs_are_read_as_commas_are(tmp_path: Path, between: str) -> None:
    rows = ["a,pictures/0.png,happy,test", "b,pictures/1.png,sad,train"]
    table = write(
        tmp_path, *(row.replace(",", between) for row in rows), header=between.join(["a", "path", "mood", "split"])
    )
    found = samples(csv_faces(table, label_column="mood"))
    assert [(s.id, s.label, s.part) for s in found.values()] == [
        ("pictures/0.png", "happy", "test"),
        ("pictures/1.png", "sad", "train"),
    ]


def test_fields_may_hold_what_stands_between_those_of_other_files(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,happy;glad,1;2", "pictures/1.png,sad,", header="path,label,a;b;c;d")
    assert csv_faces(table).class_names == ("happy;glad", "sad")


def test_words_in_another_encoding_are_faults_and_no_class(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,happy", "pictures/1.png,sad")
    table.write_bytes(table.read_bytes() + "pictures/2.png,fröhlich\n".encode("latin-1"))
    dataset = csv_faces(table)
    assert dataset.class_names == ("happy", "sad")
    (fault,) = faults(dataset)
    assert (fault.row, fault.reason) == (4, r"label 'fr\udcf6hlich' is not UTF-8; save the file as UTF-8")


def test_utf_16_is_refused_with_what_to_do(tmp_path: Path) -> None:
    table = write(tmp_path)
    table.write_text("path,label\npictures/0.png,happy\n", encoding="utf-16")
    with pytest.raises(UserError) as error:
        csv_faces(table)
    assert error.value.message == f"{table} is text in UTF-16"
    assert "UTF-8" in error.value.remedy


def test_column_that_was_named_must_be_there(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,happy", "pictures/1.png,sad")
    with pytest.raises(UserError, match="has no column 'pleasure'; its first line is: path,label") as error:
        csv_faces(table, valence_column="pleasure")
    assert "dataset.valence_column" in error.value.remedy


def test_paths_start_from_the_root_that_is_given(tmp_path: Path) -> None:
    write(tmp_path / "images")
    table = write(tmp_path / "lists", "0.png,happy", f"{tmp_path}/images/pictures/1.png,sad")
    first, second = samples(csv_faces(table, root=tmp_path / "images" / "pictures")).values()
    assert first.image == tmp_path / "images" / "pictures" / "0.png"
    assert second.image == tmp_path / "images" / "pictures" / "1.png"


def test_directory_with_one_table_stands_for_it(tmp_path: Path) -> None:
    write(tmp_path, "pictures/0.png,happy", "pictures/1.png,sad")
    assert len(samples(csv_faces(tmp_path))) == 2
    write(tmp_path, name="more.csv")
    with pytest.raises(UserError, match=r"one CSV file; there is: faces\.csv, more\.csv"):
        csv_faces(tmp_path)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("pictures/2.png,sad,train,much,0,,", "valence 'much' is no number"),
        (
            "pictures/2.png,sad,later,0,0,,",
            "unknown split 'later', expected train, validation, test, Training, PublicTest or PrivateTest",
        ),
        (",sad,train,0,0,,", "no image is named"),
        ("pictures/2.png,sad", "2 fields, expected 7"),
    ],
)
def test_malformed_row_is_a_fault_with_file_and_row(tmp_path: Path, row: str, reason: str) -> None:
    table = write(tmp_path, "pictures/0.png,sad,train,,,,", "pictures/1.png,happy,test,,,,", row, header=FULL)
    (fault,) = faults(csv_faces(table))
    assert (fault.file, fault.row, fault.reason) == (str(table), 4, reason)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("pictures/9.png,sad,train,0,0,,", "cannot be read: No such file or directory"),
        ("pictures/2.png,sad,train,2,0,,", "valence 2.0 outside -1..1"),
        ("pictures/0.png,sad,train,0,0,,", "duplicate id 'pictures/0.png'"),
        ("pictures/2.png,,train,0,0,,", "unknown label ''"),
    ],
)
def test_row_that_cannot_be_packed_is_a_fault_with_file_and_row(tmp_path: Path, row: str, reason: str) -> None:
    table = write(tmp_path, "pictures/0.png,sad,train,,,,", "pictures/1.png,happy,test,,,,", row, header=FULL)
    with pytest.raises(FaultyDataset) as error:
        pack_dataset(csv_faces(table), name="csv", cache=tmp_path / "cache")
    (fault,) = error.value.faults
    assert (fault.file, fault.row) == (str(table), 4)
    assert reason in fault.reason


def test_labels_in_two_spellings_are_refused_with_how_often_each_is_there(tmp_path: Path) -> None:
    rows = [f"pictures/{index}.png,{label}" for index, label in enumerate(("pain", "Pain", "Pain", "calm"))]
    with pytest.raises(UserError) as error:
        pack_dataset(csv_faces(write(tmp_path, *rows)), name="csv", cache=tmp_path / "cache")
    assert error.value.message == "dataset 'csv' has classes that differ in spelling alone: 'Pain' (2), 'pain' (1)"
    assert not (tmp_path / "cache").exists()


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,happy,sad", "pictures/1.png,sad,sad", header="path,label, Label")
    with pytest.raises(UserError, match="column 'label' is there twice"):
        csv_faces(table)


def test_fewer_than_two_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fewer than two classes: happy"):
        csv_faces(write(tmp_path, "pictures/0.png,happy"))


@pytest.mark.parametrize("missing", [None, Path("none.csv")])
def test_missing_file_is_refused(missing: Path | None) -> None:
    with pytest.raises(UserError) as error:
        csv_faces(missing)
    assert "--data" in error.value.remedy


def test_source_changes_with_table_images_and_columns(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,happy,sad", "pictures/1.png,sad,happy", header="path,label,other")
    sources = [csv_faces(table).source(), csv_faces(table, label_column="other").source()]
    draw(tmp_path / "pictures" / "0.png", 50)
    sources.append(csv_faces(table).source())
    table.write_text(table.read_text() + "pictures/2.png,sad,sad\n")
    sources.append(csv_faces(table).source())
    assert all(one != other for index, one in enumerate(sources) for other in sources[:index])


def test_list_without_a_test_part_is_for_folds_or_for_a_draw(tmp_path: Path) -> None:
    table = write(tmp_path, *(f"pictures/{index}.png,{'happy' if index % 2 else 'sad'}" for index in range(4)))
    pack = pack_dataset(csv_faces(table), name="csv", cache=tmp_path / "cache")
    protocols = load_registry().find("dataset", "csv").spec.protocols  # type: ignore[attr-defined]
    with pytest.raises(UserError) as error:
        cut(pack, protocols, SplitRequest())
    assert "data.test=0.2" in error.value.remedy
    assert len(cut(pack, protocols, SplitRequest(protocol="folds", fold="1/2")).validation) == 2


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_row_crashes_the_reading(tmp_path_factory, one: str, other: str) -> None:
    table = tmp_path_factory.getbasetemp() / "hostile.csv"
    text = f"{FULL}\n0.png,happy,train,,,,\n1.png,sad,train,,,,\n{one}\n{other},sad,train,{one},,,\n"
    table.write_text(text, encoding="utf-8", errors="surrogatepass")
    dataset = csv_faces(table)
    dataset.source()
    assert sum(isinstance(item, Sample) for item in dataset.samples()) >= 2


def test_it_keeps_the_rules_of_datasets(tmp_path: Path) -> None:
    rows = [(f"{index}.png", ("happy", "sad")[index % 2], "test" if index > 5 else "train") for index in range(8)]
    for index, (name, _, _) in enumerate(rows):
        draw(tmp_path / name, index)
    (tmp_path / "faces.csv").write_text("path,label,split\n" + "".join(",".join(row) + "\n" for row in rows))
    assert broken_rules("dataset", "csv", data=tmp_path / "faces.csv") == {}


def test_hidden_table_beside_the_table_is_passed_over(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    draw(tmp_path / "b.png")
    (tmp_path / "faces.csv").write_text("path,label\na.png,happy\nb.png,sad\n")
    (tmp_path / "._faces.csv").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    assert list(samples(csv_faces(tmp_path))) == ["a.png", "b.png"]


def test_image_of_a_format_that_is_not_decoded_is_a_fault_that_names_it(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    (tmp_path / "faces.csv").write_text("path,label\na.png,happy\nb.heic,sad\n")
    with pytest.raises(FaultyDataset, match="row 3: HEIC images are not decoded"):
        pack_dataset(csv_faces(tmp_path / "faces.csv"), name="csv", cache=tmp_path / "cache")


def test_usual_names_of_columns_are_found_and_fer2013s_words_for_parts(tmp_path: Path) -> None:
    rows = ["pictures/0.png,happy,Training", "pictures/1.png,sad,PublicTest", "pictures/2.png,sad,PRIVATETEST"]
    found = samples(csv_faces(write(tmp_path, *rows, header="image,emotion,Usage"))).values()
    assert [(sample.label, sample.part) for sample in found] == [
        ("happy", "train"),
        ("sad", "validation"),
        ("sad", "test"),
    ]


def test_two_columns_that_could_be_one_are_refused_unless_one_is_named(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,x,a", "pictures/1.png,y,b", header="image,file,label")
    with pytest.raises(UserError, match="'image' and 'file' could both be the path"):
        csv_faces(table)
    assert list(samples(csv_faces(table, path_column="image"))) == ["pictures/0.png", "pictures/1.png"]


def test_all_columns_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    table = write(tmp_path, "pictures/0.png,happy", header="Foto,Gesicht")
    with pytest.raises(UserError) as error:
        csv_faces(table, subject_column="who")
    assert "no column for the path and no column for the label and no column 'who'" in error.value.message
    assert "Foto,Gesicht" in error.value.message
    for purpose in ("path", "label", "subject"):
        assert f"--set dataset.{purpose}_column=NAME" in error.value.remedy


@pytest.mark.parametrize("named", [{}, {"path_column": "pictures/0.png", "label_column": "happy"}])
def test_a_first_line_that_is_a_row_is_no_header(tmp_path: Path, named: dict[str, str]) -> None:
    table = write(tmp_path, "pictures/1.png,sad", header="pictures/0.png,happy")
    with pytest.raises(UserError, match="is not a header, but the row of an image") as error:
        csv_faces(table, **named)  # type: ignore[arg-type]
    assert "path,label,split" in error.value.remedy


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", f"0,{'12 ' * 100}7,Training"])
def test_a_table_of_pixels_is_for_fer2013(tmp_path: Path, header: str) -> None:
    with pytest.raises(UserError) as error:
        csv_faces(write(tmp_path, header=header))
    assert f"--dataset fer2013 --data {tmp_path / 'faces.csv'}" in error.value.remedy


def test_faults_of_one_cause_are_given_once_with_where_was_looked(tmp_path: Path) -> None:
    rows = [f"pictures/{index}.png,{'happy' if index % 2 else 'sad'}" for index in range(12)]
    with pytest.raises(FaultyDataset) as error:
        pack_dataset(csv_faces(write(tmp_path, *rows)), name="csv", cache=tmp_path / "cache")
    assert f"looked for {tmp_path / 'pictures' / '4.png'} (and 7 more like it)" in error.value.message
    assert error.value.message.count("looked for") == 1
    assert error.value.remedy == "they have one cause: mend that; --skip-faulty would leave out 8 of 12 samples"
    assert len(error.value.faults) == 8
