"""Any tree of split, class and image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kept_rules import broken_rules
from PIL import Image

from ferbench import Fault, Sample, UserError
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset
from ferbench_builtin.datasets.folder import folder


def draw(file: Path, seed: int = 0, size: tuple[int, int] = (8, 8)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    for seed, name in enumerate(("train/sad/1.png", "train/glad/1.png", "test/sad/2.png", "test/glad/2.png")):
        draw(root / name, seed)
    return root


def samples(path: Path) -> list[Sample]:
    found = list(folder(path).samples())
    assert not [item for item in found if isinstance(item, Fault)]
    return [item for item in found if isinstance(item, Sample)]


def faults(path: Path) -> list[Fault]:
    return [item for item in folder(path).samples() if isinstance(item, Fault)]


def refusal(path: Path | None) -> UserError:
    with pytest.raises(UserError) as caught:
        folder(path)
    return caught.value


def test_samples_have_the_class_and_part_of_their_folders(tree: Path) -> None:
    assert [(sample.id, sample.part, sample.label) for sample in samples(tree)] == [
        ("train/glad/1.png", "train", "glad"),
        ("train/sad/1.png", "train", "sad"),
        ("test/glad/2.png", "test", "glad"),
        ("test/sad/2.png", "test", "sad"),
    ]


def test_classes_are_the_folders_in_train_sorted(tree: Path) -> None:
    draw(tree / "train" / "Angry" / "1.png")
    assert folder(tree).class_names == ("Angry", "glad", "sad")


@pytest.mark.parametrize("name", ["validation", "val", "valid", "dev", "VAL"])
def test_validation_goes_by_many_names(tree: Path, name: str) -> None:
    draw(tree / name / "sad" / "3.png")
    assert [sample.id for sample in samples(tree) if sample.part == "validation"] == ["validation/sad/3.png"]


def test_images_are_found_at_any_depth_and_by_any_suffix(tree: Path) -> None:
    for index, suffix in enumerate(("jpg", "JPEG", "bmp", "webp", "tif", "TIFF")):
        draw(tree / "train" / "sad" / f"person {index}" / f"a.{suffix}", index)
    ids = [sample.id for sample in samples(tree)]
    assert "train/sad/person 1/a.JPEG" in ids
    assert len(ids) == 10


def test_other_files_are_ignored_and_counted(tree: Path) -> None:
    for name in ("train/sad/Thumbs.db", "train/sad/notes.txt", "train/sad/.hidden.png", "train/readme.md"):
        (tree / name).write_bytes(b"x")
    draw(tree / "train" / "sad" / ".cache" / "1.png")
    dataset = folder(tree)
    assert len(list(dataset.samples())) == 4
    assert dataset.notes == {
        "layout": "folders",
        "splits": {"train": "train", "test": "test"},
        "images": {"train": 2, "test": 2},
        "ignored_files": 5,
    }


def test_loop_of_links_is_not_followed(tree: Path) -> None:
    (tree / "train" / "sad" / "again").symlink_to(tree / "train" / "sad")
    assert len(samples(tree)) == 4


def test_linked_class_folder_is_followed(tree: Path, tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere" / "9.png")
    (tree / "train" / "calm").symlink_to(tmp_path / "elsewhere")
    assert "train/calm/9.png" in [sample.id for sample in samples(tree)]


def test_link_to_nothing_is_a_fault_of_the_pack(tree: Path, tmp_path: Path) -> None:
    (tree / "train" / "sad" / "gone.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(FaultyDataset, match="cannot be read: No such file"):
        pack_dataset(folder(tree), name="folder", cache=tmp_path / "cache")


def test_class_unknown_to_train_is_a_fault(tree: Path) -> None:
    file = draw(tree / "test" / "sly" / "1.png")
    assert faults(tree) == [Fault(str(file), None, "unknown label 'sly': no such class folder in train")]


def test_image_in_no_class_folder_is_a_fault(tree: Path) -> None:
    file = draw(tree / "train" / "stray.png")
    assert faults(tree) == [Fault(str(file), None, "lies in no class folder")]


def test_class_without_an_image_in_train_is_a_fault(tree: Path) -> None:
    (tree / "train" / "calm").mkdir()
    where = str(tree / "train" / "calm")
    assert faults(tree) == [Fault(where, None, "class 'calm' has no image in part 'train'")]


def test_class_without_an_image_in_test_is_none(tree: Path) -> None:
    draw(tree / "train" / "calm" / "1.png")
    assert faults(tree) == []


def test_split_without_images_is_a_fault(tree: Path) -> None:
    (tree / "val" / "sad").mkdir(parents=True)
    assert faults(tree) == [Fault(str(tree / "val"), None, "no image in part 'validation'")]


def test_colour_and_size_are_options(tree: Path, tmp_path: Path) -> None:
    draw(tree / "train" / "sad" / "wide.png", size=(8, 20))
    gray = pack_dataset(folder(tree, size=16, color="gray"), name="folder", cache=tmp_path / "cache")
    colour = pack_dataset(folder(tree, size=12), name="folder", cache=tmp_path / "cache")
    assert gray.images.shape == (5, 1, 16, 16)
    assert colour.images.shape == (5, 3, 12, 12)


def test_images_of_unlike_sizes_need_the_size_option(tree: Path, tmp_path: Path) -> None:
    draw(tree / "train" / "sad" / "wide.png", size=(8, 20))
    with pytest.raises(FaultyDataset, match="wrong shape 8×20, expected 8×8"):
        pack_dataset(folder(tree), name="folder", cache=tmp_path / "cache")


def test_pack_of_a_moved_tree_is_the_same(tree: Path, tmp_path: Path) -> None:
    first = pack_dataset(folder(tree), name="folder", cache=tmp_path / "cache").digest
    tree.rename(tmp_path / "moved")
    assert pack_dataset(folder(tmp_path / "moved"), name="folder", cache=tmp_path / "other").digest == first


@pytest.mark.parametrize("change", ["add", "remove", "rewrite", "move to another class"])
def test_source_changes_with_the_files(tree: Path, change: str) -> None:
    first = folder(tree).source()
    assert folder(tree).source() == first
    file = tree / "train" / "sad" / "1.png"
    if change == "add":
        draw(tree / "test" / "sad" / "9.png")
    elif change == "remove":
        draw(tree / "train" / "sad" / "2.png")
        file.unlink()
    elif change == "rewrite":
        draw(file, 77)
    else:
        file.rename(tree / "train" / "glad" / "7.png")
    assert folder(tree).source() != first


def test_no_train_says_what_is_there(tmp_path: Path) -> None:
    draw(tmp_path / "happy" / "1.png")
    error = refusal(tmp_path)
    assert "no folder 'train'" in error.message
    assert "happy" in error.message
    assert "train/<class>/<image>" in error.remedy


def test_two_folders_for_one_part_are_refused(tree: Path) -> None:
    draw(tree / "val" / "sad" / "1.png")
    draw(tree / "dev" / "sad" / "1.png")
    assert "dev, val" in refusal(tree).message


def test_fewer_than_two_classes_are_refused(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "sad" / "1.png")
    assert "fewer than two class folders" in refusal(tmp_path).message


def test_missing_directory_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none").message


def test_no_path_is_refused() -> None:
    assert "--data" in refusal(None).remedy


def test_it_keeps_the_rules_of_datasets(tree: Path) -> None:
    for index, name in enumerate(("train/sad/3.png", "train/glad/3.png", "train/sad/4.png", "train/glad/4.png")):
        draw(tree / name, 9 + index)
    assert broken_rules("dataset", "folder", data=tree) == {}


def test_class_folders_alone_are_all_for_training(tmp_path: Path) -> None:
    for name in ("happy/1.png", "happy/ann/2.png", "sad/1.png"):
        draw(tmp_path / "mine" / name)
    assert [(sample.id, sample.part, sample.label) for sample in samples(tmp_path / "mine")] == [
        ("happy/1.png", "train", "happy"),
        ("happy/ann/2.png", "train", "happy"),
        ("sad/1.png", "train", "sad"),
    ]


def test_folders_of_datasets_are_no_classes(tree: Path) -> None:
    draw(tree.parent / "more" / "happy" / "1.png")
    draw(tree.parent / "more" / "sad" / "1.png")
    error = refusal(tree.parent)
    assert "faces is no folder of a class: it holds test, train" in error.message
    assert error.remedy.startswith(f"name it with --data {tree}")


def test_images_in_no_folder_are_told_where_to_go(tmp_path: Path) -> None:
    draw(tmp_path / "mine" / "happy1.png")
    assert "no folder but images" in refusal(tmp_path / "mine").message
