"""The images of a pack, and whether they are what was packed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferbench.bounded import Damaged
from ferbench.data.images import IMAGES_FILE, DamagedPack, StoredImages, pixel_hash

ARRAY = np.random.default_rng(0).integers(0, 256, (50, 3, 5, 7), dtype=np.uint8)
HASHES = np.frombuffer(b"".join(map(pixel_hash, ARRAY)), dtype=np.uint8).reshape(-1, 16)


def stored(directory: Path, array: np.ndarray = ARRAY, hashes: np.ndarray = HASHES) -> StoredImages:
    array.tofile(directory / IMAGES_FILE)
    return StoredImages(directory, array.shape, hashes)


def write(directory: Path, offset: int, content: bytes) -> None:
    with (directory / IMAGES_FILE).open("r+b") as file:
        file.seek(offset)
        file.write(content)
    # The clock of a file system may stand still between two writes that follow each other at once.
    status = (directory / IMAGES_FILE).stat()
    os.utime(directory / IMAGES_FILE, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        np.int64(7),
        slice(None),
        slice(3, 20),
        slice(40, 2, -3),
        slice(60, 70),
        np.array([4, 5, 6, 9, 2, 2, -1]),
        np.zeros(0, dtype=np.int64),
        [3, 1],
        np.arange(50) % 3 == 0,
        (slice(None), 0, 1, 2),
        (np.array([3, 8]), slice(1, 3)),
        (4, 2),
        (..., 0),
        (3, ..., 0),
    ],
    ids=str,
)
def test_images_are_taken_as_from_an_array(tmp_path: Path, key: Any) -> None:
    found = stored(tmp_path)[key]
    np.testing.assert_array_equal(found, ARRAY[key])
    assert found.dtype == np.uint8
    assert found.shape == ARRAY[key].shape


def test_they_are_an_array_for_numpy(tmp_path: Path) -> None:
    images = stored(tmp_path)
    assert (images.shape, images.dtype, len(images)) == (ARRAY.shape, ARRAY.dtype, 50)
    np.testing.assert_array_equal(images, ARRAY)  # type: ignore[arg-type]
    assert np.asarray(images, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "key", [50, -51, np.array([0, 50]), [-51], np.zeros(3, bool), np.zeros((2, 2), int), [0.5], "a"]
)
def test_what_there_is_not_is_an_error(tmp_path: Path, key: Any) -> None:
    with pytest.raises(IndexError):
        stored(tmp_path)[key]


@pytest.mark.parametrize("side", [4, 200])
def test_every_changed_image_is_found_whatever_its_size(tmp_path: Path, side: int) -> None:
    array = np.random.default_rng(1).integers(0, 256, (300, 1, side, side), dtype=np.uint8)
    hashes = np.frombuffer(b"".join(map(pixel_hash, array)), dtype=np.uint8).reshape(-1, 16)
    images = stored(tmp_path, array, hashes)
    assert images.damaged_rows() == []
    wrong = [0, 1, 77, 150, 299]
    for row in wrong:
        array[row, 0, row % side, -1] ^= 1
    images = stored(tmp_path, array, hashes)
    assert images.damaged_rows() == wrong
    assert images.damaged_rows([5, 77, 6]) == [77]
    images.check(range(2, 77))
    compared: list[tuple[int, int]] = []
    images.damaged_rows(compared=lambda done, of: compared.append((done, of)))
    assert compared == sorted(compared)
    assert compared[-1] == (300, 300)
    with pytest.raises(DamagedPack, match="5 of 300 images have changed, the first in row 0"):
        images.check()


def test_what_changes_while_it_is_used_is_not_given_out(tmp_path: Path) -> None:
    images = stored(tmp_path)
    np.testing.assert_array_equal(images[3], ARRAY[3])
    write(tmp_path, 3 * 105 + 7, bytes([ARRAY[3].flat[7] ^ 1]))
    for row in (3, 4):  # whichever is asked for
        with pytest.raises(DamagedPack, match="the image of row 3 has changed"):
            images[row]


def test_a_file_that_is_written_with_what_it_had_goes_on(tmp_path: Path) -> None:
    images = stored(tmp_path)
    write(tmp_path, 0, ARRAY[0].tobytes())
    for _ in range(2):
        np.testing.assert_array_equal(images[:], ARRAY)


def test_a_file_that_is_cut_short_is_an_error_and_no_signal(tmp_path: Path) -> None:
    images = stored(tmp_path)
    os.truncate(tmp_path / IMAGES_FILE, 20 * 105 + 3)
    for row in (49, 20, 0):
        with pytest.raises(DamagedPack, match="cut short") as caught:
            images[row]
        assert str(tmp_path) in caught.value.message


def test_a_pack_that_is_removed_or_replaced_meanwhile_stays_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    images = stored(tmp_path / "pack")
    (tmp_path / "pack").rename(tmp_path / "other")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / IMAGES_FILE).write_bytes(b"new")
    shutil.rmtree(tmp_path / "other")
    np.testing.assert_array_equal(images[:], ARRAY)


def test_a_disk_that_cannot_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = stored(tmp_path)

    def failing(*args: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("ferbench.data.images.os.preadv", failing)
    with pytest.raises(DamagedPack, match="Input/output error"):
        images[0]


def test_reads_may_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.preadv
    monkeypatch.setattr("ferbench.data.images.os.preadv", lambda fd, views, at: whole(fd, [views[0][:50]], at))
    np.testing.assert_array_equal(stored(tmp_path)[:], ARRAY)


def test_only_a_regular_file_of_the_right_size_is_opened(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="5,249 bytes, expected 5,250"):
        ARRAY.reshape(-1)[:-1].tofile(tmp_path / IMAGES_FILE)
        StoredImages(tmp_path, ARRAY.shape, HASHES)
    (tmp_path / IMAGES_FILE).rename(tmp_path / "elsewhere")
    (tmp_path / IMAGES_FILE).symlink_to("elsewhere")
    with pytest.raises(Damaged, match="symbolic link"):
        StoredImages(tmp_path, ARRAY.shape, HASHES)
    (tmp_path / IMAGES_FILE).unlink()
    os.mkfifo(tmp_path / IMAGES_FILE)
    with pytest.raises(Damaged, match="no regular file"):
        StoredImages(tmp_path, ARRAY.shape, HASHES)


def test_its_file_is_closed_with_it(tmp_path: Path) -> None:
    images = stored(tmp_path)
    descriptor = images._descriptor
    os.fstat(descriptor)
    del images
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
