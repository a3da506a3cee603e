"""Which files are images, and which are nobody's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_images import draw

from ferbench import UserError
from ferbench.data.image_tree import Ignored, images, images_in, left_out_line, stamp, subdirectories

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)

NOBODYS = (
    ".cache",
    ".ipynb_checkpoints",
    ".Trash-1000",
    ".thumbnails",
    "__MACOSX",
    "__pycache__",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
)


def renamed(file: Path, name: str) -> Path:
    return file.rename(file.with_name(name))


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.JPG", "a", "a.dat", "a.jpg_large", "2024.01.05", "a.png "])
def test_images_are_found_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    renamed(draw(tmp_path / "drawn.jpg"), name)
    assert list(images(tmp_path)) == [name]


@pytest.mark.parametrize("suffix", ["gif", "png", "bmp", "webp", "tiff"])
def test_images_of_every_format_are_found_without_a_suffix(tmp_path: Path, suffix: str) -> None:
    renamed(draw(tmp_path / f"drawn.{suffix}"), "picture")
    assert list(images(tmp_path)) == ["picture"]


def test_what_is_no_image_is_counted_and_no_more(tmp_path: Path) -> None:
    for name in ("Thumbs.db", "notes.txt", "labels.csv", "desktop.ini", "empty"):
        (tmp_path / name).write_bytes(b"" if name == "empty" else b"no image")
    ignored = Ignored()
    assert list(images(tmp_path, ignored)) == []
    assert (ignored.count, ignored.images, ignored.notes()) == (5, [], {})


def test_images_that_cannot_be_decoded_are_named(tmp_path: Path) -> None:
    draw(tmp_path / "faces" / "a.png")
    for name in ("b.heic", "c.HEIC", "d"):
        (tmp_path / "faces" / name).write_bytes(HEIC)
    renamed(draw(tmp_path / "faces" / "raw.tif"), "e.dng")
    ignored = Ignored()
    assert list(images(tmp_path / "faces", ignored)) == ["a.png"]
    assert left_out_line(ignored.notes()) == (
        "4 images were left out that cannot be decoded (.heic 2, no suffix 1, .dng 1), such as faces/b.heic"
    )


def test_stamp_changes_with_images_that_cannot_be_decoded(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    first = stamp([tmp_path])
    (tmp_path / "notes.txt").write_text("no image")
    assert stamp([tmp_path]) == first
    (tmp_path / "b.heic").write_bytes(HEIC)
    assert stamp([tmp_path]) != first


@pytest.mark.parametrize("name", NOBODYS)
def test_what_systems_and_tools_leave_is_passed_over(tmp_path: Path, name: str) -> None:
    draw(tmp_path / "happy" / "a.png")
    draw(tmp_path / name / "b.png")
    draw(tmp_path / "happy" / name / "c.png")
    assert subdirectories(tmp_path) == ["happy"]
    assert list(images(tmp_path)) == ["happy/a.png"]


def test_usual_names_are_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "gone.jpg")

    def refuse(path: object) -> None:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr("ferbench.data.image_tree.format_of", refuse)
    assert list(images(tmp_path)) == ["a.png", "b.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_and_links_to_themselves_hold_nothing_up(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert list(images(tmp_path)) == ["a.png"]


def test_directory_of_undecodable_images_is_refused_by_naming_them(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(HEIC)
    with pytest.raises(UserError) as caught:
        images_in(tmp_path, deep=True)
    assert "that can be decoded: 1 image was left out that cannot be decoded (.heic 1)" in caught.value.message


def test_directory_with_hidden_images_alone_has_none(tmp_path: Path) -> None:
    draw(tmp_path / ".hidden.png")
    with pytest.raises(UserError, match="there is no image in"):
        images_in(tmp_path, deep=False)


def test_notes_of_members_count_together_and_foreign_ones_do_no_harm() -> None:
    told = {"left_out_images": {"counts": {".heic": 2}, "example": "a.heic"}}
    assert "(.heic 4)" in left_out_line({"members": {"a": told, "b": told}})
    for notes in (
        {},
        {"members": 3},
        {"members": {"a": 3}},
        {"left_out_images": 4},
        {"left_out_images": {"counts": 1}},
    ):
        assert left_out_line(notes) == ""
