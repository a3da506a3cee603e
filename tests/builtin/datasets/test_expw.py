"""ExpW: photos, boxes and a list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kept_rules import broken_rules
from made_images import draw, faults, samples
from PIL import Image

from ferbench import UserError
from ferbench.data.pack_cache import pack_dataset
from ferbench.data.packing import FaultyDataset
from ferbench_builtin.datasets.expw import expw

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def make(root: Path, extra: str = "") -> Path:
    """Two photos of each class, 12 high and 16 wide, one face each at top 2, left 4, right 12, bottom 10."""
    lines = []
    for index in range(14):
        draw(root / "image" / "origin" / f"photo {index}.png", index, (12, 16))
        lines.append(f"photo {index}.png 0 2 4 12 10 {20 + index}.5 {index % 7}")
    (root / "label").mkdir()
    (root / "label" / "label.lst").write_text("\n".join(lines) + "\n" + extra)
    return root


def test_numbers_are_classes_by_name(tmp_path: Path) -> None:
    found = samples(expw(make(tmp_path)))
    assert {name: sample.label for name, sample in found.items()} == {
        f"photo {index}.png#0": LABELS[index % 7] for index in range(14)
    }


def test_faces_are_cut_out_by_top_left_right_and_bottom(tmp_path: Path) -> None:
    pack = pack_dataset(expw(make(tmp_path)), name="expw", cache=tmp_path / "cache")
    assert pack.images.shape == (14, 3, 8, 8)
    photo = np.asarray(Image.open(tmp_path / "image" / "origin" / "photo 0.png"))
    np.testing.assert_array_equal(pack.images[0], photo[2:10, 4:12].transpose(2, 0, 1))


def test_box_beyond_the_photo_is_clamped(tmp_path: Path) -> None:
    make(tmp_path, "photo 0.png 1 -3 -2 99 99 50 3\n")
    pack = pack_dataset(expw(tmp_path, size=8), name="expw", cache=tmp_path / "cache")
    assert pack.ids.tolist()[-1] == "photo 0.png#1"


@pytest.mark.parametrize("box", ["5 5 5 9", "9 4 12 2", "40 2 50 60"])
def test_box_without_pixels_is_a_fault_with_its_row(tmp_path: Path, box: str) -> None:
    make(tmp_path, f"photo 0.png 1 {box} 50 3\n")
    with pytest.raises(FaultyDataset) as error:
        pack_dataset(expw(tmp_path, size=8), name="expw", cache=tmp_path / "cache")
    (fault,) = error.value.faults
    assert (fault.file, fault.row) == (str(tmp_path / "label" / "label.lst"), 15)
    assert "holds no pixel" in fault.reason


def test_faces_of_a_photo_are_one_clip_in_one_part(tmp_path: Path) -> None:
    make(tmp_path, "".join(f"photo {index}.png 1 0 0 5 5 50 3\n" for index in range(14)))
    found = samples(expw(tmp_path))
    parts = {sample.clip: set() for sample in found.values()}
    for sample in found.values():
        parts[sample.clip].add(sample.part)
    assert all(len(part) == 1 for part in parts.values())
    assert sum(part == {"test"} for part in parts.values()) == 3


def test_faces_below_the_confidence_are_left_out_and_counted(tmp_path: Path) -> None:
    dataset = expw(make(tmp_path), min_confidence=24.5)
    assert len(samples(dataset)) == 10
    assert dataset.notes["left_out"] == {"confidence below 24.5": 4}
    assert dataset.source() != expw(tmp_path).source()


def test_repeated_lines_are_taken_once(tmp_path: Path) -> None:
    dataset = expw(make(tmp_path, "photo 0.png 0 2 4 12 10 20.5 0\n"))
    assert len(samples(dataset)) == 14
    assert dataset.notes["left_out"] == {"repeated lines": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("photo 0.png 1 2 4 12 10 50", "7 fields"),
        ("photo 0.png 1 2 4 12 10 50 7", "unknown label '7'"),
        ("photo 0.png 1 2 4 x 10 50 3", "no number"),
        ("photo 0.png 1 2 4 12 10 nan 3", "no number"),
    ],
)
def test_malformed_line_is_a_fault_with_its_row(tmp_path: Path, line: str, reason: str) -> None:
    line = line.replace("photo 0.png", "photo.png") if "7 fields" in reason else line
    (fault,) = faults(expw(make(tmp_path, line + "\n")))
    assert fault.row == 15
    assert reason in fault.reason


def test_missing_list_is_named(tmp_path: Path) -> None:
    draw(tmp_path / "image" / "origin" / "a.png")
    with pytest.raises(UserError, match=r"no ExpW in .*label/label\.lst and image/origin/; found image/"):
        expw(tmp_path)


def test_it_keeps_the_rules_of_datasets(tmp_path: Path) -> None:
    make(tmp_path, "".join(f"photo {index}.png 1 0 0 8 8 50 {index % 7}\n" for index in range(14)))
    assert broken_rules("dataset", "expw", data=tmp_path, size=8) == {}
