"""JAFFE and KDEF: who shows what is in the names."""

from __future__ import annotations

from pathlib import Path

import pytest
from kept_rules import broken_rules
from made_images import draw, faults, labels, samples

from ferbench import UserError
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset
from ferbench.data.splits import SplitRequest, cut
from ferbench.plugin.discovery import load_registry
from ferbench_builtin.datasets.jaffe import jaffe
from ferbench_builtin.datasets.kdef import kdef

LETTERS = {"AN": "angry", "DI": "disgust", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}
JAFFE = {**LETTERS, "FE": "fear"}
KDEF = {**LETTERS, "AF": "fear"}
#: Full left profile, half left, straight, half right, full right profile.
ANGLES = ("FL", "HL", "S", "HR", "FR")
WOMEN = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")


def make_jaffe(root: Path) -> Path:
    for person, initials in enumerate(WOMEN):
        for index, letters in enumerate(JAFFE):
            draw(root / f"{initials}.{letters}1.{person * 7 + index}.tiff", person * 7 + index)
    return root


def make_kdef(root: Path, people: tuple[str, ...] = ("F01", "F02", "M01", "M02", "M35"), angles=("S", "HL")) -> Path:
    for person, code in enumerate(people):
        for index, letters in enumerate(KDEF):
            for angle in angles:
                draw(root / f"A{code}" / f"A{code}{letters}{angle}.JPG", person * 7 + index, (12, 9))
    return root


def test_jaffes_names_state_person_and_expression(tmp_path: Path) -> None:
    found = samples(jaffe(make_jaffe(tmp_path)))
    assert len(found) == 70
    for name, sample in found.items():
        subject, letters, _ = name.split(".")
        assert (sample.subject, sample.label) == (subject, JAFFE[letters[:2]])


def test_kdefs_names_state_person_and_expression(tmp_path: Path) -> None:
    found = samples(kdef(make_kdef(tmp_path)))
    assert found["AM35AFS"].subject == "M35"
    assert {sample.label for sample in found.values()} == set(KDEF.values())
    for name, sample in found.items():
        assert sample.label == KDEF[name[4:6]]


def test_both_sessions_of_a_person_are_one_subject(tmp_path: Path) -> None:
    make_kdef(tmp_path)
    draw(tmp_path / "BF01" / "BF01HAS.JPG", 99, (12, 9))
    found = samples(kdef(tmp_path))
    assert found["BF01HAS"].subject == found["AF01HAS"].subject == "F01"


def test_test_people_are_a_fifth_and_in_no_other_part(tmp_path: Path) -> None:
    found = samples(jaffe(make_jaffe(tmp_path))).values()
    people = {part: {sample.subject for sample in found if sample.part == part} for part in ("train", "test")}
    assert len(people["test"]) == 2
    assert len(people["train"]) == 8
    assert people["test"].isdisjoint(people["train"])


def test_people_of_the_test_part_do_not_depend_on_the_angles(tmp_path: Path) -> None:
    make_kdef(tmp_path)
    draw(tmp_path / "AM20" / "AM20HAFL.JPG", 50, (12, 9))
    one, other = kdef(tmp_path).notes["test_people"], kdef(tmp_path, angles=("FL",)).notes["test_people"]
    assert one == other


def test_only_straight_views_by_default_and_others_counted(tmp_path: Path) -> None:
    dataset = kdef(make_kdef(tmp_path))
    assert {name[6:] for name in samples(dataset)} == {"S"}
    assert dataset.notes["left_out"] == {"angle HL": 35}
    assert {name[6:] for name in samples(kdef(tmp_path, angles=("HL", "S")))} == {"S", "HL"}


@pytest.mark.parametrize("angle", ANGLES)
def test_each_of_the_five_angles_is_taken_alone(tmp_path: Path, angle: str) -> None:
    dataset = kdef(make_kdef(tmp_path, angles=ANGLES), angles=(angle,))
    assert {name[6:] for name in samples(dataset)} == {angle}
    assert dataset.notes["left_out"] == {f"angle {other}": 35 for other in ANGLES if other != angle}


def test_kdef_beside_the_averaged_faces_is_found(tmp_path: Path) -> None:
    make_kdef(tmp_path / "KDEF")
    draw(tmp_path / "AKDEF" / "FAFFL.JPG")
    assert faults(kdef(tmp_path)) == []


def test_names_in_lower_case_count_too(tmp_path: Path) -> None:
    draw(make_jaffe(tmp_path) / "ka.an2.300.png", 5)
    assert labels(jaffe(tmp_path))["KA.AN2.300"] == "angry"


@pytest.mark.parametrize("name", ["AF36ANS.JPG", "AF00ANS.JPG", "CF01ANS.JPG", "AF01XXS.JPG", "AF01ANL.JPG"])
def test_name_that_is_not_kdefs_is_a_fault(tmp_path: Path, name: str) -> None:
    file = draw(make_kdef(tmp_path) / name)
    (fault,) = faults(kdef(tmp_path))
    assert fault.file == str(file)


def test_directory_without_such_names_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "face.png")
    with pytest.raises(UserError, match=r"no JAFFE in .*KA\.AN1\.39\.tiff.*found face\.png"):
        jaffe(tmp_path)


def test_portraits_become_square_without_being_stretched(tmp_path: Path) -> None:
    make_kdef(tmp_path)
    packed = pack_dataset(kdef(tmp_path, size=12, fit="pad"), name="kdef", cache=tmp_path / "cache")
    assert packed.images.shape == (35, 3, 12, 12)
    assert packed.images[..., 0].max() == 0
    assert packed.images[..., 5].max() > 0


def test_images_of_unlike_sizes_need_the_size_option(tmp_path: Path) -> None:
    draw(make_jaffe(tmp_path) / "YM.SU9.900.tiff", 3, (9, 8))
    with pytest.raises(FaultyDataset, match="wrong shape 9×8, expected 8×8"):
        pack_dataset(jaffe(tmp_path), name="jaffe", cache=tmp_path / "cache")


def test_validation_and_folds_keep_people_together(tmp_path: Path) -> None:
    pack = pack_dataset(jaffe(make_jaffe(tmp_path)), name="jaffe", cache=tmp_path / "cache")
    protocols = load_registry().find("dataset", "jaffe").spec.protocols  # type: ignore[attr-defined]
    assert pack.subject is not None
    for request in (SplitRequest(), SplitRequest(protocol="folds", fold="1/5")):
        split = cut(pack, protocols, request)
        roles = [set(pack.subject[rows].tolist()) for rows in (split.train, split.validation, split.test)]
        assert sum(map(len, roles)) == len(set().union(*roles)) == 10


@pytest.mark.parametrize(("name", "make"), [("jaffe", make_jaffe), ("kdef", make_kdef)])
def test_they_keep_the_rules_of_datasets(tmp_path: Path, name: str, make) -> None:
    assert broken_rules("dataset", name, data=make(tmp_path)) == {}
