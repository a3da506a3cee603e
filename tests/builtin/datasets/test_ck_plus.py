"""CK+: sequences, class folders and a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from kept_rules import broken_rules
from made_images import draw, faults, labels, samples

from ferbench import UserError
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.splits import SplitRequest, cut
from ferbench.plugin.discovery import load_registry
from ferbench_builtin.datasets.ck_plus import ck_plus

#: As the authors' ReadMe numbers emotions; the table's order is another.
CODES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
TABLE = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
FOLDERS = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")


def sequence(root: Path, person: int, take: int, frames: int = 5, emotion: str | None = None) -> None:
    clip = Path(f"S{person:03d}", f"{take:03d}")
    stem = f"S{person:03d}_{take:03d}"
    for frame in range(1, frames + 1):
        draw(root / "cohn-kanade-images" / clip / f"{stem}_{frame:08d}.png", person * 100 + take * 10 + frame)
    (root / "Emotion" / clip).mkdir(parents=True, exist_ok=True)
    if emotion is not None:
        (root / "Emotion" / clip / f"{stem}_{frames:08d}_emotion.txt").write_text(emotion)


def make_sequences(root: Path) -> Path:
    for code in range(1, 8):
        sequence(root, 10 + code, 1, emotion=f"   {code}.0000000e+00\n")
    sequence(root, 11, 2)
    return root


def make_folders(root: Path) -> Path:
    for index, name in enumerate(FOLDERS):
        for frame in (17, 18, 19):
            draw(root / name / f"S{10 + index:03d}_004_{frame:08d}.png", index * 3 + frame)
    return root


def make_table(root: Path) -> Path:
    root.mkdir(exist_ok=True)
    pixels = " ".join(["7"] * 48 * 48)
    usages = ("Training",) * 8 + ("PublicTest",) * 8 + ("PrivateTest",) * 8
    lines = [f"{index % 8},{pixels},{usage}" for index, usage in enumerate(usages)]
    (root / "ckextended.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")
    return root


def test_last_frames_of_labelled_sequences_have_the_sequences_emotion(tmp_path: Path) -> None:
    dataset = ck_plus(make_sequences(tmp_path), frames=2)
    assert labels(dataset) == {
        f"S{10 + code:03d}_001_{frame:08d}": CODES[code] for code in range(1, 8) for frame in (4, 5)
    }
    assert dataset.notes["left_out"] == {"sequences without an emotion": 1}


def test_first_frames_are_neutral_on_request(tmp_path: Path) -> None:
    found = labels(ck_plus(make_sequences(tmp_path), frames=1, neutral=True))
    assert {name for name, label in found.items() if label == "neutral"} == {
        f"S{10 + code:03d}_001_00000001" for code in range(1, 8)
    }
    assert len(found) == 14


def test_short_sequence_keeps_its_first_frame_neutral(tmp_path: Path) -> None:
    sequence(make_sequences(tmp_path), 30, 1, frames=2, emotion="5")
    found = labels(ck_plus(tmp_path, frames=3, neutral=True))
    assert (found["S030_001_00000001"], found["S030_001_00000002"]) == ("neutral", "happy")


def test_classes_are_those_of_the_copy(tmp_path: Path) -> None:
    without = tuple(sorted(set(CODES) - {"neutral"}))
    assert ck_plus(make_sequences(tmp_path / "a")).class_names == without
    assert ck_plus(tmp_path / "a", neutral=True).class_names == tuple(sorted(CODES))
    assert ck_plus(make_folders(tmp_path / "b")).class_names == without
    sequence(tmp_path / "a", 40, 1, emotion="0")
    assert ck_plus(tmp_path / "a").class_names == tuple(sorted(CODES))


def without_contempt(root: Path) -> None:
    for emotion in root.glob("Emotion/S012/*/*.txt"):
        emotion.unlink()
    for face in root.glob("contempt/*"):
        face.unlink()
    if (root / "contempt").is_dir():
        (root / "contempt").rmdir()
    if (table := root / "ckextended.csv").is_file():
        table.write_text("".join(line for line in table.open() if not line.startswith("7,")))


@pytest.mark.parametrize("make", [make_sequences, make_folders, make_table])
def test_an_edition_without_contempt_has_no_such_class(tmp_path: Path, make) -> None:
    whole = ck_plus(make(tmp_path))
    assert "contempt" in whole.class_names
    assert ck_plus(tmp_path, contempt=False).class_names == tuple(n for n in whole.class_names if n != "contempt")
    without_contempt(tmp_path)
    dataset = ck_plus(tmp_path)
    assert "contempt" not in dataset.class_names
    assert {sample.label for sample in dataset.samples()} == set(dataset.class_names)
    assert "contempt" in dataset.notes["edition"].partition("without")[2]
    with pytest.raises(UserError, match=r"an edition of CK\+ without contempt"):
        ck_plus(tmp_path, contempt=True)


def test_contempt_that_is_not_wanted_is_counted(tmp_path: Path) -> None:
    dataset = ck_plus(make_sequences(tmp_path), contempt=False)
    assert "contempt" not in {sample.label for sample in dataset.samples()}
    assert dataset.notes["left_out"]["sequences of contempt"] == 1
    assert dataset.notes["edition"] == "six classes, without contempt and neutral"
    table = ck_plus(make_table(tmp_path / "t"), contempt=False)
    assert len(list(table.samples())) == 21
    assert table.notes["left_out"] == {"contempt": 3}


def test_person_clip_and_frame_come_from_the_name(tmp_path: Path) -> None:
    sample = samples(ck_plus(make_sequences(tmp_path)))["S012_001_00000004"]
    assert (sample.subject, sample.clip, sample.frame) == ("S012", "S012_001", 3)


def test_people_are_in_one_part(tmp_path: Path) -> None:
    for copy in (make_sequences(tmp_path / "a"), make_folders(tmp_path / "b")):
        found = samples(ck_plus(copy)).values()
        people = {part: {s.subject for s in found if s.part == part} for part in ("train", "test")}
        assert len(people["test"]) == 2
        assert people["test"].isdisjoint(people["train"])


@pytest.mark.parametrize("text", ["", "eight", "8", "1.5", "nan"])
def test_label_that_is_no_emotion_is_a_fault(tmp_path: Path, text: str) -> None:
    sequence(make_sequences(tmp_path), 50, 1, emotion=text)
    (fault,) = faults(ck_plus(tmp_path))
    assert fault.file.endswith("S050_001_00000005_emotion.txt")
    assert "no emotion from 0 to 7" in fault.reason


def test_labelled_sequence_without_frames_is_a_fault(tmp_path: Path) -> None:
    sequence(make_sequences(tmp_path), 60, 1, frames=0, emotion="3")
    (fault,) = faults(ck_plus(tmp_path))
    assert fault.reason == "no frame of a sequence that is labelled 'disgust'"


def test_folders_are_classes_by_name(tmp_path: Path) -> None:
    found = labels(ck_plus(make_folders(tmp_path / "CK+48").parent))
    assert len(found) == 21
    assert found["S010_004_00000017"] == "angry"
    assert found["S015_004_00000019"] == "sad"


def test_folders_have_the_last_frames_alone_on_request(tmp_path: Path) -> None:
    dataset = ck_plus(make_folders(tmp_path), frames=1)
    assert {name[-2:] for name in samples(dataset)} == {"19"}
    assert dataset.notes["left_out"] == {"frames before the last 1": 14}


def test_other_name_in_a_class_folder_is_a_fault(tmp_path: Path) -> None:
    file = draw(make_folders(tmp_path) / "fear" / "portrait.png")
    assert [fault.file for fault in faults(ck_plus(tmp_path))] == [str(file)]


def test_table_has_its_own_numbers_and_usages(tmp_path: Path) -> None:
    found = samples(ck_plus(make_table(tmp_path))).values()
    assert [sample.label for sample in found] == list(TABLE) * 3
    assert [sample.part for sample in found] == ["Training"] * 8 + ["PublicTest"] * 8 + ["PrivateTest"] * 8
    pack = pack_dataset(ck_plus(tmp_path), name="ck-plus", cache=tmp_path / "cache")
    assert pack.images.shape == (24, 1, 48, 48)


def test_table_is_no_copy_to_hold_people_out_of(tmp_path: Path) -> None:
    pack = pack_dataset(ck_plus(make_table(tmp_path)), name="ck-plus", cache=tmp_path / "cache")
    protocols = load_registry().find("dataset", "ck-plus").spec.protocols  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="protocol 'people' needs the part train of 'ck-plus'") as error:
        cut(pack, protocols, SplitRequest())
    assert "data.protocol=usage" in error.value.remedy
    assert len(cut(pack, protocols, SplitRequest(protocol="usage")).test) == 8


def test_tables_unknown_number_is_a_fault_with_its_row(tmp_path: Path) -> None:
    table = make_table(tmp_path) / "ckextended.csv"
    table.write_text(table.read_text() + "8,1 2 3,Training\n")
    (fault,) = faults(ck_plus(tmp_path))
    assert (fault.row, fault.reason) == (26, "unknown label '8', expected an emotion from 0 to 7")


@pytest.mark.parametrize("make", [make_folders, make_table])
def test_neutral_frames_need_the_sequences(tmp_path: Path, make) -> None:
    with pytest.raises(UserError, match="first frames of sequences"):
        ck_plus(make(tmp_path), neutral=True)


def test_changed_label_changes_the_source(tmp_path: Path) -> None:
    first = ck_plus(make_sequences(tmp_path)).source()
    assert ck_plus(tmp_path).source() == first
    sequence(tmp_path, 11, 2, emotion="2")
    assert ck_plus(tmp_path).source() != first


def test_another_directory_is_refused_with_what_is_there(tmp_path: Path) -> None:
    draw(tmp_path / "happy" / "1.png")
    with pytest.raises(UserError, match=r"no CK\+ in .*cohn-kanade-images/.*ckextended\.csv; found happy/"):
        ck_plus(tmp_path)


def test_it_keeps_the_rules_of_datasets(tmp_path: Path) -> None:
    for person in range(12):
        for code in range(1, 8):
            sequence(tmp_path, person, code, frames=2, emotion=str(code))
    assert broken_rules("dataset", "ck-plus", data=tmp_path, frames=1) == {}


def test_names_without_a_suffix_say_as_much(tmp_path: Path) -> None:
    before = labels(ck_plus(make_folders(tmp_path)))
    for file in list(tmp_path.rglob("*.png")):
        file.rename(file.with_suffix(""))
    assert labels(ck_plus(tmp_path)) == before
